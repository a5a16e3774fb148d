//! Walking a frame.

use std::borrow::Cow;
use std::fmt;

use bytestring::ByteString;

use crate::frame::Frame;
use crate::index::{ESCAPED, Entry, INTEGER, Kind, TRUE};
use crate::number::Number;
use crate::text;

/// One value of a [`Frame`]: two words, free to copy.
///
/// It is also a [`serde::Deserializer`], see [`decode`](Self::decode).
#[derive(Clone, Copy)]
pub struct Node<'a> {
    frame: &'a Frame,
    at: u32,
}

/// The place of a [`Node`] in its frame, for [`Frame::node`]: what to keep where a borrow cannot go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    /// The whole value of any frame.
    pub const ROOT: Self = Self(0);
}

impl<'a> Node<'a> {
    pub(crate) const fn new(frame: &'a Frame, at: u32) -> Self {
        Self { frame, at }
    }

    #[inline]
    pub(crate) fn entry(self) -> Entry {
        self.frame.entry(self.at)
    }

    /// What the value is.
    #[must_use]
    #[inline]
    pub fn kind(self) -> Kind {
        self.entry().kind()
    }

    /// The place of this node in its frame.
    #[must_use]
    pub const fn id(self) -> NodeId {
        NodeId(self.at)
    }

    /// The frame that the node belongs to.
    #[must_use]
    pub const fn frame(self) -> &'a Frame {
        self.frame
    }

    /// The value's text, exactly as received.
    #[must_use]
    #[inline]
    pub fn raw(self) -> &'a str {
        let entry = self.entry();
        entry.raw(self.frame.text())
    }

    /// The value of a string; borrowed unless it has escapes.
    #[must_use]
    #[inline]
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        let entry = self.entry();
        entry.is(Kind::String).then(|| text::value(entry.inner(self.frame.text()), entry.has(ESCAPED)))
    }

    /// The value of a string, to be kept beside the frame or without it: a slice of the frame's text unless it has
    /// escapes.
    #[must_use]
    pub fn to_byte_string(self) -> Option<ByteString> {
        Some(match self.as_str()? {
            Cow::Borrowed(text) => self.frame.text().slice_ref(text),
            Cow::Owned(text) => text.into(),
        })
    }

    /// The value of `true` or `false`.
    #[must_use]
    #[inline]
    pub fn as_bool(self) -> Option<bool> {
        let entry = self.entry();
        entry.is(Kind::Bool).then(|| entry.has(TRUE))
    }

    /// The value of a number.
    #[must_use]
    #[inline]
    pub fn as_number(self) -> Option<Number<'a>> {
        let entry = self.entry();
        entry.is(Kind::Number).then(|| Number::new(entry.raw(self.frame.text()), entry.has(INTEGER)))
    }

    /// Whether the value is `null`.
    #[must_use]
    #[inline]
    pub fn is_null(self) -> bool {
        self.entry().is(Kind::Null)
    }

    /// The number of items of an array, or of members of an object; 0 for anything else.
    #[must_use]
    #[inline]
    pub fn len(self) -> usize {
        let entry = self.entry();
        if entry.is_container() { entry.len() as usize } else { 0 }
    }

    /// Whether [`len`](Self::len) is 0.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The members of an object, in the order received; none for anything else.
    #[must_use]
    #[inline]
    pub fn members(self) -> Members<'a> {
        let entry = self.entry();
        let end = if entry.is(Kind::Object) { entry.next } else { self.at + 1 };
        Members { frame: self.frame, at: self.at + 1, end }
    }

    /// The items of an array, in order; none for anything else.
    #[must_use]
    #[inline]
    pub fn items(self) -> Items<'a> {
        let entry = self.entry();
        let end = if entry.is(Kind::Array) { entry.next } else { self.at + 1 };
        Items { frame: self.frame, at: self.at + 1, end }
    }

    /// The object's member named `name`.
    #[must_use]
    #[inline]
    pub fn member(self, name: &str) -> Option<Self> {
        self.members().find(|(key, _)| key.is(name)).map(|(_, value)| value)
    }

    /// The array's item at `position`, counting from 0.
    #[must_use]
    pub fn item(self, position: usize) -> Option<Self> {
        self.items().nth(position)
    }

    /// The value that a JSON Pointer (RFC 6901) leads to from here.
    #[must_use]
    pub fn pointer(self, pointer: &str) -> Option<Self> {
        if pointer.is_empty() {
            return Some(self);
        }
        pointer.strip_prefix('/')?.split('/').try_fold(self, |node, token| match node.kind() {
            Kind::Object if token.contains('~') => node.member(&token.replace("~1", "/").replace("~0", "~")),
            Kind::Object => node.member(token),
            Kind::Array if token == "0" || !token.starts_with(['0', '+']) => node.item(token.parse().ok()?),
            _ => None,
        })
    }

    /// The entry after this one: of a container that is not empty the first item or name, of a
    /// member's name its value.
    #[inline]
    pub(crate) const fn first_child(self) -> Self {
        Self { frame: self.frame, at: self.at + 1 }
    }

    /// The entry after this value and all it holds.
    #[inline]
    pub(crate) fn sibling(self) -> Self {
        let entry = self.entry();
        let at = if entry.is_container() { entry.next } else { self.at + 1 };
        Self { frame: self.frame, at }
    }

    /// The name of the member whose value this is.
    #[cold]
    pub(crate) fn name_of_member(self) -> Cow<'a, str> {
        Key(Self { frame: self.frame, at: self.at - 1 }).name()
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Node").field(&self.raw()).finish()
    }
}

/// Two nodes are equal when they are one place of one frame.
impl PartialEq for Node<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.frame, other.frame) && self.at == other.at
    }
}

impl Eq for Node<'_> {}

/// The name of an object's member.
#[derive(Clone, Copy)]
pub struct Key<'a>(pub(crate) Node<'a>);

impl<'a> Key<'a> {
    /// The name; borrowed unless it has escapes.
    #[must_use]
    #[inline]
    pub fn name(self) -> Cow<'a, str> {
        let entry = self.0.entry();
        text::value(entry.inner(self.0.frame.text()), entry.has(ESCAPED))
    }

    /// Whether the name is `name`.
    #[must_use]
    #[inline]
    pub fn is(self, name: &str) -> bool {
        let entry = self.0.entry();
        if entry.has(ESCAPED) {
            return self.name() == name;
        }
        (entry.end - entry.start) as usize == name.len() + 2
            && self.0.frame.text().as_bytes()[entry.start as usize + 1..entry.end as usize - 1]
                == *name.as_bytes()
    }

    /// The name's text with its quotes, exactly as received.
    #[must_use]
    #[inline]
    pub fn raw(self) -> &'a str {
        self.0.raw()
    }
}

impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.raw()).finish()
    }
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// An object's members: names and values, in the order received.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    frame: &'a Frame,
    at: u32,
    end: u32,
}

impl<'a> Iterator for Members<'a> {
    type Item = (Key<'a>, Node<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.at == self.end {
            return None;
        }
        let key = Key(Node::new(self.frame, self.at));
        let value = Node::new(self.frame, self.at + 1);
        self.at = value.sibling().at;
        Some((key, value))
    }
}

/// An array's items, in order.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    frame: &'a Frame,
    at: u32,
    end: u32,
}

impl<'a> Iterator for Items<'a> {
    type Item = Node<'a>;

    #[inline]
    fn next(&mut self) -> Option<Node<'a>> {
        if self.at == self.end {
            return None;
        }
        let item = Node::new(self.frame, self.at);
        self.at = item.sibling().at;
        Some(item)
    }
}

//! The index: one flat entry per value and per member name, in document order.
//!
//! An object is followed by name, value, name, value, ...; an array by its items; so the first
//! child is the next entry, and a container's `next` skips all of it.

use std::cell::RefCell;
use std::fmt;

/// What a JSON value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl fmt::Display for Kind {
    /// Writes the name that JSON Schema gives the type.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Bool => "boolean",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        })
    }
}

const KIND: u32 = 0b111;
const LEN_SHIFT: u32 = 8;

/// The value is a string with at least one escape.
pub(crate) const ESCAPED: u32 = 1 << 3;
/// The value is a number that is not in its canonical form. One bit says of either that its text is not its value.
pub(crate) const VARIANT: u32 = ESCAPED;
/// The value is a number without fraction and exponent.
pub(crate) const INTEGER: u32 = 1 << 4;
/// The value is `true`.
pub(crate) const TRUE: u32 = 1 << 5;

/// One value or member name.
#[derive(Clone, Copy, Default)]
pub(crate) struct Entry {
    /// Where its text starts and ends, quotes and brackets included.
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// For a container, the entry after its last descendant.
    /// For a member name, a hash of the unescaped name. Otherwise unused.
    pub(crate) next: u32,
    /// Kind, flags, and for a container the number of its children.
    meta: u32,
}

impl Entry {
    pub(crate) const fn new(kind: Kind, flags: u32, start: usize, end: usize, next: u32) -> Self {
        Self { start: start as u32, end: end as u32, next, meta: kind as u32 | flags }
    }

    /// A value that holds no other: `meta` is its kind and flags.
    #[inline]
    pub(crate) const fn scalar(start: usize, end: usize, meta: u32) -> Self {
        Self { start: start as u32, end: end as u32, next: 0, meta }
    }

    pub(crate) const fn kind(self) -> Kind {
        match self.meta & KIND {
            0 => Kind::Null,
            1 => Kind::Bool,
            2 => Kind::Number,
            3 => Kind::String,
            4 => Kind::Array,
            _ => Kind::Object,
        }
    }

    pub(crate) const fn is(self, kind: Kind) -> bool {
        self.meta & KIND == kind as u32
    }

    pub(crate) const fn is_container(self) -> bool {
        Kind::Array as u32 <= self.meta & KIND
    }

    /// Whether the text is the value's canonical one.
    #[inline]
    pub(crate) const fn is_plain(self) -> bool {
        // Of the kinds, containers alone have the bit of the lowest of them.
        self.meta & (Kind::Array as u32 | VARIANT) == 0
    }

    pub(crate) const fn has(self, flag: u32) -> bool {
        self.meta & flag != 0
    }

    /// Counts one more child of a container.
    #[inline]
    pub(crate) const fn add_child(&mut self) {
        self.meta += 1 << LEN_SHIFT;
    }

    /// Completes a container.
    #[inline]
    pub(crate) const fn close(&mut self, end: usize, next: usize) {
        self.end = end as u32;
        self.next = next as u32;
    }

    pub(crate) const fn len(self) -> u32 {
        self.meta >> LEN_SHIFT
    }

    /// The entry's text.
    #[inline]
    pub(crate) fn raw(self, text: &str) -> &str {
        &text[self.start as usize..self.end as usize]
    }

    /// The text between the quotes of a string.
    #[inline]
    pub(crate) fn inner(self, text: &str) -> &str {
        &text[self.start as usize + 1..self.end as usize - 1]
    }
}

/// How many spare indexes a thread keeps.
const SPARES: usize = 16;
/// The largest index worth keeping, in entries: 256 KiB.
pub(crate) const LARGEST_SPARE: usize = 1 << 14;

thread_local! {
    static POOL: RefCell<Vec<Vec<Entry>>> = const { RefCell::new(Vec::new()) };
}

/// Entries on loan from this thread's pool; dropping gives them to the pool of the thread it
/// happens on, so that steady traffic allocates no index.
pub(crate) struct Index {
    /// Initialized once and then overwritten: those from `used` on are left over.
    slots: Vec<Entry>,
    used: u32,
}

impl Index {
    pub(crate) fn take() -> Self {
        let slots = POOL.try_with(|pool| pool.borrow_mut().pop()).ok().flatten().unwrap_or_default();
        Self { slots, used: 0 }
    }

    /// All entries, and maybe some that are left over.
    #[inline]
    pub(crate) fn slots(&self) -> &[Entry] {
        &self.slots
    }

    pub(crate) const fn slots_mut(&mut self) -> &mut Vec<Entry> {
        &mut self.slots
    }

    /// Gives back what is not in use, if that is most of it.
    #[cold]
    pub(crate) fn shrink(&mut self) {
        let used = self.used as usize;
        if used < self.slots.len() / 2 {
            self.slots.truncate(used);
            self.slots.shrink_to_fit();
        }
    }

    /// How many entries there are.
    pub(crate) const fn used(&self) -> u32 {
        self.used
    }

    pub(crate) const fn set_used(&mut self, used: u32) {
        self.used = used;
    }
}

impl Clone for Index {
    fn clone(&self) -> Self {
        let mut copy = Self::take();
        copy.slots.clear();
        copy.slots.extend_from_slice(&self.slots[..self.used as usize]);
        copy.used = self.used;
        copy
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        if self.slots.is_empty() || LARGEST_SPARE < self.slots.len() {
            return;
        }
        let slots = std::mem::take(&mut self.slots);
        // A thread on its way out has no pool any more; then the entries are simply freed.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < SPARES {
                pool.push(slots);
            }
        });
    }
}

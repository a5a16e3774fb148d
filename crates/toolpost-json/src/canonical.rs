//! The canonical text of a value: equal for two values exactly when they are equal.
//!
//! Nearly all of a received value is canonical as it stands, and the guard has marked what is not. So members
//! are put in the order of the hashes of their names, which the index holds, and copied with their values in
//! one piece each; only what is marked is spelled anew.

mod decimal;
mod order;

use std::borrow::Cow;

pub(crate) use decimal::PLAIN;

use crate::index::{Entry, Kind};
use crate::node::Node;
use crate::{text, write};

impl Node<'_> {
    /// Appends the canonical text of this value: the same for all ways to write it, and for no other value.
    ///
    /// The text is JSON without white space. Members stand in an order that depends on nothing but their names,
    /// strings have no escape that is not needed, an integer keeps its digits, and any other number is written
    /// in one way: `280.50` and `2.805e2` are both `280.5`, and `1.0` is `1e0`. No number passes through a
    /// float, and an integer is never equal to a number that is not written as one, nor `0` to `-0`.
    ///
    /// The order of members may change from one version of this crate to the next.
    ///
    /// Allocates nothing beyond `out`, but for a string with an escape and for an object of more than 32 members.
    ///
    /// ```
    /// use toolpost_json::{Frame, Limits};
    ///
    /// let canonical = |text: &'static str| -> Result<Vec<u8>, toolpost_json::Violation> {
    ///     let mut out = Vec::new();
    ///     Frame::from_text(text, &Limits::new())?.root().write_canonical(&mut out);
    ///     Ok(out)
    /// };
    /// let one = canonical(r#"{"to": [1.50, 2], "from": "\u0041"}"#)?;
    /// assert_eq!(one, canonical(r#"{"from":"A","to":[15e-1,2]}"#)?);
    /// assert_ne!(one, canonical(r#"{"from":"A","to":[15e-1,2.0]}"#)?);
    /// # Ok::<(), toolpost_json::Violation>(())
    /// ```
    pub fn write_canonical(self, out: &mut Vec<u8>) {
        let (text, slots) = (self.frame().text().as_bytes(), self.frame().slots());
        let at = out.len();
        // Nearly always enough: few values become longer.
        out.resize(at + self.raw().len() + LONG_CHUNK + 1, 0);
        let mut writer = Writer { text, slots, out, at };
        writer.value(self.id().0 as usize);
        let end = writer.at;
        out.truncate(end);
    }
}

/// Objects of up to so many members are sorted in place.
const NARROW: u32 = 32;

/// Pieces of up to so many bytes are copied by one move of this many, and longer ones by one of that many.
const CHUNK: usize = 32;
const LONG_CHUNK: usize = 64;

struct Writer<'a> {
    text: &'a [u8],
    slots: &'a [Entry],
    /// Written up to `at`; what follows is room.
    out: &'a mut Vec<u8>,
    at: usize,
}

impl Writer<'_> {
    /// Writes the value of the entry `at`.
    fn value(&mut self, at: usize) {
        let entry = self.slots[at];
        match entry.kind() {
            Kind::Object => self.object(at, entry),
            Kind::Array => self.array(at, entry),
            _ => self.scalar(entry),
        }
    }

    fn array(&mut self, at: usize, array: Entry) {
        let mut before = b'[';
        let (mut next, end) = (at + 1, array.next as usize);
        while next < end {
            let item = self.slots[next];
            if item.is_plain() {
                // As many as stand side by side: what is between them can only be a comma.
                let mut last = item.end;
                next += 1;
                while next < end && self.slots[next].is_plain() && self.slots[next].start == last + 1 {
                    last = self.slots[next].end;
                    next += 1;
                }
                self.piece(before, item.start, last);
            } else {
                self.byte(before);
                self.value(next);
                next = after(next, item);
            }
            before = b',';
        }
        if before == b'[' {
            self.byte(b'[');
        }
        self.byte(b']');
    }

    fn object(&mut self, at: usize, object: Entry) {
        match object.len() {
            0..=4 => self.in_order(at, object, order::four),
            5..=8 => self.in_order(at, object, order::eight),
            9..=NARROW => self.in_order::<{ NARROW as usize }>(at, object, |order| order.sort_unstable()),
            _ => self.by_name(at, object),
        }
    }

    /// Writes an object of up to `N` members.
    #[inline(always)]
    fn in_order<const N: usize>(&mut self, at: usize, object: Entry, sort: impl Fn(&mut [u64; N])) {
        // What stands for no member is above all members.
        let mut order = [u64::MAX; N];
        let mut name = at + 1;
        let mut count = 0;
        for (member, _) in order.iter_mut().zip(0..object.len()) {
            *member = sort_key(self.slots[name], name);
            name = after(name + 1, self.slots[name + 1]);
            count += 1;
        }
        sort(&mut order);
        let order = &order[..count];
        if order.windows(2).any(|pair| pair[0] >> 32 == pair[1] >> 32) {
            return self.by_name(at, object);
        }
        self.members(order);
    }

    /// An object that has many members, or some whose names have one hash.
    #[cold]
    fn by_name(&mut self, at: usize, object: Entry) {
        let mut order = Vec::with_capacity(object.len() as usize);
        let mut name = at + 1;
        while name < object.next as usize {
            order.push(sort_key(self.slots[name], name));
            name = after(name + 1, self.slots[name + 1]);
        }
        order.sort_unstable();
        for alike in order.chunk_by_mut(|a, b| a >> 32 == b >> 32) {
            alike.sort_by_cached_key(|member| {
                unescaped(self.text, self.slots[*member as u32 as usize]).into_owned()
            });
        }
        self.members(&order);
    }

    /// Writes members in this order, and the braces around them.
    #[inline(always)]
    fn members(&mut self, order: &[u64]) {
        let mut before = b'{';
        for member in order {
            let at = *member as u32 as usize;
            let (name, value) = (self.slots[at], self.slots[at + 1]);
            // What is between them, if it is one byte, can only be the colon.
            if name.is_plain() && value.is_plain() && value.start == name.end + 1 {
                self.piece(before, name.start, value.end);
            } else {
                if name.is_plain() {
                    self.piece(before, name.start, name.end);
                } else {
                    self.byte(before);
                    self.scalar(name);
                }
                self.byte(b':');
                self.value(at + 1);
            }
            before = b',';
        }
        if order.is_empty() {
            self.byte(b'{');
        }
        self.byte(b'}');
    }

    /// Writes a value that holds no other.
    fn scalar(&mut self, entry: Entry) {
        if entry.is_plain() {
            return self.copy(&self.text[entry.start as usize..entry.end as usize]);
        }
        if entry.is(Kind::Number) {
            let text = self.text;
            return decimal::write(&text[entry.start as usize..entry.end as usize], |piece| self.copy(piece));
        }
        // Behind the room, and then to its place: what is there is not cleared again.
        let room = self.out.len();
        write::string(self.out, &unescaped(self.text, entry));
        let len = self.out.len() - room;
        self.out.copy_within(room.., self.at);
        self.at += len;
        self.out.truncate(room.max(self.at));
    }

    /// Writes a separator and what is between two places of the text.
    #[inline(always)]
    fn piece(&mut self, before: u8, start: u32, end: u32) {
        let (start, end) = (start as usize, end as usize);
        let len = end - start;
        let moved = if len <= CHUNK {
            self.chunk::<CHUNK>(before, start)
        } else {
            len <= LONG_CHUNK && self.chunk::<LONG_CHUNK>(before, start)
        };
        if moved {
            self.at += 1 + len;
        } else {
            self.byte(before);
            self.copy(&self.text[start..end]);
        }
    }

    /// Writes a separator and `N` bytes of the text, if there are so many and there is room. Most are more than is needed:
    /// what follows is overwritten, or cut off.
    #[inline(always)]
    fn chunk<const N: usize>(&mut self, before: u8, start: usize) -> bool {
        let from = self.text.get(start..).and_then(<[u8]>::first_chunk::<N>);
        let to = self.out.get_mut(self.at..).and_then(<[u8]>::split_first_mut);
        let (Some(from), Some((first, rest))) = (from, to) else { return false };
        let Some(rest) = rest.first_chunk_mut::<N>() else { return false };
        *first = before;
        *rest = *from;
        true
    }

    #[inline(always)]
    fn byte(&mut self, byte: u8) {
        self.copy(&[byte]);
    }

    #[inline(always)]
    fn copy(&mut self, bytes: &[u8]) {
        let end = self.at + bytes.len();
        if self.out.len() < end {
            self.make_room(end);
        }
        self.out[self.at..end].copy_from_slice(bytes);
        self.at = end;
    }

    #[cold]
    fn make_room(&mut self, end: usize) {
        self.out.resize(2 * end, 0);
    }
}

fn unescaped(text: &[u8], string: Entry) -> Cow<'_, str> {
    let inner = &text[string.start as usize + 1..string.end as usize - 1];
    // The text is a frame's, and quotes are whole characters.
    text::value(str::from_utf8(inner).unwrap_or_default(), !string.is_plain())
}

/// The hash of a member's name, above the place of its entry.
#[inline(always)]
const fn sort_key(name: Entry, at: usize) -> u64 {
    (name.next as u64) << 32 | at as u64
}

/// The entry after the value of the entry `at` and all it holds.
#[inline(always)]
const fn after(at: usize, value: Entry) -> usize {
    if value.is_container() { value.next as usize } else { at + 1 }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use crate::{Frame, Limits};

    #[test]
    fn names_of_one_hash_are_put_in_order_by_themselves() {
        let mut seen = HashMap::new();
        let (one, other) = (0_u32..)
            .find_map(|n| {
                let name = format!("n{n}");
                let hash = crate::text::hash(name.as_bytes());
                seen.insert(hash, name.clone()).map(|other| (name, other))
            })
            .expect("32 bits are soon used up");
        let canonical = |members: [(&str, u32); 3]| {
            let members = members.map(|(name, value)| format!("\"{name}\":{value}")).join(",");
            let frame = Frame::from_text(format!("{{{members}}}"), &Limits::new()).expect("JSON");
            let mut out = Vec::new();
            frame.root().write_canonical(&mut out);
            out
        };
        let (a, b, c) = ((&*one, 1), (&*other, 2), ("c", 3));
        let expected = canonical([a, b, c]);
        for order in [[a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]] {
            assert_eq!(canonical(order), expected);
        }
        assert_ne!(canonical([(&*one, 2), (&*other, 1), c]), expected);
    }
}

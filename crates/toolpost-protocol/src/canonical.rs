//! The canonical text of a value: equal for two values exactly when they are equal.
//!
//! Most of a received value is canonical as it stands, so the text is copied in runs: a run grows from
//! token to token, and ends where a member has to move, where white space is left out, or where a number
//! or a string is spelled anew.

use crate::index::{ESCAPED, Entry, INTEGER, Kind};
use crate::node::Node;
use crate::{reply, text};

impl Node<'_> {
    /// Appends the canonical text of this value: the same for all ways to write it, and for no other value.
    ///
    /// The text is JSON without white space. Members stand in the order of the bytes of their names, strings
    /// have no escape that is not needed, an integer keeps its digits, and any other number is written as
    /// digits and an exponent: `280.5` and `2.805e2` are both `2805e-1`. No number passes through a float, and
    /// an integer is never equal to a number that is not written as one, nor `0` to `-0`.
    ///
    /// Allocates nothing beyond `out`, but for a name or a string with an escape and for an object of more than 32
    /// members.
    ///
    /// ```
    /// use toolpost_protocol::{Frame, Limits};
    ///
    /// let frame = Frame::parse(r#"{"to": [1.50, 2], "from": "\u0041"}"#.into(), &Limits::new())?;
    /// let mut text = Vec::new();
    /// frame.root().write_canonical(&mut text);
    /// assert_eq!(text, br#"{"from":"A","to":[15e-1,2]}"#);
    /// # Ok::<(), toolpost_protocol::Violation>(())
    /// ```
    pub fn write_canonical(self, out: &mut Vec<u8>) {
        let (text, slots) = (self.frame().text(), self.frame().slots());
        let start = self.entry().start as usize;
        out.reserve(self.raw().len());
        let mut writer = Writer { text, slots, out, start, end: start };
        writer.value(self.id().0 as usize);
        writer.flush();
    }
}

/// Objects of up to so many members are sorted in place.
const NARROW: usize = 32;

struct Writer<'a> {
    text: &'a str,
    slots: &'a [Entry],
    out: &'a mut Vec<u8>,
    /// The run: text that is canonical and not copied yet.
    start: usize,
    end: usize,
}

impl Writer<'_> {
    /// Writes the value of the entry `at`; says where the next sibling's is.
    fn value(&mut self, at: usize) -> usize {
        let entry = self.slots[at];
        let (start, end) = (entry.start as usize, entry.end as usize);
        match entry.kind() {
            Kind::Array => {
                self.piece(start, start + 1);
                let mut next = at + 1;
                while next < entry.next as usize {
                    if next != at + 1 {
                        self.separator(b',', self.slots[next].start as usize);
                    }
                    next = self.value(next);
                }
                self.piece(end - 1, end);
                return entry.next as usize;
            }
            Kind::Object => {
                self.piece(start, start + 1);
                self.members(at, entry);
                self.piece(end - 1, end);
                return entry.next as usize;
            }
            Kind::String if entry.has(ESCAPED) => self.escaped(entry),
            Kind::Number if !entry.has(INTEGER) => {
                self.anew(end);
                decimal(entry.raw(self.text), self.out);
            }
            _ => self.piece(start, end),
        }
        at + 1
    }

    fn members(&mut self, at: usize, object: Entry) {
        let count = object.len() as usize;
        let mut order = [0_u64; NARROW];
        let mut in_order = count <= NARROW && (object.next as usize - at) < 1 << PLACE;
        let mut name = at + 1;
        let mut placed = 0;
        // An insertion sort: objects are small, and often in order.
        while in_order && placed < count {
            let entry = self.slots[name];
            if entry.has(ESCAPED) {
                in_order = false;
                break;
            }
            let member = head(self.text.as_bytes(), entry) | (name - at) as u64;
            let mut to = placed;
            while 0 < to && self.precedes(at, member, order[to - 1]) {
                order[to] = order[to - 1];
                to -= 1;
            }
            order[to] = member;
            placed += 1;
            let value = self.slots[name + 1];
            name = if value.is_container() { value.next as usize } else { name + 2 };
        }
        if !in_order {
            return self.many_members(at, object);
        }
        for (nth, member) in order[..count].iter().enumerate() {
            let name = at + (member & PLACES) as usize;
            let entry = self.slots[name];
            let (start, end) = (entry.start as usize, entry.end as usize);
            if nth != 0 {
                self.separator(b',', start);
            }
            self.piece(start, end);
            self.member(name);
        }
    }

    /// Members whose names are escaped, or of which there are many.
    #[cold]
    fn many_members(&mut self, at: usize, object: Entry) {
        let mut members = Vec::with_capacity(object.len() as usize);
        let mut name = at + 1;
        while name < object.next as usize {
            let entry = self.slots[name];
            members.push((text::value(entry.inner(self.text), entry.has(ESCAPED)), name));
            let value = self.slots[name + 1];
            name = if value.is_container() { value.next as usize } else { name + 2 };
        }
        members.sort_unstable();
        for (nth, (_, name)) in members.iter().enumerate() {
            let entry = self.slots[*name];
            if nth != 0 {
                self.separator(b',', entry.start as usize);
            }
            match entry.has(ESCAPED) {
                true => self.escaped(entry),
                false => self.piece(entry.start as usize, entry.end as usize),
            }
            self.member(*name);
        }
    }

    /// Writes what follows the name of a member.
    fn member(&mut self, name: usize) {
        self.separator(b':', self.slots[name + 1].start as usize);
        self.value(name + 1);
    }

    /// Whether a member of the object `at` comes before another, both as `head` and place.
    #[inline(always)]
    fn precedes(&self, at: usize, member: u64, other: u64) -> bool {
        if (member ^ other) >> PLACE != 0 {
            return member < other;
        }
        let name = |member: u64| self.slots[at + (member & PLACES) as usize].inner(self.text);
        name(member) < name(other)
    }

    /// Takes this much of the text as it stands.
    #[inline(always)]
    fn piece(&mut self, start: usize, end: usize) {
        if self.end != start {
            self.flush();
            self.start = start;
        }
        self.end = end;
    }

    /// Writes a separator, before a token that starts at `next`: the one in the text if it is beside the token.
    #[inline(always)]
    fn separator(&mut self, separator: u8, next: usize) {
        let text = self.text.as_bytes();
        if self.end + 1 == next && text[self.end] == separator {
            self.end = next;
            return;
        }
        self.flush();
        (self.start, self.end) = (next, next);
        if text[next - 1] == separator {
            self.start -= 1;
        } else {
            self.out.push(separator);
        }
    }

    /// A string without the escapes that it does not need.
    #[cold]
    fn escaped(&mut self, entry: Entry) {
        self.anew(entry.end as usize);
        reply::string(self.out, &text::unescape(entry.inner(self.text)));
    }

    /// Begins a new run at `end`, because what is before that is written anew.
    fn anew(&mut self, end: usize) {
        self.flush();
        (self.start, self.end) = (end, end);
    }

    #[inline(always)]
    fn flush(&mut self) {
        self.out.extend_from_slice(&self.text.as_bytes()[self.start..self.end]);
    }
}

/// The low bits of a member to be sorted: the place of its name, counted from the object.
const PLACE: u32 = 16;
const PLACES: u64 = (1 << PLACE) - 1;

/// The first six bytes of a name, above the bits of its place; what is shorter is filled up with zeros.
#[inline(always)]
fn head(text: &[u8], name: Entry) -> u64 {
    let (start, end) = (name.start as usize + 1, name.end as usize - 1);
    let len = end - start;
    let head = match text.get(start..start + 8) {
        Some(bytes) => {
            let word = bytes.try_into().map_or(0, u64::from_be_bytes);
            if len < 6 { word & !(u64::MAX >> (8 * len)) } else { word }
        }
        None => {
            text[start..end].iter().take(6).rev().fold(0, |head, byte| head >> 8 | u64::from(*byte) << 56)
        }
    };
    head & !PLACES
}

/// So far below any float an exponent could overflow.
const FAR: u64 = 1 << 60;

/// Writes a number that is not an integer as its digits, without zeros at either end, and an exponent.
fn decimal(lexeme: &str, out: &mut Vec<u8>) {
    let (mantissa, exponent) = match lexeme.bytes().position(|byte| byte | 0x20 == b'e') {
        Some(at) => (&lexeme[..at], &lexeme[at + 1..]),
        None => (lexeme, "0"),
    };
    let mut exponent = match exponent.parse::<i64>() {
        Ok(exponent) if exponent.unsigned_abs() < FAR => exponent,
        // It stands as it is: still a text of no other value, though this value may have several.
        _ => return out.extend_from_slice(lexeme.as_bytes()),
    };
    let start = out.len();
    let mut fraction = false;
    let mut digits = start;
    for byte in mantissa.bytes() {
        match byte {
            b'-' => {
                out.push(byte);
                digits += 1;
            }
            b'.' => fraction = true,
            _ => {
                exponent -= i64::from(fraction);
                if byte != b'0' || digits < out.len() {
                    out.push(byte);
                }
            }
        }
    }
    while digits < out.len() && out.last() == Some(&b'0') {
        out.pop();
        exponent += 1;
    }
    if digits == out.len() {
        out.push(b'0');
        exponent = 0;
    }
    out.push(b'e');
    integer(exponent, out);
}

/// Writes an integer in decimal.
fn integer(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

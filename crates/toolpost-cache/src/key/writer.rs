//! Writes typed values, token by token, as canonical bytes.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::fmt::{self, Write as _};

use super::CacheKey;
use super::number::{self, Number};

const NULL: u8 = 1;
const FALSE: u8 = 2;
const TRUE: u8 = 3;
const INT: u8 = 4;
const BIG_INT: u8 = 5;
const DECIMAL: u8 = 6;
const BIG_DECIMAL: u8 = 7;
const LITERAL: u8 = 8;
const TEXT: u8 = 9;
const BYTES: u8 = 10;
const ARRAY: u8 = 11;
const OBJECT: u8 = 12;
const NAME: u8 = 13;
const CLOSE: u8 = 14;
const BIG_NEGATIVE: u8 = 15;
const BIG_NEGATIVE_DECIMAL: u8 = 16;
const ENCODED: u8 = 17;

/// Writes a sequence of typed values as bytes that are equal exactly when the values are.
///
/// Every value begins with a tag and everything of variable size carries its length, so no two
/// sequences share their bytes: `("a", "bc")` differs from `("ab", "c")`, the number `1` from the text
/// `"1"`, and `1` from `1.0`. Members of an object are sorted by name as it closes, so their order does
/// not matter; numbers are written by value, so neither does their spelling. The buffer is reused: a
/// writer that has seen its largest key no longer allocates.
///
/// ```
/// use toolpost_cache::KeyWriter;
///
/// let mut writer = KeyWriter::new();
/// writer.text("search").open_object().name("limit").number("10").name("q").text("lathe").close();
/// let first = writer.bytes().to_vec();
///
/// writer.clear();
/// writer.text("search").open_object().name("q").text("lathe").name("limit").number("10").close();
/// assert_eq!(writer.bytes(), first);
/// ```
#[derive(Debug, Default)]
pub struct KeyWriter {
    bytes: Vec<u8>,
    open: Vec<Open>,
    members: Vec<Member>,
    sorted: Vec<u8>,
}

#[derive(Debug)]
struct Open {
    /// Where this object's members begin in `members`; `None` for an array.
    members: Option<usize>,
    /// The members so far came in the order of their names.
    in_order: bool,
}

/// Offsets into `bytes`: the tag, the name itself, and (once known) the end of the value.
#[derive(Clone, Copy, Debug)]
struct Member {
    start: usize,
    name: (usize, usize),
    end: usize,
    /// The first eight bytes of the name as a number: most names differ in these.
    head: u64,
}

impl Member {
    /// Whether this name comes before the other.
    fn precedes(&self, other: &Self, bytes: &[u8]) -> bool {
        match self.head.cmp(&other.head) {
            Ordering::Less => true,
            Ordering::Greater => false,
            Ordering::Equal => bytes[self.name.0..self.name.1] < bytes[other.name.0..other.name.1],
        }
    }
}

/// The first eight bytes as a number that orders as they do; what is shorter is filled up with zeros.
fn head(name: &[u8]) -> u64 {
    match name.first_chunk::<8>() {
        Some(first) => u64::from_be_bytes(*first),
        None => name.iter().fold(0, |head, byte| head << 8 | u64::from(*byte)) << (8 * (8 - name.len()) % 64),
    }
}

impl KeyWriter {
    /// An empty writer.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), open: Vec::new(), members: Vec::new(), sorted: Vec::new() }
    }

    /// Calls `write` with this thread's writer, empty, so that its buffers are reused from key to key. One call may be inside
    /// another; a third makes a writer of its own.
    pub fn with<R>(write: impl FnOnce(&mut Self) -> R) -> R {
        thread_local! {
            static OUTER: RefCell<KeyWriter> = const { RefCell::new(KeyWriter::new()) };
            static INNER: RefCell<KeyWriter> = const { RefCell::new(KeyWriter::new()) };
        }
        OUTER.with(|outer| match outer.try_borrow_mut() {
            Ok(mut writer) => {
                writer.clear();
                write(&mut writer)
            }
            Err(_) => INNER.with(|inner| match inner.try_borrow_mut() {
                Ok(mut writer) => {
                    writer.clear();
                    write(&mut writer)
                }
                Err(_) => write(&mut Self::new()),
            }),
        })
    }

    /// The bytes written so far.
    ///
    /// # Panics
    ///
    /// If an object or an array is still open.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        assert!(self.open.is_empty(), "a key ends with every object and array closed");
        &self.bytes
    }

    /// An owned copy of the bytes.
    ///
    /// # Panics
    ///
    /// If an object or an array is still open.
    #[must_use]
    pub fn key(&self) -> CacheKey {
        CacheKey::from(self.bytes())
    }

    /// Forgets everything, and keeps the buffers.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.open.clear();
        self.members.clear();
    }

    /// Writes what another key holds, as it stands there.
    pub fn append(&mut self, key: &CacheKey) -> &mut Self {
        self.bytes.extend_from_slice(key.as_bytes());
        self
    }

    /// Writes the absence of a value.
    pub fn null(&mut self) -> &mut Self {
        self.bytes.push(NULL);
        self
    }

    /// Writes a truth value.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.bytes.push(if value { TRUE } else { FALSE });
        self
    }

    /// Writes an integer.
    pub fn int(&mut self, value: i64) -> &mut Self {
        let mut bytes = [INT; 9];
        bytes[1..].copy_from_slice(&value.to_le_bytes());
        self.bytes.extend_from_slice(&bytes);
        self
    }

    /// Writes an integer that may be beyond [`int`](Self::int).
    pub fn uint(&mut self, value: u64) -> &mut Self {
        match i64::try_from(value) {
            Ok(value) => self.int(value),
            Err(_) => self.formatted(format_args!("{value}")),
        }
    }

    /// Writes a number that is not an integer, even where its value is a whole one.
    pub fn float(&mut self, value: f64) -> &mut Self {
        self.formatted(format_args!("{value:e}"))
    }

    /// Writes a number from its JSON literal, by value.
    ///
    /// What is not a JSON number stands for its own text, and equals no number.
    ///
    /// # Panics
    ///
    /// If the literal is longer than 4 GiB.
    pub fn number(&mut self, literal: &str) -> &mut Self {
        let literal = literal.as_bytes();
        match number::read(literal) {
            Number::Int(value) => {
                self.int(value);
            }
            Number::BigInt { negative, digits } => {
                self.sized(if negative { BIG_NEGATIVE } else { BIG_INT }, &[digits]);
            }
            Number::Decimal { negative, mantissa, exponent } => {
                let mut bytes = [0; 18];
                (bytes[0], bytes[1]) = (DECIMAL, u8::from(negative));
                bytes[2..10].copy_from_slice(&exponent.to_le_bytes());
                bytes[10..].copy_from_slice(&mantissa.to_le_bytes());
                self.bytes.extend_from_slice(&bytes);
            }
            Number::BigDecimal { negative, whole, fraction, exponent } => {
                self.sized(if negative { BIG_NEGATIVE_DECIMAL } else { BIG_DECIMAL }, &[whole, fraction]);
                self.bytes.extend_from_slice(&exponent.to_le_bytes());
            }
            Number::Literal => {
                self.sized(LITERAL, &[literal]);
            }
        }
        self
    }

    /// Writes text.
    ///
    /// # Panics
    ///
    /// If it is longer than 4 GiB.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.sized(TEXT, &[value.as_bytes()]);
        self
    }

    /// Writes bytes, which equal no text.
    ///
    /// # Panics
    ///
    /// If they are longer than 4 GiB.
    pub fn blob(&mut self, value: &[u8]) -> &mut Self {
        self.sized(BYTES, &[value]);
        self
    }

    /// Writes a value in a form of the caller's own, which `encode` appends to the bytes it is given; it equals no value
    /// written otherwise.
    ///
    /// Two values must have the same form exactly when they are equal: only the caller can know that.
    ///
    /// # Panics
    ///
    /// If the form is longer than 4 GiB, or `encode` removes bytes.
    pub fn encoded(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        self.bytes.extend_from_slice(&[ENCODED, 0, 0, 0, 0]);
        let start = self.bytes.len();
        encode(&mut self.bytes);
        let prefix = length_prefix(self.bytes.len() - start);
        self.bytes[start - 4..start].copy_from_slice(&prefix);
        self
    }

    /// Begins an array; [`close`](Self::close) ends it.
    pub fn open_array(&mut self) -> &mut Self {
        self.bytes.push(ARRAY);
        self.open.push(Open { members: None, in_order: true });
        self
    }

    /// Begins an object; [`close`](Self::close) ends it.
    pub fn open_object(&mut self) -> &mut Self {
        self.bytes.push(OBJECT);
        self.open.push(Open { members: Some(self.members.len()), in_order: true });
        self
    }

    /// Names the value that follows, inside an object.
    ///
    /// # Panics
    ///
    /// If the innermost open thing is not an object, or the name is longer than 4 GiB.
    pub fn name(&mut self, name: &str) -> &mut Self {
        let start = self.begin_member();
        self.sized(NAME, &[name.as_bytes()]);
        let end = self.bytes.len();
        self.add_member(start, end - name.len(), end);
        self
    }

    /// Ends the innermost object or array.
    ///
    /// # Panics
    ///
    /// If none is open.
    pub fn close(&mut self) -> &mut Self {
        let open = self.open.pop().expect("something is open");
        if let Some(first) = open.members
            && first < self.members.len()
        {
            self.end_member(self.bytes.len());
            if !open.in_order {
                self.sort(first);
            }
            self.members.truncate(first);
        }
        self.bytes.push(CLOSE);
        self
    }

    /// Ends the member before, if there is one, and says where the next begins.
    fn begin_member(&mut self) -> usize {
        let first = self.open.last().and_then(|open| open.members).expect("a name belongs in an object");
        let start = self.bytes.len();
        if first < self.members.len() {
            self.end_member(start);
        }
        start
    }

    fn add_member(&mut self, start: usize, name: usize, end: usize) {
        let Self { bytes, open, members, .. } = self;
        let member = Member { start, name: (name, end), end, head: head(&bytes[name..end]) };
        if let Some(open) = open.last_mut() {
            if let Some(last) = open.members.and_then(|first| members[first..].last()) {
                open.in_order &= !member.precedes(last, bytes);
            }
            members.push(member);
        }
    }

    fn end_member(&mut self, end: usize) {
        if let Some(last) = self.members.last_mut() {
            last.end = end;
        }
    }

    /// Puts the members from `first` on into the order of their names; equal names keep theirs.
    fn sort(&mut self, first: usize) {
        let Self { bytes, members, sorted, .. } = self;
        let members = &mut members[first..];
        let start = members[0].start;
        // Insertion by hand: the standard stable sort allocates, and objects are small or nearly sorted.
        if members.len() <= 24 {
            for at in 1..members.len() {
                let member = members[at];
                let mut to = at;
                while 0 < to && member.precedes(&members[to - 1], bytes) {
                    members[to] = members[to - 1];
                    to -= 1;
                }
                members[to] = member;
            }
        } else {
            members.sort_unstable_by(|a, b| {
                let names = bytes[a.name.0..a.name.1].cmp(&bytes[b.name.0..b.name.1]);
                names.then(a.start.cmp(&b.start))
            });
        }
        sorted.clear();
        for member in members.iter() {
            sorted.extend_from_slice(&bytes[member.start..member.end]);
        }
        bytes.truncate(start);
        bytes.extend_from_slice(sorted);
    }

    fn sized(&mut self, tag: u8, parts: &[&[u8]]) {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let [a, b, c, d] = length_prefix(length);
        self.bytes.reserve(5 + length);
        self.bytes.extend_from_slice(&[tag, a, b, c, d]);
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
    }

    fn formatted(&mut self, literal: fmt::Arguments<'_>) -> &mut Self {
        let mut text = Short { bytes: [0; 40], length: 0 };
        // An f64 in exponent form takes at most 24 bytes and a u64 takes 20.
        if text.write_fmt(literal).is_err() {
            unreachable!("a number fits in 40 bytes");
        }
        let literal = std::str::from_utf8(&text.bytes[..text.length]).expect("formatted numbers are ASCII");
        self.number(literal)
    }
}

fn length_prefix(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("a part of a key is shorter than 4 GiB").to_le_bytes()
}

struct Short {
    bytes: [u8; 40],
    length: usize,
}

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

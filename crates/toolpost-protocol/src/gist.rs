//! What refused bytes were meant as: found in one pass that trusts none of them.

use bytes::Bytes;
use toolpost_json::{Frame, Limits};

use crate::id::Id;

/// What bytes were meant as that are no message: who has to hear of it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Meant {
    /// A request, which is answered under its id.
    Request(Id),
    /// A response: never answered, for its id is of the other side's counting. What waits for it has to end.
    Response(Id),
    /// Something without an id that can be told: there is nobody to answer.
    Unknown,
}

/// How many bytes of a member's name are kept: one more than those looked for have.
const NAME: usize = 7;

/// Looks through the bytes of one message for its top-level `id`, piece by piece, and keeps nothing else.
///
/// It is for bytes that are refused without having been checked (a line too long to be kept) or because they were
/// (invalid UTF-8, too deep): so whoever sent a request hears that it failed. Wherever the member stands, it is
/// found; two that differ are none. Memory: at most [`Id::MAX_LEN`] bytes.
///
/// ```
/// use toolpost_protocol::{Gist, Id, Meant};
///
/// let mut gist = Gist::new();
/// gist.read(br#"{"method":"tools/call","params":{"id":1,"x":"\ud83d"},"#);
/// gist.read(br#""id":5}"#);
/// assert_eq!(gist.meant(), Meant::Request(Id::from(5)));
/// ```
#[derive(Debug, Default)]
pub struct Gist {
    depth: u32,
    string: Text,
    /// Whether a value is to come, or has begun, rather than a name.
    value: bool,
    /// The top-level name that was last read, and the first byte of its value.
    name: Vec<u8>,
    first: Option<u8>,
    id: Vec<u8>,
    found: Option<Id>,
    ambiguous: bool,
    method: bool,
    outcome: bool,
    /// No object is at the top, or the one that was has ended.
    over: bool,
}

/// Whether a string is being read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Text {
    #[default]
    Outside,
    Inside,
    /// After a backslash.
    Escape,
}

impl Gist {
    /// Nothing read yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What `bytes`, a whole message, were meant as.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Meant {
        let mut gist = Self::new();
        gist.read(bytes);
        gist.meant()
    }

    /// Reads on.
    pub fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.over {
                return;
            }
            self.byte(*byte);
        }
    }

    /// What the bytes read so far were meant as.
    #[must_use]
    pub fn meant(&self) -> Meant {
        match (&self.found, self.ambiguous, self.method) {
            (Some(id), false, false) if self.outcome => Meant::Response(id.clone()),
            (Some(id), false, _) => Meant::Request(id.clone()),
            _ => Meant::Unknown,
        }
    }

    fn byte(&mut self, byte: u8) {
        match (self.string, byte) {
            (Text::Escape, _) => self.string = Text::Inside,
            (Text::Inside, b'\\') => self.string = Text::Escape,
            (Text::Inside, b'"') => self.string = Text::Outside,
            (Text::Inside, _) => {}
            (Text::Outside, b'"') => {
                self.string = Text::Inside;
                if self.depth == 1 && !self.value {
                    self.name.clear();
                    return;
                }
            }
            (Text::Outside, b'{' | b'[') => {
                if self.depth == 0 && byte == b'[' {
                    self.over = true;
                }
                self.keep(byte);
                self.depth = self.depth.saturating_add(1);
                return;
            }
            (Text::Outside, b'}' | b']') => {
                if self.depth == 1 {
                    self.end_of_value();
                    self.over = true;
                }
                self.depth = self.depth.saturating_sub(1);
                return;
            }
            (Text::Outside, b',') if self.depth == 1 => {
                self.end_of_value();
                self.value = false;
                return;
            }
            (Text::Outside, b':') if self.depth == 1 && !self.value => {
                self.value = true;
                self.first = None;
                self.id.clear();
                return;
            }
            (Text::Outside, _) => {}
        }
        self.keep(byte);
    }

    /// Keeps a byte of a top-level name, or of the value that is looked for.
    fn keep(&mut self, byte: u8) {
        if self.depth != 1 || self.string == Text::Outside && byte.is_ascii_whitespace() {
            return;
        }
        if !self.value {
            if self.string == Text::Inside && self.name.len() < NAME {
                self.name.push(byte);
            }
            return;
        }
        self.first.get_or_insert(byte);
        if self.name == b"id" && self.id.len() <= Id::MAX_LEN {
            self.id.push(byte);
        }
    }

    fn end_of_value(&mut self) {
        let Some(first) = self.first.take().filter(|_| self.value) else { return };
        match self.name.as_slice() {
            b"id" => {
                let id = std::mem::take(&mut self.id);
                let id = (id.len() <= Id::MAX_LEN).then_some(id);
                let frame = id.and_then(|id| Frame::parse(Bytes::from(id), &Limits::new()).ok());
                let id = frame.and_then(|frame| Id::read(frame.root()));
                self.ambiguous |= self.found.is_some() && self.found != id;
                self.found = id;
            }
            b"method" => self.method |= first != b'n',
            b"result" | b"error" => self.outcome |= first != b'n',
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(text: &str) -> String {
        let whole = Gist::of(text.as_bytes());
        for piece in [1, 3] {
            let mut gist = Gist::new();
            text.as_bytes().chunks(piece).for_each(|piece| gist.read(piece));
            assert_eq!(gist.meant(), whole, "{text} in pieces of {piece}");
        }
        match whole {
            Meant::Request(id) => format!("request {id}"),
            Meant::Response(id) => format!("response {id}"),
            Meant::Unknown => "unknown".into(),
        }
    }

    #[test]
    fn the_id_is_found_wherever_it_stands() {
        assert_eq!(meant(r#"{"jsonrpc":"2.0","id":5,"method":"m","params":{"id":6}}"#), "request 5");
        assert_eq!(
            meant(r#"{"method":"m","params":{"id":6,"x":[{"id":7}]}, "id" : "a\"b" }"#),
            r#"request "a\"b""#
        );
        assert_eq!(meant(r#"{"id":-7,"method":"m","params":{"text":"\ud83d"#), "request -7");
        assert_eq!(meant(r#"{"id":5,"id":5,"method":"m"}"#), "request 5");
        assert_eq!(meant(r#"{"id":5}"#), "request 5");
        assert_eq!(
            meant(&format!(r#"{{"x":{}{},"id":5}}"#, "[".repeat(1_000), "]".repeat(1_000))),
            "request 5"
        );
        assert_eq!(meant(r#"{"id":5,"result":null,"error":null,"method":"m"}"#), "request 5");
    }

    #[test]
    fn a_response_is_told_from_a_request() {
        assert_eq!(meant(r#"{"id":5,"result":{"method":"m"}}"#), "response 5");
        assert_eq!(meant(r#"{"error":{"code":"x"},"id":5}"#), "response 5");
        assert_eq!(meant(r#"{"method":null,"id":5,"result":{}}"#), "response 5");
    }

    #[test]
    fn what_has_no_one_id_is_nobodys() {
        let long = format!(r#"{{"id":"{}","method":"m"}}"#, "x".repeat(2_000));
        let unnamed = [
            "",
            "x",
            "{",
            "[",
            r#"[{"id":5}]"#,
            "{}",
            r#"{"id":null,"method":"m"}"#,
            r#"{"id":1.5}"#,
            r#"{"id":{}}"#,
            r#"{"id":[5]}"#,
            r#"{"id":5"#,
            r#"{"id":5,"id":6}"#,
            r#"{"x":"\"id\":5,"}"#,
            r#"{"ident":5}"#,
            "{id:5}",
            r#"{"x":{"id":5}}"#,
            r#"{} {"id":5}"#,
            r#"{"id":"a b}"#,
            &long,
        ];
        for text in unnamed {
            assert_eq!(meant(text), "unknown", "{text}");
        }
    }
}

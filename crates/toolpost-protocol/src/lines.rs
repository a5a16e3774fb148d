//! Cuts a stream of bytes into lines, none longer than allowed.

use std::fmt;

use bytes::{Bytes, BytesMut};

use crate::gist::{Gist, Meant};

/// How much is asked of the stream at once.
const CHUNK: usize = 64 << 10;

/// Cuts the bytes of a stream into the lines that are its messages, as stdio frames them; each is bounded, and of one too
/// long nothing is kept but whose it is.
///
/// It holds the bytes received and not yet taken as lines: at most one line and what was read with it.
///
/// ```
/// use toolpost_protocol::{Line, LineBuffer};
///
/// let mut lines = LineBuffer::new(10);
/// lines.room().extend_from_slice(b"{}\n[1,2,3,4,5,6]\n[");
/// assert_eq!(lines.next(), Some(Line::Whole("{}".into())));
/// assert!(matches!(lines.next(), Some(Line::TooLong(_))));
/// assert_eq!(lines.next(), None, "the rest has not come");
/// assert_eq!(lines.last(), Some(Line::Whole("[".into())));
/// ```
pub struct LineBuffer {
    buffer: BytesMut,
    /// How much of `buffer` has no line end in it.
    searched: usize,
    /// The most bytes a line may have.
    limit: usize,
    /// What is known of a line that was too long, while its rest is being skipped.
    skipping: Option<Gist>,
}

/// One line of a stream, or that there was one too long to be kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Line {
    /// A line without its end, and never blank.
    Whole(Bytes),
    /// A line that was too long: what it was meant as.
    TooLong(Meant),
}

impl LineBuffer {
    /// Of a stream whose lines have at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), searched: 0, limit, skipping: None }
    }

    /// The buffer to read into: what is received is appended to it.
    pub fn room(&mut self) -> &mut BytesMut {
        if self.buffer.capacity() - self.buffer.len() < CHUNK / 4 {
            self.buffer.reserve(CHUNK);
        }
        &mut self.buffer
    }

    /// Takes the next line, if a whole one has arrived.
    #[expect(clippy::should_implement_trait, reason = "more lines may come after `None`")]
    pub fn next(&mut self) -> Option<Line> {
        loop {
            let Some(found) = memchr::memchr(b'\n', &self.buffer[self.searched..]) else {
                self.unfinished();
                return None;
            };
            let end = self.searched + found;
            let mut line = self.buffer.split_to(end + 1);
            self.searched = 0;
            line.truncate(end);
            if let Some(mut gist) = self.skipping.take() {
                gist.read(&line);
                return Some(Line::TooLong(gist.meant()));
            }
            let line = line.freeze();
            if let Some(line) = self.judge(line) {
                return Some(line);
            }
        }
    }

    /// Takes what is left when the stream has ended: a line without its end.
    pub fn last(&mut self) -> Option<Line> {
        let rest = self.buffer.split().freeze();
        self.searched = 0;
        match self.skipping.take() {
            Some(mut gist) => {
                gist.read(&rest);
                Some(Line::TooLong(gist.meant()))
            }
            None => self.judge(rest),
        }
    }

    /// There is no line end yet: nothing is kept of a line that is too long already, except whose it is.
    fn unfinished(&mut self) {
        self.searched = self.buffer.len();
        let gist = match &mut self.skipping {
            Some(gist) => gist,
            None if self.searched <= self.limit => return,
            none => none.insert(Gist::new()),
        };
        gist.read(&self.buffer);
        self.searched = 0;
        match CHUNK < self.buffer.len() {
            true => self.buffer = BytesMut::new(),
            false => self.buffer.clear(),
        }
    }

    fn judge(&self, line: Bytes) -> Option<Line> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return None;
        }
        Some(if self.limit < line.len() { Line::TooLong(Gist::of(&line)) } else { Line::Whole(line) })
    }
}

impl fmt::Debug for LineBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineBuffer")
            .field("buffered", &self.buffer.len())
            .field("limit", &self.limit)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(limit: usize, chunks: &[&str]) -> Vec<String> {
        let mut lines = LineBuffer::new(limit);
        let mut seen = Vec::new();
        let mut see = |line| match line {
            Line::Whole(line) => seen.push(String::from_utf8(line.to_vec()).unwrap()),
            Line::TooLong(Meant::Request(id)) => seen.push(format!("too long: {id}")),
            Line::TooLong(_) => seen.push("too long".into()),
        };
        for chunk in chunks {
            lines.room().extend_from_slice(chunk.as_bytes());
            while let Some(line) = lines.next() {
                see(line);
            }
        }
        lines.last().map(see);
        seen
    }

    #[test]
    fn a_line_may_arrive_in_any_number_of_pieces() {
        assert_eq!(lines(9, &["a\nb", "c\n", "\n \r\n", "d\r\n", "e"]), ["a", "bc", "d\r", "e"]);
        assert_eq!(lines(9, &["a", "b", "c", "\n", "d\ne\n"]), ["abc", "d", "e"]);
    }

    #[test]
    fn a_line_too_long_is_skipped_whole_and_costs_nothing_else() {
        assert_eq!(lines(4, &["123456789\nab\n"]), ["too long", "ab"]);
        assert_eq!(lines(4, &["12345", "6789", "\nab\n", "12345"]), ["too long", "ab", "too long"]);
        assert_eq!(lines(4, &["1234\n1234", "\n"]), ["1234", "1234"]);
        let id = r#"{"method":"m","id":5}"#;
        assert_eq!(lines(4, &[id, "\nab\n"]), ["too long: 5", "ab"]);
        assert_eq!(lines(4, &[&id[..9], &id[9..], "\n"]), ["too long: 5"]);
        assert_eq!(lines(4, &[&id[..9], &id[9..]]), ["too long: 5"]);
        let mut long = LineBuffer::new(4);
        for _ in 0..1_000 {
            long.room().extend_from_slice(&[b'x'; 10_000]);
            while long.next().is_some() {}
        }
        assert!(long.buffer.capacity() < 2 * CHUNK, "what is skipped is not kept");
    }
}

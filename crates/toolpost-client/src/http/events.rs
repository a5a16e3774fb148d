//! Reads server-sent events (HTML standard, 9.2) from pieces of bytes, without I/O.

use std::fmt;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};

/// The id of an event is kept up to this length; a stream whose ids are longer cannot be resumed.
const ID: usize = 1 << 10;

/// What a field's name and its colon add to a line of data.
const FIELD: usize = 64;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Reads the events of one stream, whose bytes come in pieces.
///
/// It keeps one line and one event, each of at most the given number of bytes, and one id. An event that comes whole, in one
/// piece and with one line of data, is a slice of that piece.
pub(crate) struct EventReader {
    /// What is not read yet.
    piece: Bytes,
    /// The beginning of a line whose end has not come.
    line: BytesMut,
    limit: usize,
    began: bool,
    /// The last line ended with a carriage return: a line feed that follows belongs to it.
    after_return: bool,
    data: Data,
    kind: Kind,
    /// The id of the event that is being read; of no use before the event is whole.
    next_id: Option<Id>,
    last_id: Option<Bytes>,
    retry: Option<Duration>,
}

/// The data of the event that is being read.
enum Data {
    None,
    Line(Bytes),
    Lines(BytesMut),
}

/// Whether the event that is being read is a message: of the type `message`, or of none.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    Message,
    Other,
}

enum Id {
    Is(Bytes),
    TooLong,
}

/// A line or an event has more bytes than it may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TooLong;

impl EventReader {
    /// Begins a stream whose events have at most `limit` bytes of data.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            piece: Bytes::new(),
            line: BytesMut::new(),
            limit,
            began: false,
            after_return: false,
            data: Data::None,
            kind: Kind::Message,
            next_id: None,
            last_id: None,
            retry: None,
        }
    }

    /// Takes the next bytes of the stream. What came before has to be [read](Self::next) first.
    pub(crate) fn push(&mut self, piece: Bytes) {
        debug_assert!(self.piece.is_empty(), "a piece is read before the next one comes");
        self.piece = piece;
    }

    /// Reads on to the end of the next message, and gives its data; `None` until more bytes come.
    ///
    /// # Errors
    ///
    /// [`TooLong`]. The stream cannot be read on.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, TooLong> {
        while let Some(line) = self.next_line()? {
            if !line.is_empty() {
                self.field(&line)?;
                continue;
            }
            if let Some(id) = self.next_id.take() {
                self.last_id = match id {
                    Id::Is(id) => Some(id),
                    Id::TooLong => None,
                };
            }
            let kind = std::mem::replace(&mut self.kind, Kind::Message);
            let data = match std::mem::replace(&mut self.data, Data::None) {
                Data::None => continue,
                Data::Line(line) => line,
                Data::Lines(lines) => lines.freeze(),
            };
            // One without data only tells its id.
            if kind == Kind::Message && !data.is_empty() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// The id of the last whole event that had one: after it the stream can be resumed. Empty if the server took its id back.
    pub(crate) fn last_id(&self) -> Option<&Bytes> {
        self.last_id.as_ref()
    }

    /// How long to wait before the stream is resumed, as the server asks.
    pub(crate) const fn retry(&self) -> Option<Duration> {
        self.retry
    }

    fn next_line(&mut self) -> Result<Option<Bytes>, TooLong> {
        if self.after_return && !self.piece.is_empty() {
            self.after_return = false;
            if self.piece[0] == b'\n' {
                self.piece.advance(1);
            }
        }
        let Some(end) = memchr::memchr2(b'\r', b'\n', &self.piece) else {
            self.bounded(self.line.len() + self.piece.len())?;
            self.line.extend_from_slice(&self.piece);
            self.piece.clear();
            return Ok(None);
        };
        self.bounded(self.line.len() + end)?;
        let mut line = self.piece.split_to(end);
        if !self.line.is_empty() {
            self.line.extend_from_slice(&line);
            line = self.line.split().freeze();
        }
        self.after_return = self.piece[0] == b'\r';
        self.piece.advance(1);
        if !self.began {
            self.began = true;
            if line.starts_with(BYTE_ORDER_MARK) {
                line.advance(BYTE_ORDER_MARK.len());
            }
        }
        Ok(Some(line))
    }

    fn field(&mut self, line: &Bytes) -> Result<(), TooLong> {
        let colon = memchr::memchr(b':', line).unwrap_or(line.len());
        let (name, mut value) = (&line[..colon], line.slice((colon + 1).min(line.len())..));
        if value.first() == Some(&b' ') {
            value.advance(1);
        }
        match name {
            b"data" => return self.data(value),
            b"event" => {
                let message = value.is_empty() || &value[..] == b"message";
                self.kind = if message { Kind::Message } else { Kind::Other };
            }
            b"id" if ID < value.len() => self.next_id = Some(Id::TooLong),
            // Its own copy, so that it does not keep the piece that it came in.
            b"id" if !value.contains(&0) => self.next_id = Some(Id::Is(Bytes::copy_from_slice(&value))),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let text = String::from_utf8_lossy(&value);
                self.retry = Some(Duration::from_millis(text.parse().unwrap_or(u64::MAX)));
            }
            // A comment, or a field that nobody reads.
            _ => {}
        }
        Ok(())
    }

    fn data(&mut self, value: Bytes) -> Result<(), TooLong> {
        let so_far = match &self.data {
            Data::None => 0,
            Data::Line(line) => line.len() + 1,
            Data::Lines(lines) => lines.len() + 1,
        };
        if self.limit < so_far + value.len() {
            return Err(TooLong);
        }
        self.data = match std::mem::replace(&mut self.data, Data::None) {
            Data::None => Data::Line(value),
            Data::Line(line) => {
                let mut lines = BytesMut::from(&line[..]);
                lines.extend_from_slice(b"\n");
                lines.extend_from_slice(&value);
                Data::Lines(lines)
            }
            Data::Lines(mut lines) => {
                lines.extend_from_slice(b"\n");
                lines.extend_from_slice(&value);
                Data::Lines(lines)
            }
        };
        Ok(())
    }

    const fn bounded(&self, length: usize) -> Result<(), TooLong> {
        match length <= self.limit.saturating_add(FIELD) {
            true => Ok(()),
            false => Err(TooLong),
        }
    }
}

impl fmt::Debug for EventReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventReader").field("last_id", &self.last_id).finish_non_exhaustive()
    }
}

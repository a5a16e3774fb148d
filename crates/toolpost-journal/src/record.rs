//! Records: what is appended, and what is read.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

/// A record to be appended: its kind, the correlation that ties it to others, and any bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewRecord<'a> {
    pub(crate) kind: &'a str,
    pub(crate) correlation: &'a str,
    pub(crate) payload: &'a [u8],
}

impl<'a> NewRecord<'a> {
    /// A record of this kind (255 bytes at most, such as `call.started`), with no correlation.
    #[must_use]
    pub const fn new(kind: &'a str, payload: &'a [u8]) -> Self {
        Self { kind, correlation: "", payload }
    }

    /// Says what the record belongs to: a request, a run. 65,535 bytes at most.
    #[must_use]
    pub const fn correlation(mut self, correlation: &'a str) -> Self {
        self.correlation = correlation;
        self
    }
}

/// A record that was read. It borrows from its reader's buffer: nothing is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRecord<'a> {
    pub(crate) seq: u64,
    pub(crate) time: u64,
    pub(crate) kind: &'a str,
    pub(crate) correlation: &'a str,
    pub(crate) payload: &'a [u8],
}

impl<'a> LogRecord<'a> {
    /// Its sequence number: that of the record before it and one; the first is 1.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// When it was appended. Never earlier than the record before it: where the clock went back, the same time again.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(self.time)
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> &'a str {
        self.kind
    }

    /// What it belongs to; empty if nothing was said.
    #[must_use]
    pub const fn correlation(&self) -> &'a str {
        self.correlation
    }

    /// Its bytes.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Appends the record as one line of JSON: `seq`, `time` (nanoseconds since 1970), `kind`, `correlation` if there is one,
    /// and the bytes as `payload`, a string, or as `payload_hex` where they are no UTF-8.
    pub fn write_json_line(&self, out: &mut String) {
        let _infallible = write!(out, "{{\"seq\":{},\"time\":{},\"kind\":", self.seq, self.time);
        string(self.kind, out);
        if !self.correlation.is_empty() {
            out.push_str(",\"correlation\":");
            string(self.correlation, out);
        }
        match std::str::from_utf8(self.payload) {
            Ok(text) => {
                out.push_str(",\"payload\":");
                string(text, out);
            }
            Err(_) => {
                out.push_str(",\"payload_hex\":\"");
                for byte in self.payload {
                    let _infallible = write!(out, "{byte:02x}");
                }
                out.push('"');
            }
        }
        out.push_str("}\n");
    }
}

fn string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            // Control characters; and two that end a line for readers of JavaScript.
            '\0'..='\x1f' | '\x7f' | '\u{2028}' | '\u{2029}' => {
                let _infallible = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Nanoseconds since 1970; the nearest that there are.
pub(crate) fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

//! Writing messages: envelopes around fragments that are already JSON, spliced and not parsed.
//!
//! ```
//! use toolpost_protocol::{Id, reply};
//!
//! let mut out = Vec::new();
//! reply::result(&mut out, &Id::from(7), |out| out.extend_from_slice(b"{}"));
//! assert_eq!(out, br#"{"jsonrpc":"2.0","id":7,"result":{}}"#);
//! ```

use serde::Serialize;

use crate::error::Error;
use crate::id::Id;
use crate::text::specials;

/// Writes the answer to `id`; `write` appends its result, one JSON value.
#[inline]
pub fn result(out: &mut Vec<u8>, id: &Id, write: impl FnOnce(&mut Vec<u8>)) {
    head(out, id);
    out.extend_from_slice(br#","result":"#);
    write(out);
    out.push(b'}');
}

/// Writes the answer to `id` that it failed.
pub fn error(out: &mut Vec<u8>, id: &Id, error: &Error) {
    head(out, id);
    failure(out, error);
}

/// Writes an error that answers nothing that has an id: without a member `id`, which MCP never lets be null. From
/// 2025-11-25 on that is a message of its own; before, no message is, so a stream is better left silent.
pub fn unaddressed(out: &mut Vec<u8>, error: &Error) {
    out.extend_from_slice(br#"{"jsonrpc":"2.0""#);
    failure(out, error);
}

fn failure(out: &mut Vec<u8>, error: &Error) {
    out.extend_from_slice(br#","error":{"code":"#);
    out.extend_from_slice(error.code().0.to_string().as_bytes());
    out.extend_from_slice(br#","message":"#);
    string(out, error.message());
    if let Some(data) = error.data() {
        out.extend_from_slice(br#","data":"#);
        out.extend_from_slice(data.get().as_bytes());
    }
    out.extend_from_slice(b"}}");
}

/// Writes a notification; `write` appends its params, one JSON object.
pub fn notification(out: &mut Vec<u8>, method: &str, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(br#"{"jsonrpc":"2.0","method":"#);
    call(out, method, write);
}

/// Writes a request; `write` appends its params, one JSON object.
pub fn request(out: &mut Vec<u8>, id: &Id, method: &str, write: impl FnOnce(&mut Vec<u8>)) {
    head(out, id);
    out.extend_from_slice(br#","method":"#);
    call(out, method, write);
}

/// Writes `text` as a JSON string.
#[inline]
pub fn string(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let plain = plain(rest);
        out.extend_from_slice(&rest[..plain]);
        let Some((&special, after)) = rest[plain..].split_first() else { break };
        escape(out, special);
        rest = after;
    }
    out.push(b'"');
}

/// Writes `value` as JSON.
///
/// # Errors
///
/// When `value` refuses to be encoded; `out` is then as it was.
pub fn value(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> Result<(), serde_json::Error> {
    let before = out.len();
    serde_json::to_writer(&mut *out, value).inspect_err(|_| out.truncate(before))
}

#[inline(always)]
fn head(out: &mut Vec<u8>, id: &Id) {
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(id.raw().as_bytes());
}

fn call(out: &mut Vec<u8>, method: &str, write: impl FnOnce(&mut Vec<u8>)) {
    string(out, method);
    out.extend_from_slice(br#","params":"#);
    write(out);
    out.push(b'}');
}

/// How many bytes stand before the first that needs an escape.
#[inline(always)]
fn plain(text: &[u8]) -> usize {
    let (words, tail) = text.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let marks = specials(u64::from_le_bytes(*word));
        if marks != 0 {
            return at * 8 + marks.trailing_zeros() as usize / 8;
        }
    }
    let special = tail.iter().position(|byte| matches!(byte, 0..0x20 | b'"' | b'\\'));
    text.len() - tail.len() + special.unwrap_or(tail.len())
}

#[cold]
fn escape(out: &mut Vec<u8>, special: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match special {
        b'"' | b'\\' => special,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[usize::from(special >> 4)], HEX[usize::from(special & 15)]]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

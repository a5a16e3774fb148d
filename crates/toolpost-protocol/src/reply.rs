//! Writing messages: envelopes around fragments that are already JSON, spliced and not parsed.
//!
//! ```
//! use toolpost_protocol::{Id, reply};
//!
//! let mut out = Vec::new();
//! reply::result(&mut out, &Id::from(7), |out| out.extend_from_slice(b"{}"));
//! assert_eq!(out, br#"{"jsonrpc":"2.0","id":7,"result":{}}"#);
//! ```

use toolpost_json::write;

use crate::error::Error;
use crate::id::Id;

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
    write::string(out, error.message());
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

#[inline]
fn head(out: &mut Vec<u8>, id: &Id) {
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(id.raw().as_bytes());
}

fn call(out: &mut Vec<u8>, method: &str, write: impl FnOnce(&mut Vec<u8>)) {
    write::string(out, method);
    out.extend_from_slice(br#","params":"#);
    write(out);
    out.push(b'}');
}

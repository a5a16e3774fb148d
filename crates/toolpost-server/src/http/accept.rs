//! What the headers say of a body, and of the answer that the client takes.

use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode};

use super::answers::{Instead, refused};

/// Refuses a body that cannot be read as it is. `sized`: whether its length was said, so that no coding of
/// the transfer can matter.
pub(super) fn readable(headers: &HeaderMap, sized: bool) -> Result<(), Instead> {
    if !is_json(headers) {
        return Err(refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json"));
    }
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        let why = "bodies are taken as they are, not compressed";
        return Err(refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
    }
    let chunked =
        |coding: &http::HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    if !sized && !headers.get_all(TRANSFER_ENCODING).iter().all(chunked) {
        let why = "the only Transfer-Encoding that is read is chunked";
        return Err(refused(StatusCode::NOT_IMPLEMENTED, why));
    }
    Ok(())
}

/// What the client takes for an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accept {
    pub(super) json: bool,
    pub(super) events: bool,
    /// Whether it takes events by their name, and not because it takes anything.
    pub(super) names_events: bool,
}

impl Accept {
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let mut accept = Self { json: false, events: false, names_events: false };
        let mut none = true;
        for value in headers.get_all(ACCEPT) {
            none = false;
            // The form nearly every client sends.
            if value.as_bytes() == b"application/json, text/event-stream" {
                return Self { json: true, events: true, names_events: true };
            }
            for range in value.as_bytes().split(|byte| *byte == b',') {
                let range = range.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
                accept.json |= is_any(range, &[b"application/json", b"application/*", b"*/*"]);
                accept.names_events |= is_any(range, &[b"text/event-stream"]);
                accept.events |= is_any(range, &[b"text/event-stream", b"text/*", b"*/*"]);
            }
        }
        Self { json: accept.json | none, events: accept.events | none, ..accept }
    }
}

fn is_any(range: &[u8], of: &[&[u8]]) -> bool {
    of.iter().any(|known| range.eq_ignore_ascii_case(known))
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| {
        let kind = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
        kind.trim_ascii().eq_ignore_ascii_case(b"application/json")
    })
}

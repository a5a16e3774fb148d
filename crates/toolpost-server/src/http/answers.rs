//! Answers as HTTP has them: a reply with its status, a stream of events, a refusal.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use toolpost_protocol::{Code, Error};

use super::body::Metered;
use super::connection_state::{HeldBytes, OpenRequest};
use super::events::{EventStream, First, too_much};
use super::streams::Progress;
use super::{Body, Document};
use crate::authenticate::Unidentified;
use crate::{Disposition, Reply, Unauthenticated};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");

/// After how many seconds there may be room again: where bodies or answers are too many, they are ended soon;
/// sessions that are in use stay longer.
pub(super) const BYTES_WAIT: u32 = 5;
pub(super) const SESSION_WAIT: u32 = 30;

/// A finished answer in place of the one asked for. Boxed: it is the rare case.
pub(super) type Instead = Box<Response<Body>>;

/// The answer to a request of which nobody knows who makes it.
#[cold]
pub(super) fn unidentified(why: Unidentified) -> Instead {
    let (status, challenge) = match why {
        Unidentified::Unauthenticated(Unauthenticated::Challenge(challenge)) => {
            (StatusCode::UNAUTHORIZED, challenge)
        }
        Unidentified::Unauthenticated(Unauthenticated::Insufficient(challenge)) => {
            (StatusCode::FORBIDDEN, challenge)
        }
        Unidentified::Unauthenticated(Unauthenticated::Unavailable(wait)) => {
            let seconds = u32::try_from(wait.as_nanos().div_ceil(1_000_000_000)).unwrap_or(u32::MAX);
            return later(seconds.max(1), "who makes the request cannot be established now; try again later");
        }
        Unidentified::Panicked => {
            let why = "who makes the request could not be established";
            return refused(StatusCode::INTERNAL_SERVER_ERROR, why);
        }
        Unidentified::TimedOut => {
            return later(BYTES_WAIT, "who makes the request was not established in time; try again later");
        }
    };
    let mut response = refused(status, "the request carries no sufficient credentials");
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge_of(&challenge));
    response
}

/// Adds to the challenge of an answer, if it has one, where the document of the resource is.
#[cold]
pub(super) fn name_document(response: &mut Response<Body>, document: &Document) {
    if let Some(Ok(challenge)) = response.headers().get(WWW_AUTHENTICATE).map(HeaderValue::to_str) {
        let challenge = challenge_of(&document.named_in(challenge.to_owned()));
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
}

/// A challenge as a header; characters that a header cannot have are spaces.
#[cold]
fn challenge_of(challenge: &str) -> HeaderValue {
    let challenge = challenge.replace(|character: char| character.is_ascii_control(), " ");
    match challenge.trim() {
        "" => HeaderValue::from_static("Bearer"),
        challenge => challenge.parse().unwrap_or(HeaderValue::from_static("Bearer")),
    }
}

/// An answer that is a stream of events.
pub(super) fn events(stream: EventStream) -> Response<Body> {
    let mut response = Response::new(Body::events(stream));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, EVENTS);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// A reply as one body.
pub(super) fn whole(reply: Reply) -> Response<Body> {
    let status = status_of(reply.disposition);
    let Some(bytes) = reply.bytes else { return empty(status) };
    let mut response = Response::new(Body::whole(bytes, reply.shared));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    if let Some(scopes) = reply.scopes {
        let challenge = format!(r#"Bearer error="insufficient_scope", scope="{}""#, quotable(&scopes));
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge_of(&challenge));
    }
    response
}

/// What of scopes can stand in a challenge (RFC 6750, 3).
fn quotable(scopes: &str) -> String {
    scopes.chars().filter(|char| matches!(char, ' '..='~') && !matches!(char, '"' | '\\')).collect()
}

/// The status that says what became of a message.
const fn status_of(disposition: Disposition) -> StatusCode {
    match disposition {
        Disposition::Answered => StatusCode::OK,
        Disposition::Taken => StatusCode::ACCEPTED,
        Disposition::Invalid => StatusCode::BAD_REQUEST,
        Disposition::Denied => StatusCode::FORBIDDEN,
        Disposition::Unknown => StatusCode::NOT_FOUND,
        Disposition::NeedsStream => StatusCode::NOT_ACCEPTABLE,
        Disposition::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Disposition::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Disposition::Busy => StatusCode::SERVICE_UNAVAILABLE,
    }
}

pub(super) fn response_of(first: First) -> Response<Body> {
    match first {
        First::Reply(reply) => whole(reply),
        First::Events(stream) => events(stream),
    }
}

/// Counts what an answer makes the server keep; one that there is no room for becomes a short one.
#[cold]
pub(super) fn meter(response: &mut Response<Body>, open: &OpenRequest, progress: Option<Arc<Progress>>) {
    let mut held = HeldBytes::new(open.state());
    if !held.keep(response.body().known()) {
        let head = response.body_mut().take_whole();
        *response = whole(too_much(&head));
        set_later(response, BYTES_WAIT);
        let _small = held.keep(response.body().known());
    }
    response.body_mut().meter(Metered { held, progress, rest: Bytes::new() });
}

pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// An answer to a request that is not even read: a JSON-RPC error without an id.
#[cold]
pub(super) fn refusal(status: StatusCode, why: impl Into<Cow<'static, str>>) -> Response<Body> {
    let error = Error::new(Code::INVALID_REQUEST, why.into());
    let mut response = whole(Reply::nameless(Disposition::Invalid, &error));
    *response.status_mut() = status;
    response
}

#[cold]
pub(super) fn refused(status: StatusCode, why: impl Into<Cow<'static, str>>) -> Instead {
    Box::new(refusal(status, why))
}

#[cold]
pub(super) fn not_served(why: &'static str) -> Instead {
    let mut response = refused(StatusCode::METHOD_NOT_ALLOWED, why);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST, GET, DELETE"));
    response
}

#[cold]
pub(super) fn no_such_session() -> Instead {
    refused(StatusCode::NOT_FOUND, "there is no such session")
}

/// 503, and when to come again.
#[cold]
pub(super) fn later(seconds: u32, why: &'static str) -> Instead {
    let mut response = refused(StatusCode::SERVICE_UNAVAILABLE, why);
    set_later(&mut response, seconds);
    response
}

pub(super) fn set_later(response: &mut Response<Body>, seconds: u32) {
    response.headers_mut().insert(RETRY_AFTER, seconds.into());
}

//! What lets pages of an admitted origin read the answers: cross-origin resource sharing.
//!
//! A page is asked for by its browser: a preflight without credentials comes first, and the answer, whatever
//! its status, is shown to the page only if it names the page's origin.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};

use super::Body;
use super::answers::{Instead, empty};

/// The headers that clients of MCP send.
const SENT: &str = "content-type, authorization, accept, last-event-id, mcp-protocol-version, \
                    mcp-session-id, mcp-method, mcp-name";

/// The headers of answers that mean something to them.
const SHOWN: HeaderValue =
    HeaderValue::from_static("mcp-session-id, mcp-protocol-version, www-authenticate, retry-after");

/// Headers that repeat an argument: there may be any.
const OF_ARGUMENT: &str = "mcp-param-";

const ASKS_FOR_PRIVATE: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOWS_PRIVATE: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// The answer to a browser that asks whether a page may make a request; `None` to any other request.
pub(super) fn preflight(parts: &Parts) -> Option<Instead> {
    if parts.method != Method::OPTIONS || !parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let mut response = empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, GET, DELETE"));
    let mut allowed = SENT.to_owned();
    for asked in parts.headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS) {
        for name in asked.to_str().unwrap_or_default().split(',').map(str::trim) {
            let repeats = name.get(..OF_ARGUMENT.len()).is_some_and(|start| {
                start.eq_ignore_ascii_case(OF_ARGUMENT) && HeaderName::try_from(name).is_ok()
            });
            if repeats {
                allowed.push_str(", ");
                allowed.push_str(name);
            }
        }
    }
    if let Ok(allowed) = allowed.try_into() {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    }
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
    if parts.headers.contains_key(ASKS_FOR_PRIVATE) {
        headers.insert(ALLOWS_PRIVATE, HeaderValue::from_static("true"));
    }
    Some(Box::new(response))
}

/// Lets the page at `origin` read the answer.
pub(super) fn expose(response: &mut Response<Body>, origin: HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, SHOWN);
    headers.append(VARY, ORIGIN.into());
}

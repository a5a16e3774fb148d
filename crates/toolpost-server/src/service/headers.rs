//! Headers that repeat what the body says, held against it: whoever routes by them must not be lied to.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderName;
use http::header::AsHeaderName;
use toolpost_json::{Kind, Node};
use toolpost_protocol::{Code, Error};

use super::Method;
use super::Service;
use super::reply::Refusal;
use crate::{Disposition, Peer};

/// The headers that a request came with.
pub(crate) type Headers = http::HeaderMap;

/// The header that names the revision of a request.
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// Looked up with every request: a name that is known to be one is not parsed again.
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// Whether the headers of a modern request agree with its body. A stream of lines has none.
pub(super) fn agree(
    service: &Service,
    peer: &Peer,
    method: &Method,
    name_of_method: &str,
    params: Option<Node<'_>>,
) -> Result<(), Refusal> {
    let Some(headers) = &peer.headers else { return Ok(()) };
    if one(headers, &METHOD)?.map(undoubled) != Some(name_of_method) {
        return Err(mismatch("Mcp-Method", "is missing, or not the method of the body"));
    }
    let Some(subject) = method.subject else { return Ok(()) };
    // A body that names nothing is refused for that, later.
    let Some(name) = params.and_then(|params| params.member(subject)?.as_str()) else { return Ok(()) };
    match one(headers, &NAME)?.map(decoded) {
        Some(Some(value)) if value == name => {}
        Some(None) => return Err(mismatch("Mcp-Name", "is not Base64 of text, as it says")),
        _ => return Err(mismatch("Mcp-Name", "is missing, or not the name in the body")),
    }
    if method.is_tool_call() {
        let catalog = service.dispatcher.catalog();
        if catalog.has_header_params()
            && let Some(entry) = catalog.find(&name)
            // Of a tool that it may not call, a client learns no header.
            && !entry.header_params().is_empty()
            && service.dispatcher.may(&peer.principal, entry.spec())
        {
            let arguments = params.and_then(|params| params.member("arguments"));
            for param in entry.header_params() {
                argument(headers, param.header(), param.path(), arguments)?;
            }
        }
    }
    Ok(())
}

/// The one revision header; a second one that differs is an error. (Proxies double it: on two lines, or with a comma.)
pub(super) fn version(headers: &Headers) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(PROTOCOL_VERSION).iter();
    let Some(first) = values.next() else { return Ok(None) };
    let garbled = || {
        let error =
            Error::new(Code::HEADER_MISMATCH, "header MCP-Protocol-Version is not one readable value");
        (Disposition::Invalid, error)
    };
    if values.any(|other| other != first) {
        return Err(garbled());
    }
    first.to_str().map(|value| Some(undoubled(value.trim()))).map_err(|_| garbled())
}

/// Whether the header agrees with the argument that it repeats.
fn argument(
    headers: &Headers,
    header: &str,
    path: &[String],
    arguments: Option<Node<'_>>,
) -> Result<(), Refusal> {
    let value = path.iter().try_fold(arguments, |node, name| Some(Some(node?.member(name)?))).flatten();
    let value = value.filter(|node| !node.is_null());
    let found = match one(headers, header)?.map(decoded) {
        None => None,
        Some(Some(found)) => Some(found),
        Some(None) => return Err(mismatch(header, "is not Base64 of text, as it says")),
    };
    match (value, found) {
        (None, None) => Ok(()),
        (Some(value), Some(found)) if same(value, &found) => Ok(()),
        (Some(_), None) => Err(mismatch(header, "is missing, and the argument is there")),
        (None, Some(_)) => Err(mismatch(header, "is there, and the argument is missing")),
        _ => Err(mismatch(header, "is not the argument in the body")),
    }
}

/// Whether the text of a header is the value of an argument; numbers are compared as numbers.
fn same(value: Node<'_>, found: &str) -> bool {
    match value.kind() {
        Kind::String => value.as_str().as_deref() == Some(found),
        Kind::Bool => value.raw() == found,
        Kind::Number => {
            let body = value.raw();
            match (body.parse::<i128>(), found.parse::<i128>()) {
                (Ok(body), Ok(found)) => body == found,
                _ if body == found => true,
                // One of the two is written with a fraction or an exponent: exact up to 2^53.
                _ => match (number(body), number(found)) {
                    (Some(body), Some(found)) => body == found && body.abs() <= 9_007_199_254_740_992.0,
                    _ => false,
                },
            }
        }
        // Not of an annotated type; what is wrong with it is for the schema to say.
        _ => true,
    }
}

/// A number as JSON writes it.
fn number(text: &str) -> Option<f64> {
    serde_json::from_str(text).ok()
}

/// The text that a header value stands for: `=?base64?..?=` is Base64 of it, anything else is itself.
fn decoded(value: &str) -> Option<Cow<'_, str>> {
    let Some(encoded) = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return Some(Cow::Borrowed(value));
    };
    String::from_utf8(STANDARD.decode(encoded).ok()?).ok().map(Cow::Owned)
}

/// What `value` says: a list of equal items is one of them, as proxies make it that join doubled headers.
pub(crate) fn undoubled(value: &str) -> &str {
    match value.split_once(',') {
        None => value,
        Some((first, rest)) if rest.split(',').all(|item| item.trim() == first.trim_end()) => {
            first.trim_end()
        }
        Some(_) => value,
    }
}

/// The one value of a header; a second one that differs, or one that is no visible ASCII, is an error.
fn one(headers: &Headers, name: impl AsHeaderName + AsRef<str> + Copy) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    match first.to_str() {
        Ok(text) if values.all(|other| other == first) => Ok(Some(text.trim())),
        _ => Err(mismatch(name.as_ref(), "is not one readable value")),
    }
}

#[cold]
fn mismatch(header: &str, why: &str) -> Refusal {
    (Disposition::Invalid, Error::new(Code::HEADER_MISMATCH, format!("header {header} {why}")))
}

//! Stands in for `headers.rs` without the feature `http`, where no request has headers.

use toolpost_json::Node;

use super::reply::Refusal;
use super::{Method, Service};
use crate::Peer;

/// The headers that a request came with: there are none.
#[derive(Clone, Debug)]
pub(crate) enum Headers {}

/// Nothing contradicts the body.
pub(super) fn agree(
    _service: &Service,
    _peer: &Peer,
    _method: &Method,
    _name_of_method: &str,
    _params: Option<Node<'_>>,
) -> Result<(), Refusal> {
    Ok(())
}

/// Nothing names a revision.
pub(super) fn version(headers: &Headers) -> Result<Option<&str>, Refusal> {
    match *headers {}
}

//! Who a client is.

use http::request::Parts;
use toolpost_tool::Principal;

/// Establishes who an HTTP client is, before anything else is read of its request.
///
/// A closure from the request's head to a result is one.
pub trait Authenticate: Send + Sync + 'static {
    /// Names the principal that the request is made for.
    ///
    /// # Errors
    ///
    /// If the request does not say who makes it, or cannot prove it.
    fn authenticate(&self, request: &Parts) -> Result<Principal, Unauthenticated>;
}

impl<F> Authenticate for F
where
    F: Fn(&Parts) -> Result<Principal, Unauthenticated> + Send + Sync + 'static,
{
    fn authenticate(&self, request: &Parts) -> Result<Principal, Unauthenticated> {
        self(request)
    }
}

/// Why a client was not let in.
///
/// What a header cannot have of a challenge (control characters, line breaks among them) is sent as spaces, and of an
/// empty one the scheme `Bearer`: a client that is not challenged does not know how to go on.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Unauthenticated {
    /// No valid credentials: 401, with this challenge in `WWW-Authenticate`.
    Challenge(String),
    /// Valid credentials that do not suffice: 403, with this challenge in `WWW-Authenticate`.
    Insufficient(String),
}

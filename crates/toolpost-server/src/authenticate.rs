//! Who a client is.

use std::future::ready;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::header::AUTHORIZATION;
use http::request::Parts;
use toolpost_tool::Principal;

use crate::clock;

/// Establishes who an HTTP client is, before anything else is read of its request.
///
/// A closure from the request's head to a result is one, where nothing has to be waited for:
///
/// ```
/// # use toolpost_dispatch::{Dispatcher, Registry};
/// # use toolpost_server::{Server, Unauthenticated};
/// # use toolpost_tool::Principal;
/// # let dispatcher = Dispatcher::builder(Registry::builder().build().unwrap()).build();
/// let server = Server::builder(dispatcher).authenticate(|request: &http::request::Parts| {
///     match request.headers.get("authorization") {
///         Some(value) if value == "Bearer s3cret" => Ok(Principal::new("ada")),
///         _ => Err(Unauthenticated::Challenge("Bearer".into())),
///     }
/// });
/// ```
///
/// What asks a store or another server implements the trait, with an `async fn`. It is asked for every request, so
/// remember what you can.
pub trait Authenticate: Send + Sync + 'static {
    /// Names the principal that the request is made for.
    ///
    /// # Errors
    ///
    /// If the request does not say who makes it, or cannot prove it.
    ///
    /// # Panics
    ///
    /// A panic costs its request alone, which is answered with 500.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when the client goes away, and after
    /// [`HttpLimits::authenticate_timeout`](crate::HttpLimits::authenticate_timeout), which is answered with 503.
    fn authenticate(
        &self,
        request: &Parts,
    ) -> impl Future<Output = Result<Principal, Unauthenticated>> + Send;
}

impl<F> Authenticate for F
where
    F: Fn(&Parts) -> Result<Principal, Unauthenticated> + Send + Sync + 'static,
{
    fn authenticate(
        &self,
        request: &Parts,
    ) -> impl Future<Output = Result<Principal, Unauthenticated>> + Send {
        ready(self(request))
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
    /// Nobody can say now whether the credentials are valid (the keys or the server that says it cannot be reached): 503, to
    /// be asked again after this time, which is sent in whole seconds, rounded up.
    Unavailable(Duration),
}

/// Reads the bearer token of a request: from one header `Authorization`, and from nowhere else (RFC 6750, 2.1).
///
/// For an [`Authenticate`] of a host's own. A token is at most 16 KiB of the characters that tokens have.
///
/// # Errors
///
/// The challenge to answer with, where there is no token, more than one, or one in the URL, where servers and proxies log it.
pub fn bearer_token(request: &Parts) -> Result<&str, Unauthenticated> {
    // Whoever sent no token is not told that one is wrong (RFC 6750, 3).
    let challenge = |error: &str| Err(Unauthenticated::Challenge(error.to_owned()));
    let query = request.uri.query().unwrap_or_default();
    if query.split('&').any(|pair| pair.split('=').next() == Some("access_token")) {
        return challenge(
            r#"Bearer error="invalid_request", error_description="tokens do not belong in URLs""#,
        );
    }
    let mut values = request.headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return challenge("Bearer") };
    let token = value.to_str().ok().filter(|_| values.next().is_none()).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        let token = token.trim_matches(' ');
        let length = (1..=LONGEST_TOKEN).contains(&token.len());
        (length && scheme.eq_ignore_ascii_case("bearer") && token.bytes().all(is_of_token)).then_some(token)
    });
    token.map_or_else(|| challenge(r#"Bearer error="invalid_token""#), Ok)
}

/// Bytes that a bearer token may have.
const LONGEST_TOKEN: usize = 16 << 10;

const fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
}

/// Any [`Authenticate`], asked within its bounds: one allocation for each request.
pub(crate) trait Identify: Send + Sync {
    /// The principal of the request, or why there is none; within `limit`.
    fn identify<'a>(&'a self, request: &'a Parts, limit: Duration) -> Identifying<'a>;
}

type Identifying<'a> = Pin<Box<dyn Future<Output = Result<Principal, Unidentified>> + Send + 'a>>;

/// Why a request has no principal.
#[derive(Debug)]
pub(crate) enum Unidentified {
    Unauthenticated(Unauthenticated),
    Panicked,
    TimedOut,
}

impl<A: Authenticate> Identify for A {
    fn identify<'a>(&'a self, request: &'a Parts, limit: Duration) -> Identifying<'a> {
        Box::pin(async move {
            // The function itself may panic, too, before there is a future.
            let asked = AssertUnwindSafe(async move { self.authenticate(request).await }).catch_unwind();
            tokio::select! {
                biased;
                identified = asked => match identified {
                    Ok(identified) => identified.map_err(Unidentified::Unauthenticated),
                    Err(_) => Err(Unidentified::Panicked),
                },
                () = clock::sleep(limit) => Err(Unidentified::TimedOut),
            }
        })
    }
}

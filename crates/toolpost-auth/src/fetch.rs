//! How this crate reaches an authorization server.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};

/// Sends a request to an authorization server: for its keys, or to ask about a token.
///
/// `HttpsClient` (feature `https`) is one. Another of a host's own goes through its proxy, or answers in a test:
///
/// ```
/// use std::error::Error;
///
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use toolpost_auth::Fetch;
///
/// struct Fixed(&'static str);
///
/// impl Fetch for Fixed {
///     async fn fetch(
///         &self,
///         _request: Request<Bytes>,
///         _limit: usize,
///     ) -> Result<Response<Bytes>, Box<dyn Error + Send + Sync>> {
///         Ok(Response::new(self.0.into()))
///     }
/// }
/// ```
pub trait Fetch: Send + Sync + 'static {
    /// Sends the request, and receives an answer whose body has at most `limit` bytes. Follows no redirect: what an answer
    /// says has to be what the host's URL says.
    ///
    /// # Errors
    ///
    /// If there is no answer, or a longer one.
    ///
    /// # Panics
    ///
    /// A panic counts as an error.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when its time is over.
    fn fetch(
        &self,
        request: Request<Bytes>,
        limit: usize,
    ) -> impl Future<Output = Result<Response<Bytes>, Box<dyn Error + Send + Sync>>> + Send;
}

/// Why tokens cannot be checked: a URL that may not be used, keys that cannot be had or read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuthError(Cow<'static, str>);

impl AuthError {
    pub(crate) fn new(why: impl Into<Cow<'static, str>>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for AuthError {}

type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Bytes, AuthError>> + Send + 'a>>;

/// Any [`Fetch`], within its bounds.
pub(crate) trait BoundedFetch: Send + Sync {
    /// The body of an answer that is one (200), of at most `limit` bytes, within `time`.
    fn body(&self, request: Request<Bytes>, limit: usize, time: Duration) -> Fetching<'_>;
}

impl<F: Fetch> BoundedFetch for F {
    fn body(&self, request: Request<Bytes>, limit: usize, time: Duration) -> Fetching<'_> {
        Box::pin(async move {
            let answer = match tokio::time::timeout(time, async { self.fetch(request, limit).await }).await {
                Ok(answer) => answer.map_err(|error| AuthError::new(error.to_string()))?,
                Err(_elapsed) => return Err(AuthError::new(format!("no answer within {time:?}"))),
            };
            if answer.status() != StatusCode::OK {
                return Err(AuthError::new(format!("the answer is {}", answer.status())));
            }
            match answer.body().len() {
                length if limit < length => {
                    Err(AuthError::new(format!("the answer has more than {limit} bytes")))
                }
                _ => Ok(answer.into_body()),
            }
        })
    }
}

/// A URL that keys and answers about tokens may come from: whoever can change them on the way lets in anybody.
pub(crate) fn trusted(url: &str) -> Result<Uri, AuthError> {
    let uri: Uri = url.parse().map_err(|error| AuthError::new(format!("`{url}` is no URL: {error}")))?;
    let authority = uri.authority().ok_or_else(|| AuthError::new(format!("`{url}` names no host")))?;
    if authority.as_str().contains('@') {
        return Err(AuthError::new("a URL with a password in it would be logged; set credentials apart"));
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if loopback => Ok(uri),
        _ => {
            Err(AuthError::new(format!("`{url}` has to begin with https:// (http:// to this machine alone)")))
        }
    }
}

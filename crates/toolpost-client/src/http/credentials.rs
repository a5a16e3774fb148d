//! What a client proves itself by.

use std::error::Error;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt as _;

/// Gives the credentials of HTTP requests, where they are not the same for good: a token that expires.
///
/// It is asked for every request, so remember what you can; and once more, with the server's challenge, when a server answers
/// 401, after which the request is repeated.
///
/// ```
/// use std::error::Error;
///
/// use toolpost_client::Credentials;
///
/// struct Token;
///
/// impl Credentials for Token {
///     async fn authorization(
///         &self,
///         challenge: Option<&str>,
///     ) -> Result<String, Box<dyn Error + Send + Sync>> {
///         let fresh = challenge.is_some();
///         # let ask = async |_fresh: bool| String::from("s3cret");
///         Ok(format!("Bearer {}", ask(fresh).await))
///     }
/// }
/// ```
pub trait Credentials: Send + Sync + 'static {
    /// Gives the value of the header `Authorization`. With a `challenge`, the server has refused what was given last.
    ///
    /// # Errors
    ///
    /// If there are none now: the request is not sent.
    ///
    /// # Panics
    ///
    /// A panic costs its request alone.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped with the request it is for, and when the time of that is over.
    fn authorization(
        &self,
        challenge: Option<&str>,
    ) -> impl Future<Output = Result<String, Box<dyn Error + Send + Sync>>> + Send;
}

/// Any [`Credentials`].
#[derive(Clone)]
pub(super) struct AnyCredentials(Arc<dyn Authorize>);

type Authorizing<'a> = Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'a>>;

trait Authorize: Send + Sync {
    fn authorize<'a>(&'a self, challenge: Option<&'a str>) -> Authorizing<'a>;
}

impl AnyCredentials {
    pub(super) fn new(credentials: impl Credentials) -> Self {
        Self(Arc::new(credentials))
    }

    /// The value of `Authorization`.
    ///
    /// # Errors
    ///
    /// Why there is none.
    ///
    /// # Cancel safety
    ///
    /// That of the host's credentials.
    pub(super) async fn authorization(&self, challenge: Option<&str>) -> Result<String, String> {
        self.0.authorize(challenge).await
    }
}

impl<C: Credentials> Authorize for C {
    fn authorize<'a>(&'a self, challenge: Option<&'a str>) -> Authorizing<'a> {
        Box::pin(async move {
            match AssertUnwindSafe(async { self.authorization(challenge).await }).catch_unwind().await {
                Ok(given) => given.map_err(|error| error.to_string()),
                Err(_panic) => Err("the host's credentials panicked".into()),
            }
        })
    }
}

impl fmt::Debug for AnyCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

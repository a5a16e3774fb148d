//! Where a server is reached over HTTP, and how.

use std::fmt;
use std::time::Duration;

use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST,
    HeaderName, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Uri};

use super::connect::{Origin, Trust};
use super::connections::Connections;
use super::credentials::{AnyCredentials, Credentials};
use super::wire::Wire;
use crate::ClientError;

/// A server that is reached over Streamable HTTP: its URL, and what its requests carry.
///
/// Connections are kept for the next request. TLS (1.2 and 1.3) trusts whom the system trusts. Redirects are followed within
/// the origin of the URL alone, so that no other one is sent a message or its credentials. The proxies of the environment are
/// used if that is [asked for](Self::environment_proxies). Answers are not compressed.
///
/// `Debug` shows the origin of the URL, not its path or its query, and of headers their names.
///
/// ```
/// use toolpost_client::HttpTarget;
///
/// let target = HttpTarget::new("https://mcp.example.com/mcp")?.bearer("s3cret")?;
/// assert!(!format!("{target:?}").contains("s3cret"));
/// # Ok::<(), toolpost_client::ClientError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct HttpTarget {
    url: Uri,
    headers: HeaderMap,
    credentials: Option<AnyCredentials>,
    trust: Trust,
    proxies: bool,
    connect: Duration,
    keep: Duration,
    connections: usize,
}

/// Fixed headers, at most.
const HEADERS: usize = 64;

impl HttpTarget {
    /// The server at `url`, which begins with `https://` or `http://`.
    ///
    /// # Errors
    ///
    /// [`ClientError::InvalidTarget`] if it does not, or has a password in it, which would be logged.
    pub fn new(url: &str) -> Result<Self, ClientError> {
        let uri: Uri =
            url.parse().map_err(|error| invalid(format!("the URL of the server is none: {error}")))?;
        let authority = uri.authority().ok_or_else(|| invalid("the URL of the server names no host"))?;
        if authority.as_str().contains('@') {
            return Err(invalid(
                "the URL of the server has a password in it, which would be logged; set a header",
            ));
        }
        if !matches!(uri.scheme_str(), Some("https" | "http")) {
            return Err(invalid("the URL of the server has to begin with https:// or http://"));
        }
        Ok(Self {
            url: uri,
            headers: HeaderMap::new(),
            credentials: None,
            trust: Trust::System,
            proxies: false,
            connect: Duration::from_secs(10),
            keep: Duration::from_secs(4),
            connections: 256,
        })
    }

    /// Sends this header with every request: the key of an API. Its value is shown nowhere.
    ///
    /// # Errors
    ///
    /// [`ClientError::InvalidTarget`] if there can be no such header, the client sets it itself, or it is the 65th.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, ClientError> {
        let name: HeaderName =
            name.parse().map_err(|_| invalid(format!("`{name}` is no name of a header")))?;
        if is_own(&name) {
            return Err(invalid(format!("the header `{name}` is set by the client itself")));
        }
        if self.headers.len() == HEADERS {
            return Err(invalid(format!("there are more than {HEADERS} headers")));
        }
        // The value is not repeated: it may be a secret.
        let value = HeaderValue::from_str(value);
        let mut value =
            value.map_err(|_| invalid(format!("the value of the header `{name}` cannot stand in one")))?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Sends `Authorization: Bearer` and this token with every request.
    ///
    /// # Errors
    ///
    /// [`ClientError::InvalidTarget`] if the token cannot stand in a header.
    pub fn bearer(self, token: &str) -> Result<Self, ClientError> {
        self.header(AUTHORIZATION.as_str(), &format!("Bearer {token}"))
    }

    /// Asks these credentials for the header `Authorization` of every request, in place of a fixed one.
    pub fn credentials(mut self, credentials: impl Credentials) -> Self {
        self.credentials = Some(AnyCredentials::new(credentials));
        self
    }

    /// Trusts these certificates of authorities alone, each in DER: a company's own.
    pub fn trusting(mut self, certificates: impl IntoIterator<Item = Vec<u8>>) -> Self {
        self.trust = Trust::Only(certificates.into_iter().collect());
        self
    }

    /// Goes through the HTTP proxies that the environment names (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`).
    pub const fn environment_proxies(mut self) -> Self {
        self.proxies = true;
        self
    }

    /// How long a connection may take to be made, with TLS: 10 seconds by default.
    pub const fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect = time;
        self
    }

    /// How long a connection that nobody uses is used again (it is closed within twice that): 4 seconds by default, for many servers close one after 5, and a
    /// request that meets the closing is lost without anybody knowing whether it was made.
    pub const fn keep_connections(mut self, time: Duration) -> Self {
        self.keep = time;
        self
    }

    /// How many connections there are at most: 256 by default. Each carries one request, or one stream, at a time; further
    /// requests wait, first come first served. What requests may wait for (answers to questions, sixteen at a time) is not counted.
    ///
    /// # Panics
    ///
    /// If `connections` is 0.
    pub const fn max_connections(mut self, connections: usize) -> Self {
        assert!(0 < connections, "without a connection there is no request");
        self.connections = connections;
        self
    }

    /// The way to it, for messages of at most `limit` bytes.
    pub(super) fn wire(self, limit: usize) -> Result<Wire, ClientError> {
        let origin = Origin::new(&self.url, &self.trust, self.proxies).map_err(invalid)?;
        let connections = Connections::new(origin, self.connect, self.keep, self.connections);
        Wire::new(self.url, connections, self.headers, self.credentials, limit).map_err(invalid)
    }
}

impl fmt::Debug for HttpTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin =
            (self.url.scheme_str().unwrap_or_default(), self.url.authority().map_or("", |a| a.as_str()));
        let headers: Vec<&str> = self.headers.keys().map(HeaderName::as_str).collect();
        f.debug_struct("HttpTarget")
            .field("origin", &format_args!("{}://{}", origin.0, origin.1))
            .field("headers", &headers)
            .field("credentials", &self.credentials.is_some())
            .finish_non_exhaustive()
    }
}

fn invalid(why: impl Into<std::sync::Arc<str>>) -> ClientError {
    ClientError::InvalidTarget(why.into())
}

/// Whether the client alone says what this header says.
fn is_own(name: &HeaderName) -> bool {
    const OWN: [HeaderName; 11] = [
        ACCEPT,
        ACCEPT_ENCODING,
        CONNECTION,
        CONTENT_ENCODING,
        CONTENT_LENGTH,
        CONTENT_TYPE,
        HOST,
        PROXY_AUTHORIZATION,
        TE,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    OWN.contains(name) || name.as_str().starts_with("mcp-") || name == "last-event-id"
}

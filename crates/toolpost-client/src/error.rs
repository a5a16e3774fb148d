//! Why a request has no result.

use std::sync::Arc;
use std::time::Duration;

use toolpost_protocol::Error as RpcError;

/// Says why a request has no result, and whether it may have run.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// There is no connection, or it ended before the request was sent.
    #[error("not connected: {0}")]
    NotConnected(Arc<str>),
    /// The connection ended while the request was in flight.
    #[error("the connection ended before the answer came, so the outcome is unknown: {0}")]
    ConnectionLost(Arc<str>),
    /// The server answered with an error: its code, message and data.
    #[error("the server refused: {0}")]
    Refused(RpcError),
    /// The server did not answer in time; the request was cancelled.
    #[error("no answer within {limit:?}, so the outcome is unknown")]
    TimedOut {
        /// [`RequestOptions::time_limit`](crate::RequestOptions::time_limit).
        limit: Duration,
    },
    /// The server answered with what its revision does not allow.
    #[error("malformed answer: {0}")]
    Malformed(Arc<str>),
    /// The answer is larger than [`ClientOptions::message_limit`](crate::ClientOptions::message_limit).
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// A bound of the client is reached.
    #[error("more than {limit} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// Server and client have no revision in common.
    #[error("no common protocol version: the server offers {offered:?}")]
    NoCommonVersion {
        /// What the server offers, by name.
        offered: Arc<[String]>,
    },
    /// The server needs an answer that the host does not give: an elicitation, a sample, its roots.
    #[error("the server asks `{0}`, which this client does not answer")]
    Unanswered(Arc<str>),
    /// The server wants to know who asks, or does not let them (HTTP 401, 403): the request was not made.
    #[error("the server refuses the credentials (HTTP {status})")]
    Unauthorized {
        /// 401 or 403.
        status: u16,
        /// What the server says in `WWW-Authenticate`: where to get a token, which scope is missing.
        challenge: Option<Arc<str>>,
    },
    /// The server takes no request now (HTTP 429, 503): the request was not made.
    #[error("the server takes no request now (HTTP {status}){}", wait(*.retry_after))]
    Unavailable {
        /// 429 or 503.
        status: u16,
        /// After how long to ask again, if the server says it in seconds (`Retry-After`).
        retry_after: Option<Duration>,
    },
    /// The answer has a status of HTTP that is neither success nor anything above, and no error of MCP in it. From 500 on the
    /// outcome is unknown.
    #[error("the server answered with HTTP {status}")]
    BadStatus {
        /// The status.
        status: u16,
    },
    /// What the host says of the server's place cannot be: a URL, a header, a certificate, a proxy.
    #[error("{0}")]
    InvalidTarget(Arc<str>),
    /// The server gave up the task that the call had become.
    #[error("the server cancelled the task of this call")]
    TaskCancelled,
}

impl ClientError {
    /// Whether the request may have run although there is no result: it was sent, and what came of it is not known.
    /// Repeating it then is safe only if it does no harm twice.
    #[must_use]
    pub const fn is_outcome_unknown(&self) -> bool {
        matches!(
            self,
            Self::ConnectionLost(_)
                | Self::TimedOut { .. }
                | Self::Malformed(_)
                | Self::TooLarge { .. }
                | Self::TaskCancelled
                | Self::BadStatus { status: 500.. }
        )
    }

    /// Why a connection is over, for a request that was not sent.
    pub(crate) fn unsent(&self) -> Self {
        match self {
            Self::ConnectionLost(why) => Self::NotConnected(Arc::clone(why)),
            other => other.clone(),
        }
    }

    /// Why a connection is over, for a request that was sent.
    pub(crate) fn sent(&self) -> Self {
        match self {
            Self::ConnectionLost(why) | Self::NotConnected(why) => Self::ConnectionLost(Arc::clone(why)),
            other => Self::ConnectionLost(other.to_string().into()),
        }
    }

    pub(crate) fn malformed(why: impl Into<Arc<str>>) -> Self {
        Self::Malformed(why.into())
    }
}

fn wait(time: Option<Duration>) -> String {
    time.map(|time| format!(": ask again after {time:?}")).unwrap_or_default()
}

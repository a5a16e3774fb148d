//! Why a server cannot start, or ends badly.

use std::io;
use std::net::SocketAddr;

/// Why a server cannot start, or ends badly.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address is not loopback, and clients are not asked who they are.
    #[error(
        "refusing to serve unauthenticated clients on {0}: bind to loopback, set an authenticator, \
         or call `allow_unauthenticated_public`"
    )]
    Public(SocketAddr),
    /// Calls still ran when the grace was over.
    #[error("{remaining} calls still ran when the grace was over")]
    Unfinished {
        /// How many.
        remaining: usize,
    },
    /// Nothing can listen on the address; another process does, most likely.
    #[error("cannot listen on {}: {source}", listed(.addresses))]
    Bind {
        /// What was tried.
        addresses: Vec<SocketAddr>,
        /// What the operating system says of the last of them.
        source: io::Error,
    },
    /// The transport failed.
    #[error("the transport failed: {0}")]
    Io(#[from] io::Error),
}

fn listed(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

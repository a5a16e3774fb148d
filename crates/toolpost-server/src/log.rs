//! What the server says of itself where the host listens: nothing without the feature `tracing`.

use std::net::SocketAddr;

/// It takes connections from now on.
pub(crate) fn serves(address: SocketAddr, path: &str) {
    #[cfg(feature = "tracing")]
    tracing::info!(%address, path, "serving MCP over HTTP");
    let _ = (address, path);
}

/// It takes none any more.
pub(crate) fn stops(address: SocketAddr, calls: usize) {
    #[cfg(feature = "tracing")]
    tracing::info!(%address, calls, "stopping; calls that run may finish");
    let _ = (address, calls);
}

/// The store of events did not do what it was asked: a stream cannot be resumed.
#[cold]
pub(crate) fn store_failed(why: &str) {
    #[cfg(feature = "tracing")]
    tracing::warn!(why, "the store of events failed");
    let _ = why;
}

/// A request or a connection is turned away, for a reason that is its client's, or the host's settings'.
#[cold]
pub(crate) fn turned_away(why: &str) {
    #[cfg(feature = "tracing")]
    tracing::debug!(why, "turned away");
    let _ = why;
}

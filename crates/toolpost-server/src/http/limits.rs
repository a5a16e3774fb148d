//! What HTTP clients may cost.

use std::time::Duration;

/// Bounds on what HTTP clients may cost.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct HttpLimits {
    /// Connections at once. Default: 1,024.
    pub connections: usize,
    /// Connections at once from one address that is not loopback. Default: 64.
    pub connections_per_address: usize,
    /// HTTP/2 streams at once on one connection. Default: 100.
    pub streams: u32,
    /// Bytes of one request's headers. Default: 16 KiB.
    pub header_bytes: usize,
    /// The longest a client may take to send the headers of a request, and to stay connected without
    /// sending one. Default: 30 s.
    pub header_timeout: Duration,
    /// The longest a client may take to send a body; every KiB that has arrived adds a second.
    /// Default: 30 s.
    pub body_timeout: Duration,
    /// The longest a client may take to read anything of what is sent to it. Default: 30 s.
    pub write_timeout: Duration,
    /// How often a silent event stream says that it is alive. Default: 15 s.
    pub keep_alive: Duration,
    /// Legacy sessions at once. Default: 1,000.
    pub sessions: usize,
    /// How long a legacy session may be idle before it is forgotten. Default: 5 min.
    pub session_idle: Duration,
    /// Legacy calls at once that outlive the connection they came on. Default: 256.
    pub detached_calls: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections: 1_024,
            connections_per_address: 64,
            streams: 100,
            header_bytes: 16 << 10,
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(15),
            sessions: 1_000,
            session_idle: Duration::from_secs(300),
            detached_calls: 256,
        }
    }
}

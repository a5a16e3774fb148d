//! What the client of a stream may cost.

/// Bounds on what the client of a stream of lines may cost.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct StdioLimits {
    /// Requests that run at once. Default: 256.
    pub in_flight: usize,
    /// Requests that wait for others to end; when there are more, nothing more is read. Default: 256.
    pub waiting: usize,
    /// Bytes of unread replies above which no further request is started. Default: 1 MiB.
    pub unread: usize,
}

impl Default for StdioLimits {
    fn default() -> Self {
        Self { in_flight: 256, waiting: 256, unread: 1 << 20 }
    }
}

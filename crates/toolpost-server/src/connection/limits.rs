//! What the client of one connection may cost.

use std::time::Duration;

/// Bounds on what the client of one connection may cost: a stream of lines, or a
/// [`Connection`](crate::Connection) under a transport of your own.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ConnectionLimits {
    /// Requests that run at once. Default: 256.
    pub in_flight: usize,
    /// Requests that wait for others to end; when there are as many, nothing more is read. Default: 256.
    pub waiting: usize,
    /// Bytes of unread replies, errors included, from which on nothing more is read or started. Default: 1 MiB.
    pub unread: usize,
    /// Bytes of the requests that wait or run, from which on nothing more is read; and, counted apart, bytes of
    /// unread replies from which on no call goes on. Either is exceeded by one message at most. Default: 32 MiB.
    pub bytes: usize,
    /// Of a stream of lines: how long a client whose calls do not go on for that may read nothing; then its stream
    /// fails. Default: 30 s.
    pub write_timeout: Duration,
    /// Of a stream of lines: how long what runs when the input ends may go on, and how long a client may read nothing
    /// from then on.
    /// Default: 1.5 s, since the official clients wait for 2 s before they send SIGTERM.
    pub grace: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            in_flight: 256,
            waiting: 256,
            unread: 1 << 20,
            bytes: 32 << 20,
            write_timeout: Duration::from_secs(30),
            grace: Duration::from_millis(1_500),
        }
    }
}

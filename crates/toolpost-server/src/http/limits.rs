//! What HTTP clients may cost.

use std::time::Duration;

/// Bounds on what HTTP clients may cost: connections, bytes, times, sessions.
///
/// An address is one IPv4 address, or one /64 of IPv6. Whoever comes from 127.0.0.1 or ::1 may be a proxy for many,
/// and has no address in this sense: what is said of one address binds nobody there. The other addresses of
/// 127.0.0.0/8 count as any address does.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct HttpLimits {
    /// Connections at once. When so many are open, the one that has been idle for longest gives way, of the
    /// address that has the most; if a request runs on each of them, the newcomer is answered with 503. A
    /// sixteenth of the places is kept for addresses with fewer than four connections. Default: 1,024.
    pub connections: usize,
    /// Connections at once from one address. Behind a proxy on another machine all clients have one address:
    /// set it to [`connections`](Self::connections) there. Default: 256.
    pub connections_per_address: usize,
    /// HTTP/2 streams at once on one connection. Default: 100.
    pub streams: u32,
    /// Bytes of one request's headers. Default: 16 KiB.
    pub header_bytes: usize,
    /// The longest a client may take to send the headers of a request once it has begun, and to send
    /// anything after it has connected. Default: 30 s.
    pub header_timeout: Duration,
    /// The longest that [`Authenticate`](crate::Authenticate) may take; then the request is answered with 503.
    /// Default: 10 s.
    pub authenticate_timeout: Duration,
    /// The longest a connection may stay open between two requests. Load balancers keep theirs for 60 s, and
    /// must be the first to close. Default: 75 s.
    pub idle_timeout: Duration,
    /// The longest a client may take to send a body; every KiB that has arrived adds a second.
    /// Default: 30 s.
    pub body_timeout: Duration,
    /// The longest a client may take to send a body, however much of it has arrived. Default: 2 min.
    pub body_deadline: Duration,
    /// Bytes of requests that are being received or answered, and of answers that are not sent yet, of all
    /// clients together. What is beyond is answered with 503. Half of it is for connections that keep at most
    /// 64 KiB each, so that a few large ones leave room for the others. A body or an answer of less than 16 KiB is not
    /// counted over HTTP/1 if it needs no waiting. Default: 128 MiB.
    pub buffered_bytes: usize,
    /// The same for one connection. A single message may always have as many bytes as messages may have. A
    /// proxy that carries many clients over one HTTP/2 connection needs more. Default: 8 MiB.
    pub buffered_bytes_per_connection: usize,
    /// The longest a client may take to read anything of what is sent to it, or of one HTTP/2 answer.
    /// Default: 30 s.
    pub write_timeout: Duration,
    /// How long a call is silent before its answer becomes an event stream, for clients that name
    /// `text/event-stream` in `Accept`; and how often a silent event stream says that it is alive. At least
    /// 1 s: less counts as that. In a session of 2025-11-25, whose streams can be
    /// [resumed](crate::ServerBuilder::event_store), a call becomes a stream after 1 s. Default: 15 s.
    pub keep_alive: Duration,
    /// Legacy sessions that something is remembered of: a log level, subscriptions, an open stream of changes. Others cost
    /// nothing, and there may be any number. When there are so many, one that is not in use ends: of whoever
    /// holds the most, the one that has been idle for longest. If all are in use, what would have to be remembered is
    /// refused with 503. Default: 1,000.
    pub sessions: usize,
    /// The same of one principal; of one address where nobody says who calls. Default: 100.
    pub sessions_per_principal: usize,
    /// How long a legacy session that something is remembered of may be idle before it ends: without a request
    /// running, and without an open stream. Default: 30 min.
    pub session_idle: Duration,
    /// How long a legacy session may last, however much it is used. Its id is good for so long on every server with the
    /// same [state key](crate::ServerBuilder::state_key). It ends before when the key has been
    /// rotated twice; a stream that is open goes on. Default: 30 days.
    pub session_lifetime: Duration,
    /// Whether requests of the legacy era are served that name no session, and were never preceded by `initialize`: with
    /// the revision that their header says, or 2025-03-26, and without anything that needs a session. Default: no.
    pub sessionless: bool,
    /// Legacy calls at once that outlive the connection they came on, also while their streams are resumed. One more is
    /// dropped. Default: 256.
    pub detached_calls: usize,
    /// The same of one principal; of one address where nobody says who calls, except from this machine. Default: 64.
    pub detached_calls_per_principal: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections: 1_024,
            connections_per_address: 256,
            streams: 100,
            header_bytes: 16 << 10,
            header_timeout: Duration::from_secs(30),
            authenticate_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(30),
            body_deadline: Duration::from_secs(120),
            buffered_bytes: 128 << 20,
            buffered_bytes_per_connection: 8 << 20,
            write_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(15),
            sessions: 1_000,
            sessions_per_principal: 100,
            session_idle: Duration::from_secs(30 * 60),
            session_lifetime: Duration::from_secs(30 * 86_400),
            sessionless: false,
            detached_calls: 256,
            detached_calls_per_principal: 64,
        }
    }
}

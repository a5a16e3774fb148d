//! Where a call's progress and log lines go.

use std::fmt;

/// Severity of a log line, from RFC 5424, least severe first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum LogLevel {
    /// Detail for debugging.
    Debug,
    /// An ordinary event.
    Info,
    /// Ordinary, and worth a look.
    Notice,
    /// Something may go wrong.
    Warning,
    /// Something went wrong.
    Error,
    /// A part is unusable.
    Critical,
    /// Someone must act at once.
    Alert,
    /// The whole is unusable.
    Emergency,
}

impl LogLevel {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Alert => "alert",
            Self::Emergency => "emergency",
        }
    }

    /// The level with that name on the wire.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        use LogLevel::*;
        [Debug, Info, Notice, Warning, Error, Critical, Alert, Emergency]
            .into_iter()
            .find(|level| level.as_str() == name)
    }
}

/// Receives what a running call says before it ends. The server implements it; a tool speaks
/// through [`Call::progress`](crate::Call::progress) and [`Call::log`](crate::Call::log).
///
/// Both methods return at once and never block: a receiver that cannot keep up drops or coalesces.
pub trait Sink: Send + Sync {
    /// The call has done `done` of `total`. Values that do not increase are dropped by the receiver.
    fn progress(&self, done: f64, total: Option<f64>, message: Option<&str>);

    /// One log line; `data` is encoded JSON.
    fn log(&self, level: LogLevel, logger: Option<&str>, data: &str);

    /// The least severe level the client asked for; `None` if it asked for no log at all.
    fn log_level(&self) -> Option<LogLevel>;
}

impl fmt::Debug for dyn Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink")
    }
}

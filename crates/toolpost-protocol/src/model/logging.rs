//! Log messages from a server to its client. Deprecated in 2026-07-28.

/// How grave a log message is (RFC 5424).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum LoggingLevel {
    /// Details for debugging.
    Debug,
    /// What normally happens.
    Info,
    /// Normal, but worth noting.
    Notice,
    /// Something may be wrong.
    Warning,
    /// Something is wrong.
    Error,
    /// A part has failed.
    Critical,
    /// Someone must act at once.
    Alert,
    /// Nothing works.
    Emergency,
    /// A level that no revision names.
    Other(String),
}

names! { LoggingLevel {
    Debug = "debug",
    Info = "info",
    Notice = "notice",
    Warning = "warning",
    Error = "error",
    Critical = "critical",
    Alert = "alert",
    Emergency = "emergency",
} }

//! Log messages from a server to its client. Deprecated in 2026-07-28.

use super::{Meta, Object, RawJson, RequestMeta};

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

/// The params of `notifications/message`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggingMessageNotificationParams {
    /// What the notification says about itself.
    pub meta: Option<Meta>,
    /// How grave it is.
    pub level: LoggingLevel,
    /// Who logs.
    pub logger: Option<String>,
    /// The message: any JSON value.
    pub data: RawJson,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { LoggingMessageNotificationParams {
    meta: optional "_meta",
    level: required "level",
    logger: optional "logger",
    data: required "data",
} }

impl LoggingMessageNotificationParams {
    /// Logs `data` at `level`.
    #[must_use]
    pub fn new(level: LoggingLevel, data: impl Into<RawJson>) -> Self {
        Self { meta: None, level, logger: None, data: data.into(), extra: Object::new() }
    }
}

/// The params of `logging/setLevel`. 2025-11-25 only.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetLevelRequestParams {
    /// What the request says about itself.
    pub meta: Option<Box<RequestMeta>>,
    /// The least grave level to send.
    pub level: LoggingLevel,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { SetLevelRequestParams { meta: optional "_meta", level: required "level" } }

impl SetLevelRequestParams {
    /// Asks for messages from this level up.
    #[must_use]
    pub fn new(level: LoggingLevel) -> Self {
        Self { meta: None, level, extra: Object::new() }
    }
}

//! A redactor around a tool of any kind.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use toolpost_tool::{AnyTool, Call, ErrorKind, LogLevel, Output, Sink, Tool, ToolError, ToolSpec};

use super::Redactor;

impl Redactor {
    /// A layer that keeps secrets out of what a tool says beside its results: errors, progress and log lines, and so what
    /// an audit or a trace is told of them. The cause of an error is dropped, as nobody knows what it says.
    ///
    /// It is for the layers of a runtime, `builder.layer(Position::AroundAttempt, redactor.layer())`, and costs a call
    /// whose client listens one context of its own.
    pub fn layer(&self) -> impl Fn(AnyTool) -> AnyTool + Send + Sync + 'static {
        let redactor = self.clone();
        move |tool| AnyTool::new(Redacted { tool, redactor: redactor.clone() })
    }

    /// The error without secrets, and without its cause.
    pub(crate) fn redact_error(&self, error: &ToolError) -> ToolError {
        match error.kind() {
            // Made for clients to act on: a question, or an answer of the protocol.
            ErrorKind::InputRequired | ErrorKind::Protocol => error.clone(),
            kind => {
                let redacted = ToolError::with_kind(kind, self.redact(&error.to_string()).into_owned());
                match error.retry_after() {
                    Some(wait) => redacted.with_retry_after(wait),
                    None => redacted,
                }
            }
        }
    }

    /// Encoded JSON without secrets: JSON still. A number may have been one; then all of it is a string.
    pub(crate) fn redact_json<'a>(&self, json: &'a str) -> Cow<'a, str> {
        match self.redact(json) {
            Cow::Borrowed(same) => Cow::Borrowed(same),
            Cow::Owned(changed) => as_json(changed).into(),
        }
    }
}

/// The text, if it is JSON; else as a string.
pub(crate) fn as_json(text: String) -> String {
    match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
        Ok(_) => text,
        Err(_) => serde_json::Value::String(text).to_string(),
    }
}

struct Redacted {
    tool: AnyTool,
    redactor: Redactor,
}

impl Tool for Redacted {
    fn spec(&self) -> &ToolSpec {
        self.tool.spec()
    }

    async fn call(&self, call: Call) -> Result<Output, ToolError> {
        let redactor = self.redactor.clone();
        let call = call.map_sink(|sink| Arc::new(RedactedSink { sink, redactor }));
        match self.tool.call(call).await {
            Ok(output) => Ok(match output.as_text() {
                Some(text) if output.is_error() => {
                    Output::text(self.redactor.redact(text).into_owned()).into_error()
                }
                _ => output,
            }),
            Err(error) => Err(self.redactor.redact_error(&error)),
        }
    }
}

struct RedactedSink {
    sink: Arc<dyn Sink>,
    redactor: Redactor,
}

impl Sink for RedactedSink {
    fn progress(&self, done: f64, total: Option<f64>, message: Option<&str>) {
        let message = message.map(|message| self.redactor.redact(message));
        self.sink.progress(done, total, message.as_deref());
    }

    fn log(&self, level: LogLevel, logger: Option<&str>, data: &str) {
        self.sink.log(level, logger, &self.redactor.redact_json(data));
    }

    fn log_level(&self) -> Option<LogLevel> {
        self.sink.log_level()
    }
}

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redacted").field("tool", self.tool.spec()).finish_non_exhaustive()
    }
}

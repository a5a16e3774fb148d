//! A redactor around a tool of any kind.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde_json::value::RawValue;
use toolpost_tool::{AnyTool, Call, ErrorKind, LogLevel, Output, Sink, Tool, ToolError, ToolSpec};

use super::Redactor;

impl Redactor {
    /// A layer that keeps secrets out of what a tool says: errors, progress and log lines, and so what an audit or a trace
    /// is told of them; and known values out of results, but for content blocks other than one text. The cause of an
    /// error is dropped, as nobody knows what it says.
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

    /// The result without known values; one that reports a failure is redacted as an error is.
    fn redact_output(&self, output: Output) -> Result<Output, ToolError> {
        let redact = |text: &str| match output.is_error() {
            true => changed(self.redact(text)),
            false => changed(self.redact_values(text)),
        };
        let (text, structured) = (output.as_text(), output.structured());
        let (new_text, new_structured) = (text.and_then(redact), structured.and_then(redact));
        if new_text.is_none() && new_structured.is_none() {
            return Ok(output);
        }
        let raw = new_structured.map(as_json).or_else(|| structured.map(str::to_owned));
        let raw = raw.map(RawValue::from_string).transpose()?;
        let redacted = match (new_text.or_else(|| text.map(str::to_owned)), raw) {
            (Some(text), Some(raw)) if structured != output.as_text() => {
                Output::text(text).with_structured(&raw)?
            }
            (_, Some(raw)) => Output::json(&raw)?,
            (Some(text), None) => Output::text(text),
            (None, None) => return Ok(output),
        };
        Ok(if output.is_error() { redacted.into_error() } else { redacted })
    }

    /// Encoded JSON without secrets: JSON still. A number may have been one; then all of it is a string.
    pub(crate) fn redact_json<'a>(&self, json: &'a str) -> Cow<'a, str> {
        match self.redact(json) {
            Cow::Borrowed(same) => Cow::Borrowed(same),
            Cow::Owned(changed) => as_json(changed).into(),
        }
    }
}

fn changed(text: Cow<'_, str>) -> Option<String> {
    match text {
        Cow::Borrowed(_) => None,
        Cow::Owned(text) => Some(text),
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
            Ok(output) => self.redactor.redact_output(output),
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

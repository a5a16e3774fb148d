//! The lines that go to a worker, and those that come from it.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use toolpost_json::{Frame, Node, write};
use toolpost_tool::{Call, ErrorKind, LogLevel, Output, ToolAnnotations, ToolError, ToolSpec};

/// The first line to a worker: the version of the protocol that it is asked for.
pub(super) const HELLO: &str = "{\"toolpost\":1}\n";

/// The line that asks for a call.
pub(super) fn request(id: u64, tool: &str, call: &Call, left: Option<std::time::Duration>) -> Vec<u8> {
    let arguments = call.arguments().raw();
    let mut line = Vec::with_capacity(arguments.len() + tool.len() + 80);
    line.extend_from_slice(format!("{{\"id\":{id},\"call\":").as_bytes());
    write::string(&mut line, tool);
    line.extend_from_slice(b",\"arguments\":");
    // An end of line stands between tokens, or it would be escaped.
    line.extend(arguments.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
    if let Some(left) = left {
        line.extend_from_slice(format!(",\"deadlineMs\":{}", left.as_millis()).as_bytes());
    }
    line.extend_from_slice(b"}\n");
    line
}

/// The line that cancels a call.
pub(super) fn cancel(id: u64) -> Vec<u8> {
    format!("{{\"cancel\":{id}}}\n").into_bytes()
}

/// What a worker says about itself when it has started.
#[derive(Debug)]
pub(crate) struct Told(Frame);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToldTool {
    name: String,
    title: Option<String>,
    #[serde(default)]
    description: String,
    input_schema: Option<Value>,
    output_schema: Option<Value>,
    annotations: Option<ToolAnnotations>,
    #[serde(default)]
    repeatable: bool,
}

impl Told {
    /// Reads the first line of a worker.
    pub(super) fn read(frame: Frame) -> Result<Self, String> {
        match frame.root().member("toolpost").map(|version| version.decode::<u64>()) {
            Some(Ok(1)) => {}
            Some(Ok(version)) => return Err(format!("it speaks version {version} of the protocol, not 1")),
            _ => return Err("its first line is not `{\"toolpost\": 1, \"tools\": [..]}`".to_owned()),
        }
        let told = Self(frame);
        told.specs().map_err(|error| error.to_string())?;
        Ok(told)
    }

    /// The tools that it has.
    pub(crate) fn specs(&self) -> Result<Vec<ToolSpec>, ToolError> {
        let tools = self.0.root().member("tools");
        let tools: Vec<ToldTool> = match tools {
            Some(tools) => tools.decode().map_err(|error| ToolError::new(format!("its tools: {error}")))?,
            None => Vec::new(),
        };
        tools.into_iter().map(ToldTool::spec).collect()
    }

    /// Whether another worker of the same program may stand beside the one that told this.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let tools = |told: &Self| told.0.root().member("tools").map(|tools| tools.raw().to_owned());
        tools(self) == tools(other)
    }
}

impl ToldTool {
    fn spec(self) -> Result<ToolSpec, ToolError> {
        let mut spec = ToolSpec::new(self.name)?.with_description(self.description);
        if let Some(title) = self.title {
            spec = spec.with_title(title);
        }
        if let Some(schema) = self.input_schema {
            spec = spec.with_input_schema(schema);
        }
        if let Some(schema) = self.output_schema {
            spec = spec.with_output_schema(schema);
        }
        if let Some(annotations) = self.annotations {
            spec = spec.with_annotations(annotations);
        }
        Ok(if self.repeatable { spec.repeatable() } else { spec })
    }
}

/// What a worker says about a call.
#[derive(Debug)]
pub(super) enum Said {
    Ended(Result<Output, ToolError>),
    Progress { done: f64, total: Option<f64>, message: Option<String> },
    Log { level: LogLevel, data: Box<RawValue> },
}

/// Reads a line: which call it is about, and what it says.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn read(frame: &Frame) -> Result<(u64, Said), String> {
    let line = frame.root();
    let id = line.member("id").ok_or("it has no `id`")?;
    let id = id.decode::<u64>().map_err(|error| format!("its `id`: {error}"))?;
    let said = if let Some(result) = line.member("result") {
        Said::Ended(output(result))
    } else if let Some(error) = line.member("error") {
        Said::Ended(Err(tool_error(error)))
    } else if let Some(progress) = line.member("progress") {
        let Progress { done, total, message } = decoded(progress)?;
        Said::Progress { done, total, message }
    } else if let Some(log) = line.member("log") {
        let level = log.member("level").and_then(|level| LogLevel::parse(&level.as_str()?));
        let data = log.member("data").map_or("null", |data| data.raw());
        let data = RawValue::from_string(data.to_owned()).map_err(|error| error.to_string())?;
        Said::Log { level: level.unwrap_or(LogLevel::Info), data }
    } else {
        return Err("it has none of `result`, `error`, `progress` and `log`".to_owned());
    };
    Ok((id, said))
}

#[derive(Deserialize)]
struct Progress {
    done: f64,
    total: Option<f64>,
    message: Option<String>,
}

fn decoded<'a, T: Deserialize<'a>>(node: Node<'a>) -> Result<T, String> {
    node.decode().map_err(|error| error.to_string())
}

/// Text is text, anything else is structured.
fn output(result: Node<'_>) -> Result<Output, ToolError> {
    match result.to_byte_string() {
        Some(text) => Ok(Output::text(text)),
        None => Output::json(&RawValue::from_string(result.raw().to_owned())?),
    }
}

fn tool_error(error: Node<'_>) -> ToolError {
    let text = |name: &str| error.member(name).and_then(|text| Some(text.as_str()?.into_owned()));
    let message = text("message").or_else(|| Some(error.as_str()?.into_owned()));
    let kind = match text("kind").as_deref() {
        Some("invalid_arguments") => ErrorKind::InvalidArguments,
        Some("unavailable") => ErrorKind::Unavailable,
        Some("timed_out") => ErrorKind::TimedOut,
        Some("cancelled") => ErrorKind::Cancelled,
        _ => ErrorKind::Failed,
    };
    ToolError::with_kind(
        kind,
        message.unwrap_or_else(|| "the worker says no more than that it failed".to_owned()),
    )
}

//! What a program writes, read within its limit, and the result that it makes.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use toolpost_json::{Frame, Violation};
use toolpost_tool::{Call, Output, ToolError};

use crate::{Lines, ProcessError, Redactor};

/// How long the pipe of a process that has ended is read on, if others hold it open.
pub(super) const REST: Duration = Duration::from_millis(250);

/// How much is read at once.
const READ: usize = 64 << 10;

/// What progress shows of a line, in bytes.
const SHOWN: usize = 200;

/// What a program writes on stdout.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum CommandOutput {
    /// Text; what is no UTF-8 is replaced by `U+FFFD`.
    #[default]
    Text,
    /// One JSON document: structured content.
    Json,
    /// A JSON document a line: structured content, an array of them. Each line is also progress as it comes.
    JsonLines,
}

/// What was read.
pub(super) struct Answer<'a> {
    form: CommandOutput,
    limit: usize,
    program: &'a str,
    /// Text, or the members of an array.
    said: Vec<u8>,
    /// All bytes that came.
    seen: usize,
    lines: u64,
    /// The first line that is no JSON, and why.
    wrong: Option<(u64, Violation)>,
}

impl<'a> Answer<'a> {
    pub(super) const fn new(form: CommandOutput, limit: usize, program: &'a str) -> Self {
        Self { form, limit, program, said: Vec::new(), seen: 0, lines: 0, wrong: None }
    }

    /// Reads to the end, and no more than the limit.
    pub(super) async fn read(
        &mut self,
        stdout: Option<pipe::Receiver>,
        call: &Call,
        redactor: &Redactor,
    ) -> Result<(), ToolError> {
        let Some(stdout) = stdout else { return Ok(()) };
        match self.form {
            CommandOutput::JsonLines => self.read_lines(stdout, call, redactor).await,
            CommandOutput::Text | CommandOutput::Json => self.read_whole(stdout).await,
        }
    }

    async fn read_whole(&mut self, mut stdout: pipe::Receiver) -> Result<(), ToolError> {
        loop {
            // One byte more than there may be tells that there are more.
            let most = self.limit.saturating_add(1) - self.said.len();
            if self.said.capacity() - self.said.len() < READ.min(most) {
                self.said.reserve_exact(self.said.len().max(READ).min(most));
            }
            let came = (&mut stdout).take(READ.min(most) as u64).read_buf(&mut self.said).await?;
            self.seen += came;
            if self.limit < self.seen {
                return Err(self.too_much());
            }
            if came == 0 {
                return Ok(());
            }
        }
    }

    async fn read_lines(
        &mut self,
        stdout: pipe::Receiver,
        call: &Call,
        redactor: &Redactor,
    ) -> Result<(), ToolError> {
        let mut lines = Lines::new(stdout, self.limit);
        loop {
            let line = match lines.next().await {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(()),
                Err(ProcessError::LongLine { seen, .. }) => {
                    self.seen += seen;
                    return Err(self.too_much());
                }
                Err(error) => return Err(error.into_tool_error()),
            };
            self.seen += line.len() + 1;
            // The end of the last line is not counted.
            if self.limit < self.seen - 1 {
                return Err(self.too_much());
            }
            if !line.iter().all(u8::is_ascii_whitespace) {
                self.lines += 1;
                self.take_line(line, call, redactor);
            }
        }
    }

    fn take_line(&mut self, line: Bytes, call: &Call, redactor: &Redactor) {
        match frame(line, self.limit) {
            Ok(frame) => {
                if call.is_observed() {
                    let shown = redactor.redact(frame.text());
                    call.progress(self.lines as f64, None, Some(head(&shown, SHOWN)));
                }
                if !self.said.is_empty() {
                    self.said.push(b',');
                }
                compact(frame.text(), &mut self.said);
            }
            Err(violation) => {
                let at = self.lines;
                self.wrong.get_or_insert((at, violation));
            }
        }
    }

    /// The result; or what is wrong with what was said.
    pub(super) fn into_output(self, redactor: &Redactor) -> Result<Output, String> {
        let program = self.program;
        match self.form {
            CommandOutput::Text => {
                let text = match String::from_utf8(self.said) {
                    Ok(text) => text,
                    Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
                };
                Ok(Output::text(without_values(text, redactor)))
            }
            CommandOutput::Json if self.said.iter().all(u8::is_ascii_whitespace) => {
                Err(format!("`{program}` wrote nothing, and one JSON document was expected"))
            }
            CommandOutput::Json => {
                let frame = frame(self.said.into(), self.limit)
                    .map_err(|fault| format!("what `{program}` wrote is no JSON document: {fault}"))?;
                let mut text = Vec::with_capacity(frame.text().len());
                compact(frame.text(), &mut text);
                structured(text, redactor)
            }
            CommandOutput::JsonLines => {
                if let Some((line, fault)) = self.wrong {
                    return Err(format!(
                        "line {line} of what `{program}` wrote is no JSON document: {fault}"
                    ));
                }
                let mut text = Vec::with_capacity(self.said.len() + 2);
                text.push(b'[');
                text.extend_from_slice(&self.said);
                text.push(b']');
                structured(text, redactor)
            }
        }
    }

    /// The last lines of what was said, without a value that is cut through where they begin.
    pub(super) fn last_lines(&self, redactor: &Redactor) -> Vec<String> {
        let from = self.said.len().saturating_sub(4 << 10);
        let tail = String::from_utf8_lossy(&self.said[from..]);
        let tail =
            if from == 0 { tail } else { redactor.redact_values_cut_before(&tail).into_owned().into() };
        tail.lines().map(str::to_owned).collect()
    }

    fn too_much(&self) -> ToolError {
        let Self { program, limit, seen, .. } = self;
        ToolError::new(format!(
            "`{program}` wrote more than its limit of {limit} bytes and was stopped after {seen}; ask it for less, or have \
             its `output-limit` raised"
        ))
    }
}

fn frame(bytes: Bytes, limit: usize) -> Result<Frame, Violation> {
    Frame::parse(bytes, &toolpost_json::Limits::new().bytes(limit.saturating_add(1)))
}

/// Encoded JSON as structured content, without the values of secrets.
fn structured(json: Vec<u8>, redactor: &Redactor) -> Result<Output, String> {
    let text = String::from_utf8(json).map_err(|error| error.to_string())?;
    let text = match redactor.redact_values(&text) {
        // A number may have been one; then all of it is a string.
        Cow::Owned(redacted) => crate::redact::as_json(redacted),
        Cow::Borrowed(_) => text,
    };
    let raw = RawValue::from_string(text).map_err(|error| error.to_string())?;
    Output::json(&raw).map_err(|error| error.to_string())
}

fn without_values(text: String, redactor: &Redactor) -> String {
    match redactor.redact_values(&text) {
        Cow::Owned(redacted) => redacted,
        Cow::Borrowed(_) => text,
    }
}

/// Appends valid JSON without the space around its values: a result stands in one line.
fn compact(json: &str, out: &mut Vec<u8>) {
    let bytes = json.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let from = at;
        match bytes[at] {
            b' ' | b'\t' | b'\n' | b'\r' => {
                at += 1;
                continue;
            }
            b'"' => {
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at = (at + 1).min(bytes.len());
            }
            _ => at += 1,
        }
        out.extend_from_slice(&bytes[from..at]);
    }
}

/// The longest head of `text` of at most `max` bytes.
fn head(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_goes_and_strings_stay() {
        let mut out = Vec::new();
        compact("{ \"a b\" : [ 1 ,\n\"\\\" \\\\\" , null ]\t}\r\n", &mut out);
        assert_eq!(String::from_utf8_lossy(&out), r#"{"a b":[1,"\" \\",null]}"#);
    }
}

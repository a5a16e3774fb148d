//! A tool that answers by a script, call by call.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use toolpost_tool::{Call, Output, Tool, ToolError, ToolSpec};

/// A tool that answers by a script: its first call by the first line, and so on; when the script
/// is at its end, by the last line for ever.
///
/// ```
/// use std::time::Duration;
/// use toolpost_test::{Script, assert_text, run};
/// use toolpost_tool::{Call, Tool, ToolError};
///
/// let flaky = Script::new("flaky")
///     .fails(ToolError::unavailable("try again"))
///     .after(Duration::from_secs(2))
///     .answers("there");
/// run(async {
///     let call = || Call::new(&serde_json::json!({})).unwrap();
///     assert!(flaky.call(call()).await.is_err());
///     assert_text(&flaky.call(call()).await, "there");
///     assert_text(&flaky.call(call()).await, "there");
/// });
/// assert_eq!(flaky.calls(), 3);
/// ```
#[derive(Clone)]
pub struct Script {
    spec: ToolSpec,
    lines: Vec<Line>,
    latency: Duration,
    /// Clones count together.
    calls: Arc<AtomicUsize>,
}

#[derive(Clone, Debug)]
struct Line {
    latency: Duration,
    ending: Ending,
}

#[derive(Clone, Debug)]
enum Ending {
    Answer(Output),
    Fail(ToolError),
    Hang,
    Panic,
}

impl Script {
    /// A tool called `name` with an empty script: until it has lines, it fails.
    ///
    /// # Panics
    ///
    /// If `name` is not a tool name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        #[expect(clippy::expect_used, reason = "documented; the name is a literal of the test")]
        let spec = ToolSpec::new(name).expect("a tool name");
        Self { spec, lines: Vec::new(), latency: Duration::ZERO, calls: Arc::default() }
    }

    /// Changes the description, for what a layer or a runtime reads from it.
    #[must_use]
    pub fn with_spec(mut self, change: impl FnOnce(ToolSpec) -> ToolSpec) -> Self {
        self.spec = change(self.spec);
        self
    }

    /// The lines from here on take this long, on tokio's clock.
    #[must_use]
    pub const fn after(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Adds a line: the call answers with this text.
    #[must_use]
    pub fn answers(self, text: &str) -> Self {
        self.outputs(Output::text(text.to_owned()))
    }

    /// Adds a line: the call answers with this result.
    #[must_use]
    pub fn outputs(self, output: Output) -> Self {
        self.line(Ending::Answer(output))
    }

    /// Adds a line: the call fails.
    #[must_use]
    pub fn fails(self, error: ToolError) -> Self {
        self.line(Ending::Fail(error))
    }

    /// Adds a line: the call never ends.
    #[must_use]
    pub fn hangs(self) -> Self {
        self.line(Ending::Hang)
    }

    /// Adds a line: the call panics.
    #[must_use]
    pub fn panics(self) -> Self {
        self.line(Ending::Panic)
    }

    /// Repeats the last line so that it is there `times` in all.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        if let Some(last) = self.lines.last().cloned() {
            self.lines.extend(std::iter::repeat_n(last, times.saturating_sub(1)));
        }
        self
    }

    /// How often the tool was called, its clones included.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn line(mut self, ending: Ending) -> Self {
        self.lines.push(Line { latency: self.latency, ending });
        self
    }
}

impl Tool for Script {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, _call: Call) -> Result<Output, ToolError> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let Some(line) = self.lines.get(number).or(self.lines.last()) else {
            return Err(ToolError::new("the script of this tool is empty"));
        };
        if !line.latency.is_zero() {
            #[expect(clippy::disallowed_methods, reason = "scripted latency, on tokio's clock")]
            tokio::time::sleep(line.latency).await;
        }
        match &line.ending {
            Ending::Answer(output) => Ok(output.clone()),
            Ending::Fail(error) => Err(error.clone()),
            Ending::Hang => std::future::pending().await,
            #[expect(clippy::panic, reason = "scripted")]
            Ending::Panic => panic!("scripted panic"),
        }
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script")
            .field("name", &self.spec.name())
            .field("lines", &self.lines)
            .finish_non_exhaustive()
    }
}

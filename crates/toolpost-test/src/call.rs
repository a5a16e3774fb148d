//! Calls for tests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;
use serde_json::{Map, Value, json};
use toolpost_json::{Frame, Limits, Node};
use toolpost_protocol::meta;
use toolpost_tool::{Call, CallParts, LogLevel, Principal, Priority, Sink};

/// A call with these arguments, to be given what else it has.
///
/// Its client can be asked for everything that a client can be asked for, unless it is made
/// [`incapable`](CallBuilder::incapable).
///
/// ```
/// use serde_json::json;
/// use toolpost_test::{Recording, assert_text, call, run};
/// use toolpost_tool::{Call, NoArgs, Tool, ToolError, tool_fn};
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Confirmation {
///     sure: bool,
/// }
///
/// let scrap = tool_fn("scrap", |_: NoArgs, call: Call| async move {
///     call.step(1, 1, "asking");
///     let answer = call.elicit::<Confirmation>("sure", "Really?")?.accepted();
///     Ok(match answer {
///         Some(Confirmation { sure: true }) => format!("scrapped by {}", call.principal().as_str()),
///         _ => "kept".to_owned(),
///     })
/// });
///
/// let recording = Recording::new();
/// let sure = call(json!({})).by("ada").accepting("sure", json!({ "sure": true })).recording(&recording);
/// assert_text(&run(scrap.call(sure.build())), "scrapped by ada");
/// assert_eq!(recording.progress()[0].message.as_deref(), Some("asking"));
///
/// let unsure = call(json!({})).declining("sure").build();
/// assert_text(&run(scrap.call(unsure)), "kept");
/// ```
///
/// # Panics
///
/// If the arguments are no JSON object.
#[track_caller]
pub fn call(arguments: impl Serialize) -> CallBuilder {
    #[expect(clippy::expect_used, reason = "documented; the arguments are those of the test")]
    let mut parts = CallParts::default().with_arguments(&arguments).expect("arguments are a JSON object");
    parts.client.elicitation = true;
    parts.client.elicitation_url = true;
    parts.client.sampling = true;
    parts.client.roots = true;
    CallBuilder { parts, answers: Map::new(), state: None }
}

/// A call in the making; made by [`call`].
#[derive(Debug)]
pub struct CallBuilder {
    parts: CallParts,
    answers: Map<String, Value>,
    state: Option<String>,
}

impl CallBuilder {
    /// Made for this principal.
    #[must_use]
    pub fn by(mut self, principal: &str) -> Self {
        self.parts.principal = Principal::new(principal);
        self
    }

    /// Of the tool by this name.
    #[must_use]
    pub fn of(mut self, tool: &str) -> Self {
        self.parts.tool = tool.to_owned().into();
        self
    }

    /// With this idempotency key in its `_meta`.
    ///
    /// # Panics
    ///
    /// If the call is larger than a message may be.
    #[must_use]
    pub fn keyed(mut self, key: &str) -> Self {
        let arguments: Value = self.parts.arguments().decode().unwrap_or_default();
        let whole = json!({ "arguments": arguments, "_meta": { meta::IDEMPOTENCY_KEY: key } });
        #[expect(clippy::expect_used, reason = "documented; the call is that of the test")]
        let frame = Frame::from_serialize(&whole).expect("a message");
        self.parts.arguments = frame.root().member("arguments").map(Node::id);
        self.parts.meta = frame.root().member("_meta").map(Node::id);
        self.parts.frame = Some(frame);
        self
    }

    /// Of no more use after `deadline`.
    #[must_use]
    pub fn due_by(mut self, deadline: Instant) -> Self {
        self.parts.deadline = Some(deadline);
        self
    }

    /// As urgent as this.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.parts.priority = priority;
        self
    }

    /// With a client that cannot be asked for anything.
    #[must_use]
    pub fn incapable(mut self) -> Self {
        self.parts.client = toolpost_tool::InputCapabilities::default();
        self
    }

    /// With this answer to the question under `key`, as a client sends it.
    #[must_use]
    pub fn answering(mut self, key: &str, answer: Value) -> Self {
        self.answers.insert(key.to_owned(), answer);
        self
    }

    /// With the form under `key` filled in.
    #[must_use]
    pub fn accepting(self, key: &str, content: impl Into<Value>) -> Self {
        let content: Value = content.into();
        self.answering(key, json!({ "action": "accept", "content": content }))
    }

    /// With the form under `key` declined.
    #[must_use]
    pub fn declining(self, key: &str) -> Self {
        self.answering(key, json!({ "action": "decline" }))
    }

    /// With the state that an earlier round asked to be handed back.
    #[must_use]
    pub fn resuming(mut self, state: impl Into<Value>) -> Self {
        let state: Value = state.into();
        self.state = Some(state.to_string());
        self
    }

    /// Writes progress and log lines of every level into `recording`.
    #[must_use]
    pub fn recording(mut self, recording: &Recording) -> Self {
        self.parts.set_sink(Some(Arc::new(recording.clone())));
        self
    }

    /// The call.
    ///
    /// # Panics
    ///
    /// If the answers are larger than a message may be.
    #[must_use]
    pub fn build(mut self) -> Call {
        if !self.answers.is_empty() {
            #[expect(clippy::expect_used, reason = "documented; the answers are those of the test")]
            let answers =
                Frame::from_text(Value::Object(self.answers).to_string(), &Limits::new()).expect("answers");
            self.parts.set_answers(Some(Arc::new(answers)));
        }
        self.parts.set_state(self.state.map(Into::into));
        Call::from_parts(self.parts)
    }
}

impl From<CallBuilder> for Call {
    fn from(builder: CallBuilder) -> Self {
        builder.build()
    }
}

/// What calls said while they ran. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Recording(Arc<Mutex<Said>>);

#[derive(Debug, Default)]
struct Said {
    progress: Vec<Progress>,
    log: Vec<(LogLevel, String)>,
}

/// One report of progress.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// How much is done.
    pub done: f64,
    /// Of how much.
    pub total: Option<f64>,
    /// What was said about it.
    pub message: Option<String>,
}

impl Recording {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The progress that was reported, in order.
    #[must_use]
    pub fn progress(&self) -> Vec<Progress> {
        self.said().progress.clone()
    }

    /// The log lines, in order; each is encoded JSON.
    #[must_use]
    pub fn log(&self) -> Vec<(LogLevel, String)> {
        self.said().log.clone()
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Recording {
    fn progress(&self, done: f64, total: Option<f64>, message: Option<&str>) {
        self.said().progress.push(Progress { done, total, message: message.map(ToOwned::to_owned) });
    }

    fn log(&self, level: LogLevel, _logger: Option<&str>, data: &str) {
        self.said().log.push((level, data.to_owned()));
    }

    fn log_level(&self) -> Option<LogLevel> {
        Some(LogLevel::Debug)
    }
}

//! One call: its arguments, and everything known about it.

mod made_of;

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytestring::ByteString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use toolpost_json::{DecodeError, Frame, Node, NodeId};
use toolpost_protocol::{Code, Error, Id};

use crate::parts::{self, Rare};
use crate::{
    CallParts, Correlation, InputCapabilities, InputRequest, InputRequired, LogLevel, Principal, Priority,
    Sink, ToolError, TraceContext,
};

/// One call of a tool: owned, `'static` and cheap to clone.
///
/// The arguments are a part of the received frame and the context sits behind one counter, so a
/// layer may keep a clone for a retry, a hedge or a flight that outlives its first caller. What a
/// layer may change (deadline, priority, whether progress is reported) belongs to the clone.
///
/// ```
/// use toolpost_tool::Call;
///
/// #[derive(serde::Deserialize)]
/// struct Args {
///     path: String,
///     limit: u32,
/// }
///
/// let call = Call::new(&serde_json::json!({"path": "a", "limit": 3})).unwrap();
/// assert_eq!(call.args::<Args>().unwrap().limit, 3);
///
/// let call = Call::new(&serde_json::json!({"path": "a", "limit": "three"})).unwrap();
/// let error = call.args::<Args>().map(|a| a.path).unwrap_err();
/// assert!(error.to_string().contains("limit"), "{error}");
/// ```
#[derive(Clone)]
pub struct Call {
    shared: Arc<Shared>,
    deadline: Option<Instant>,
    priority: Priority,
    attempt: u32,
    quiet: bool,
}

/// What is the same for all clones of a call.
///
/// The order is that of [`CallParts`], what has padding comes after what has none: left to itself, the compiler copies
/// padding and neighbours as one piece that begins within a word, and waits for the words just written.
#[repr(C)]
struct Shared {
    frame: Option<Frame>,
    tool: ByteString,
    request_id: Option<Id>,
    principal: Principal,
    rare: Option<Box<Rare>>,
    arrived: Option<Instant>,
    arguments: Option<NodeId>,
    meta: Option<NodeId>,
    client: InputCapabilities,
    /// Set when somebody asks for it, or by the call that makes this one.
    correlation: OnceLock<Correlation>,
}

impl Call {
    /// A call with these arguments and nothing else: for tests, and for calling a tool as a function.
    ///
    /// # Errors
    ///
    /// If `arguments` does not encode as a JSON object within the default limits.
    pub fn new<T: Serialize + ?Sized>(arguments: &T) -> Result<Self, ToolError> {
        Ok(Self::from_parts(CallParts::default().with_arguments(arguments)?))
    }

    /// A call made of `parts`.
    #[must_use]
    #[inline]
    pub fn from_parts(parts: CallParts) -> Self {
        Self::correlated(parts, OnceLock::new())
    }

    #[inline]
    fn correlated(parts: CallParts, correlation: OnceLock<Correlation>) -> Self {
        // Part by part, so that each goes straight to where it stays.
        let CallParts {
            frame,
            arguments,
            meta,
            tool,
            request_id,
            principal,
            priority,
            deadline,
            arrived,
            client,
            rare,
        } = parts;
        let shared = Shared {
            frame,
            arguments,
            meta,
            tool,
            request_id,
            principal,
            arrived,
            client,
            correlation,
            rare,
        };
        Self { shared: Arc::new(shared), deadline, priority, attempt: 1, quiet: false }
    }

    /// Decodes the arguments.
    ///
    /// # Errors
    ///
    /// Of kind [`InvalidArguments`](crate::ErrorKind::InvalidArguments), naming the argument, what
    /// was expected and what came.
    pub fn args<T: DeserializeOwned>(&self) -> Result<T, ToolError> {
        self.arguments().decode().map_err(|error| undecoded(&error))
    }

    /// The arguments, to be looked at in place; an empty object if the caller sent none.
    #[must_use]
    pub fn arguments(&self) -> Node<'_> {
        parts::arguments(self.shared.frame.as_ref(), self.shared.arguments)
    }

    /// The `_meta` of the request.
    #[must_use]
    pub fn meta(&self) -> Option<Node<'_>> {
        Some(self.shared.frame.as_ref()?.node(self.shared.meta?))
    }

    /// The tool's name, as the caller gave it (an alias stays an alias); empty for a bare call.
    #[must_use]
    pub fn tool(&self) -> &str {
        &self.shared.tool
    }

    /// The id of the request, if the call came in one.
    #[must_use]
    pub fn request_id(&self) -> Option<&Id> {
        self.shared.request_id.as_ref()
    }

    /// What ties together all that is said about this call: the same for its clones, for the calls that it makes, and for
    /// every call of its principal under its [request id](Self::request_id). A call that came in no request draws one.
    ///
    /// Computed when it is first asked for.
    #[must_use]
    pub fn correlation(&self) -> Correlation {
        let Shared { request_id, principal, correlation, .. } = &*self.shared;
        *correlation.get_or_init(|| match request_id {
            Some(id) => Correlation::of_request(id, principal),
            None => Correlation::drawn(),
        })
    }

    /// Who the call is made for.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.shared.principal
    }

    /// What tells its caller from others where nobody identified it; see
    /// [`CallParts::set_origin`](crate::CallParts::set_origin).
    #[must_use]
    pub fn origin(&self) -> Option<std::num::NonZeroU64> {
        self.rare()?.origin
    }

    /// How urgent it is.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        self.priority
    }

    /// When its result is of no more use.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The time left at `now`: zero once the deadline has passed, `None` without one.
    #[must_use]
    pub fn remaining(&self, now: Instant) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(now))
    }

    /// When it arrived, if whoever made it read a clock.
    #[must_use]
    pub fn arrived(&self) -> Option<Instant> {
        self.shared.arrived
    }

    /// Its trace context.
    #[must_use]
    pub fn trace(&self) -> &TraceContext {
        static NONE: TraceContext = TraceContext::none();
        self.rare().map_or(&NONE, |rare| &rare.trace)
    }

    /// What its client can be asked for.
    #[must_use]
    pub fn client(&self) -> &InputCapabilities {
        &self.shared.client
    }

    /// Which attempt this is, from 1.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Whether the caller sent answers or state, so that the result belongs to this exchange alone.
    #[must_use]
    pub fn has_input_responses(&self) -> bool {
        self.rare().is_some_and(|rare| rare.answers.is_some() || rare.state.is_some())
    }

    /// The answer to one question, or the error that suspends the call until it is there.
    ///
    /// A suspended tool is not kept waiting: it ends, and runs again from the top when the answer
    /// has come. So what comes before this line must be safe to repeat. An answer that
    /// [is none](InputRequest::accepts) is asked for again; the server fails the call when the third in a row is none.
    ///
    /// # Errors
    ///
    /// [`InputRequired`](crate::ErrorKind::InputRequired) while the answer is missing; a protocol error if the
    /// client never said that it can be asked such a thing.
    pub fn input(&self, key: &str, request: InputRequest) -> Result<Node<'_>, ToolError> {
        if let Some(answer) = self.answer(key).and_then(|answer| request.answer_in(answer)) {
            return Ok(answer);
        }
        self.check_capability(&request)?;
        Err(ToolError::input_required(InputRequired::new().asking(key, request)))
    }

    /// The answers to several questions asked at once, in the order of the questions; or the error that suspends the call
    /// until all are there.
    ///
    /// ```
    /// # use toolpost_tool::{Call, InputRequest, ToolError};
    /// fn ask(call: &Call, name: InputRequest) -> Result<usize, ToolError> {
    ///     Ok(call.inputs([("roots", InputRequest::roots()), ("name", name)])?.len())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`input`](Self::input); only the missing questions are asked again.
    pub fn inputs<'a>(
        &self,
        questions: impl IntoIterator<Item = (&'a str, InputRequest)>,
    ) -> Result<Vec<Node<'_>>, ToolError> {
        let mut answers = Vec::new();
        let mut missing = InputRequired::new();
        for (key, request) in questions {
            match self.answer(key).and_then(|answer| request.answer_in(answer)) {
                Some(answer) => answers.push(answer),
                None => {
                    self.check_capability(&request)?;
                    missing = missing.asking(key, request);
                }
            }
        }
        match missing.requests().is_empty() {
            true => Ok(answers),
            false => Err(ToolError::input_required(missing)),
        }
    }

    /// The answer under `key`, if the client sent one.
    #[must_use]
    pub fn answer(&self, key: &str) -> Option<Node<'_>> {
        self.rare()?.answers.as_ref()?.root().member(key)
    }

    /// All answers the client sent, by the keys of their questions.
    #[must_use]
    pub fn answers(&self) -> Option<Node<'_>> {
        Some(self.rare()?.answers.as_ref()?.root())
    }

    /// What the transport handed to the tools that know it, if it is a `T`: another framework's
    /// context of the request, for tools written for that framework. Child calls carry it too.
    #[must_use]
    pub fn extension<T: Any>(&self) -> Option<&T> {
        self.rare()?.extension.as_deref()?.downcast_ref()
    }

    /// The state that an earlier round asked to be handed back (see [`InputRequired::with_state`]).
    ///
    /// # Errors
    ///
    /// If the state does not decode as `T`.
    pub fn state<T: DeserializeOwned>(&self) -> Result<Option<T>, ToolError> {
        match self.rare().and_then(|rare| rare.state.as_ref()) {
            Some(state) => Ok(Some(serde_json::from_str(state)?)),
            None => Ok(None),
        }
    }

    /// Reports that `done` of `total` is done, in any unit; for whole steps there is [`step`](Self::step). Free if the client did not ask for progress.
    pub fn progress(&self, done: f64, total: Option<f64>, message: Option<&str>) {
        if let Some(sink) = self.sink() {
            sink.progress(done, total, message);
        }
    }

    /// Reports that `done` of `total` steps are done, in whole numbers; an empty `message` is none. Free if the client did
    /// not ask for progress.
    ///
    /// ```
    /// # let call = toolpost_tool::Call::new(&serde_json::json!({})).unwrap();
    /// for (done, part) in (1..).zip(["chuck", "tailstock"]) {
    ///     call.step(done, 2, part);
    /// }
    /// ```
    pub fn step(&self, done: u64, total: u64, message: &str) {
        self.progress(done as f64, Some(total as f64), Some(message).filter(|message| !message.is_empty()));
    }

    /// Whether the client asked for progress or log lines.
    #[must_use]
    pub fn is_observed(&self) -> bool {
        self.sink().is_some()
    }

    /// The least severe level of log lines that the client asked for: what it is worth to ask another server for.
    #[must_use]
    pub fn log_level(&self) -> Option<LogLevel> {
        self.sink()?.log_level()
    }

    /// Sends the client a log line, if it asked for lines of that level.
    pub fn log<T: Serialize + ?Sized>(&self, level: LogLevel, data: &T) {
        let Some(sink) = self.sink() else { return };
        if sink.log_level().is_some_and(|least| least <= level)
            && let Ok(data) = serde_json::to_string(data)
        {
            sink.log(level, Some(self.tool()), &data);
        }
    }

    /// This call, due at `deadline` at the latest: the earlier of the two wins.
    #[must_use]
    pub fn due_by(mut self, deadline: Instant) -> Self {
        self.deadline = Some(self.deadline.map_or(deadline, |own| own.min(deadline)));
        self
    }

    /// This call without a deadline: for work that outlives its first caller.
    #[must_use]
    pub const fn without_deadline(mut self) -> Self {
        self.deadline = None;
        self
    }

    /// This call at another priority.
    #[must_use]
    pub const fn with_priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// This call as attempt number `attempt`.
    #[must_use]
    pub const fn with_attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// This call with nobody listening to its progress and log.
    #[must_use]
    pub const fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// This call with its progress and log lines going to what `wrap` makes of their receiver, if there is one.
    #[must_use]
    pub fn map_sink(self, wrap: impl FnOnce(Arc<dyn Sink>) -> Arc<dyn Sink>) -> Self {
        match self.sink().cloned() {
            Some(sink) => self.with_rare(|rare| rare.sink = Some(wrap(sink))),
            None => self,
        }
    }

    /// This call with `rare` changed, for one clone of it alone: at the price of a context of its own.
    pub(crate) fn with_rare(self, change: impl FnOnce(&mut Rare)) -> Self {
        let mut parts = self.to_parts();
        change(parts.rare.get_or_insert_default());
        let Self { attempt, quiet, .. } = self;
        Self { attempt, quiet, ..Self::correlated(parts, self.correlation().into()) }
    }

    fn to_parts(&self) -> CallParts {
        let shared = &self.shared;
        CallParts {
            frame: shared.frame.clone(),
            arguments: shared.arguments,
            meta: shared.meta,
            tool: shared.tool.clone(),
            request_id: shared.request_id.clone(),
            principal: shared.principal.clone(),
            priority: self.priority,
            deadline: self.deadline,
            arrived: shared.arrived,
            client: shared.client,
            rare: shared.rare.clone(),
        }
    }

    pub(crate) fn rare(&self) -> Option<&Rare> {
        self.shared.rare.as_deref()
    }

    fn sink(&self) -> Option<&Arc<dyn Sink>> {
        if self.quiet { None } else { self.rare()?.sink.as_ref() }
    }

    fn check_capability(&self, request: &InputRequest) -> Result<(), ToolError> {
        if request.fits(&self.shared.client) {
            return Ok(());
        }
        let needed = request.required_capability();
        let named = request.capability();
        let error = Error::new(
            Code::MISSING_CLIENT_CAPABILITY,
            format!("the tool needs a capability that the client did not declare: {named}"),
        );
        Err(ToolError::protocol(error.with_data(&serde_json::json!({ "requiredCapabilities": needed }))))
    }
}

/// Apart, to be there once and not for each tool.
#[cold]
#[inline(never)]
fn undecoded(error: &DecodeError) -> ToolError {
    ToolError::invalid_arguments(error.to_string())
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Arguments are left out: they may hold what must not be logged.
        f.debug_struct("Call")
            .field("tool", &self.shared.tool)
            .field("request_id", &self.shared.request_id)
            .field("principal", &self.shared.principal)
            .field("priority", &self.priority)
            .field("deadline", &self.deadline)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

//! What operators get to see.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use toolpost_tool::{Call, ErrorKind, Output, Refusal, ToolError, ToolSpec};

/// Watches calls. Called on the path of each one, so it returns at once and must not panic.
///
/// A function that takes an [`Event`] is one:
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use toolpost_dispatch::{CallRequest, Dispatcher, Event, Outcome, Registry};
/// use toolpost_tool::{NoArgs, tool_fn};
///
/// let ping = tool_fn("ping", |_: NoArgs, _| async { Ok("pong") });
/// let outcomes = Arc::new(Mutex::new(Vec::new()));
/// let told = Arc::clone(&outcomes);
/// let dispatcher = Dispatcher::builder(Registry::builder().tool(ping).build().unwrap())
///     .observe(move |event: &Event<'_>| {
///         if let Event::Finished { tool, outcome, .. } = event {
///             told.lock().unwrap().push((tool.name().to_owned(), *outcome));
///         }
///     })
///     .build();
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// dispatcher.call(CallRequest::new("ping")).await.unwrap();
/// drop(dispatcher.call(CallRequest::new("ping")));
/// let ends = [("ping".to_owned(), Outcome::Completed), ("ping".to_owned(), Outcome::Cancelled)];
/// assert_eq!(*outcomes.lock().unwrap(), ends, "each call ends exactly once");
/// # });
/// ```
pub trait Observe: Send + Sync + 'static {
    /// Something happened.
    fn on(&self, event: &Event<'_>);
}

/// What happened.
///
/// Of the call an observer sees everything: who called, its [correlation](Call::correlation) with whatever else is said
/// about it and about the calls that it makes, its trace context. Its arguments may hold what must not be written down. They stay in memory
/// until the end of the call is reported, where somebody watches.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A call named a tool that does not exist, which is how it ended.
    UnknownTool {
        /// The call. The name of its tool is hostile input, and never a metric label.
        call: &'a Call,
    },
    /// A deprecated tool was called; reported once per call, before it starts.
    Deprecated {
        /// The tool.
        tool: &'a ToolSpec,
        /// The call.
        call: &'a Call,
        /// What to use in its place.
        message: &'a str,
    },
    /// A call is about to run its tool.
    Started {
        /// The tool.
        tool: &'a ToolSpec,
        /// The call.
        call: &'a Call,
    },
    /// A call ended; reported exactly once for every call of a tool that exists, those included that were refused
    /// because of a drain or dropped before they were polled.
    Finished {
        /// The tool.
        tool: &'a ToolSpec,
        /// The call.
        call: &'a Call,
        /// How it ended.
        outcome: Outcome,
        /// How long it took since it arrived; `None` if its arrival was not recorded.
        took: Option<Duration>,
        /// Why it has no result; `None` if it has one, or if its caller went away before it had either. The text of an
        /// error of kind [`InvalidArguments`](ErrorKind::InvalidArguments) quotes what the caller sent.
        error: Option<&'a ToolError>,
        /// Its result, which may hold what must not be written down.
        output: Option<&'a Output>,
    },
}

/// How a call ended. Every call ends in exactly one of these.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// With a result.
    Completed,
    /// With a result that reports the tool's failure.
    ToolError,
    /// With an error of the tool.
    Failed,
    /// Before it ran: its arguments do not fit the schema.
    InvalidArguments,
    /// Before it ran: the runtime refused.
    Refused(Refusal),
    /// By a violation of the protocol.
    Protocol,
    /// The caller went away.
    Cancelled,
    /// A time limit or its deadline passed.
    Expired,
    /// It waits for input.
    InputRequired,
    /// By a panic of the tool.
    Panicked,
}

impl Outcome {
    /// The outcome of a finished call.
    #[must_use]
    pub fn of(result: &Result<Output, ToolError>) -> Self {
        match result {
            Ok(output) => Self::of_output(output),
            Err(error) => Self::of_error(error),
        }
    }

    pub(crate) fn of_output(output: &Output) -> Self {
        match output.is_error() {
            true => Self::ToolError,
            false => Self::Completed,
        }
    }

    pub(crate) fn of_error(error: &ToolError) -> Self {
        match error.kind() {
            ErrorKind::Cancelled => Self::Cancelled,
            ErrorKind::InvalidArguments => Self::InvalidArguments,
            ErrorKind::Panicked => Self::Panicked,
            ErrorKind::Protocol => Self::Protocol,
            ErrorKind::Refused(refusal) => Self::Refused(refusal),
            ErrorKind::InputRequired => Self::InputRequired,
            ErrorKind::TimedOut => Self::Expired,
            _ => Self::Failed,
        }
    }

    /// A short name, stable, for a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::ToolError => "tool_error",
            Self::Failed => "failed",
            Self::InvalidArguments => "invalid_arguments",
            Self::Refused(refusal) => refusal.as_str(),
            Self::Protocol => "protocol",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::InputRequired => "input_required",
            Self::Panicked => "panicked",
        }
    }
}

/// Tells an observer; its panic costs nobody anything. (At the end of a call it may be told while another panic unwinds.)
pub(crate) fn tell(observe: &dyn Observe, event: &Event<'_>) {
    let _told = catch_unwind(AssertUnwindSafe(|| observe.on(event)));
}

impl<F> Observe for F
where
    F: Fn(&Event<'_>) + Send + Sync + 'static,
{
    fn on(&self, event: &Event<'_>) {
        self(event);
    }
}

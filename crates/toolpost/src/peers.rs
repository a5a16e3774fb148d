//! The tools of a runtime, by name, for those that are built before it.

use std::sync::{Arc, OnceLock};

use toolpost_dispatch::WeakDispatcher;
use toolpost_tool::{AnyTool, Call, ErrorKind, InvalidToolName, Output, Tool, ToolError, ToolSpec};

use crate::Runtime;

/// How many calls may be made within each other. Each is polled by the one before, on one stack.
const DEEPEST: usize = 16;

tokio::task_local! {
    /// Within how many calls by name what runs now is.
    static DEPTH: usize;
}

/// The tools of a runtime that is yet to be built, for tools in it that call others by name.
///
/// A call through it is authorized, checked, observed and run like one that came from outside, under
/// the principal, priority and deadline of the call it is made for. It holds no runtime alive.
///
/// A tool that calls itself through its peers, however indirectly, recurses: calls within calls are refused beyond
/// the sixteenth, long before they use up the stack. A tool that spawns tasks to call its peers from starts anew in each.
/// One that bounds its own concurrency and calls itself may wait for its own permit, until its deadline or time limit.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    dispatcher: Arc<OnceLock<WeakDispatcher>>,
}

impl Peers {
    /// Peers of a runtime that does not exist yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says which runtime. The first one stays; answers whether this was it.
    #[must_use = "false means that the peers are another runtime's"]
    pub fn bind(&self, runtime: &Runtime) -> bool {
        // All its tools, whatever its clients see of them.
        self.dispatcher.set(runtime.behind().dispatcher().downgrade()).is_ok()
    }

    /// The dispatcher of all tools, once there is one.
    #[cfg(feature = "plan")]
    pub(crate) fn dispatcher(&self) -> Option<toolpost_dispatch::Dispatcher> {
        self.dispatcher.get().and_then(WeakDispatcher::upgrade)
    }

    /// Whether the tool called `name` needs the approval of a person by what it declares itself.
    #[cfg(feature = "plan")]
    pub(crate) fn asks(&self, name: &str) -> bool {
        self.declares(name, |policy| policy.needs_approval)
    }

    /// Whether the tool called `name` says that a second run of it does no harm.
    #[cfg(feature = "plan")]
    pub(crate) fn repeats(&self, name: &str) -> bool {
        self.declares(name, |policy| policy.repeatable)
    }

    #[cfg(feature = "plan")]
    fn declares(&self, name: &str, what: fn(&toolpost_tool::Policy) -> bool) -> bool {
        let catalog = self.dispatcher().map(|dispatcher| dispatcher.catalog());
        catalog.and_then(|catalog| Some(what(catalog.find(name)?.spec().policy()))).unwrap_or(false)
    }

    /// The tool called `name`, which need not exist before it is called. Its spec is no more than the name, and its calls
    /// go to the tool that has this name in the runtime. Besides what
    /// [`Dispatcher::call_within`](toolpost_dispatch::Dispatcher::call_within) answers they end in an error of kind
    /// `Unavailable` if the runtime is gone or not there yet, and of kind `Failed` within too many other calls.
    ///
    /// # Errors
    ///
    /// If `name` is not a tool name (see [`ToolSpec::new`]).
    pub fn tool(&self, name: &str) -> Result<AnyTool, InvalidToolName> {
        Ok(AnyTool::new(Peer { spec: ToolSpec::new(name)?, peers: self.clone() }))
    }
}

impl Peers {
    /// Calls the tool called `name`.
    pub(crate) async fn make(&self, name: &str, call: Call) -> Result<Output, ToolError> {
        let depth = DEPTH.try_with(|depth| depth + 1).unwrap_or(1);
        if DEEPEST < depth {
            return Err(ToolError::new(format!(
                "`{name}` is called within {DEEPEST} calls of other tools; does it call itself?"
            )));
        }
        match self.dispatcher.get().and_then(WeakDispatcher::upgrade) {
            Some(dispatcher) => {
                let call = if call.tool() == name { call } else { call.renamed(name) };
                DEPTH.scope(depth, dispatcher.call_within(call)).await
            }
            None => Err(ToolError::with_kind(
                ErrorKind::Unavailable,
                "no runtime is bound to these peers, or it is gone",
            )),
        }
    }
}

/// A tool of a runtime, by name.
struct Peer {
    spec: ToolSpec,
    peers: Peers,
}

impl Tool for Peer {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, call: Call) -> Result<Output, ToolError> {
        self.peers.make(self.spec.name(), call).await
    }
}

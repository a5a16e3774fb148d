//! The tools of a runtime, by name, for those that are built before it.

use std::sync::{Arc, OnceLock};

use toolpost_dispatch::WeakDispatcher;
use toolpost_tool::{Call, ErrorKind, InvalidToolName, Output, Tool, ToolError, ToolSpec};

use crate::Runtime;

/// The tools of a runtime that is yet to be built, for tools in it that call others by name.
///
/// A call through it is authorized, checked, observed and run like one that came from outside, under
/// the principal, priority and deadline of the call it is made for. It holds no runtime alive.
///
/// A tool that calls itself through its peers, however indirectly, recurses: nothing here counts how deep.
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
        self.dispatcher.set(runtime.categories().dispatcher().downgrade()).is_ok()
    }

    /// The tool called `name`, which need not exist before it is called.
    ///
    /// # Errors
    ///
    /// If `name` is not a tool name (see [`ToolSpec::new`]).
    pub fn tool(&self, name: &str) -> Result<Peer, InvalidToolName> {
        Ok(Peer { spec: ToolSpec::new(name)?, peers: self.clone() })
    }
}

/// A tool of a runtime, by name; made by [`Peers::tool`]. Its spec is no more than the name.
#[derive(Clone, Debug)]
pub struct Peer {
    spec: ToolSpec,
    peers: Peers,
}

impl Tool for Peer {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    /// Calls the tool that has this name in the runtime. `call` must carry that name, as
    /// [`Call::child`] made for this tool's spec does.
    async fn call(&self, call: Call) -> Result<Output, ToolError> {
        match self.peers.dispatcher.get().and_then(WeakDispatcher::upgrade) {
            Some(dispatcher) => dispatcher.call_within(call).await,
            None => Err(ToolError::with_kind(
                ErrorKind::Unavailable,
                "no runtime is bound to these peers, or it is gone",
            )),
        }
    }
}

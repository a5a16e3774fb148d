//! A tool that starts child processes, which outlive its calls: a drain waits for them, and says how many remain.
//!
//! `Runtime::builder().any(children.tool(..)).background("children", children)` registers both.
#![expect(
    clippy::disallowed_methods,
    reason = "each task that is spawned ends with its child, which is counted"
)]

use std::process::Stdio;
use std::sync::Arc;

use tokio::process::Command;
use tokio::sync::watch;
use toolpost::Background;
use toolpost::tool::{AnyTool, BoxFuture, Call, NoArgs, ToolError, tool_fn};

/// Counts the children that run.
#[derive(Clone, Debug)]
pub struct Children(Arc<watch::Sender<usize>>);

impl Default for Children {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Background for Children {
    fn busy(&self) -> usize {
        *self.0.borrow()
    }

    fn idle(&self) -> BoxFuture<'_, ()> {
        let mut running = self.0.subscribe();
        Box::pin(async move {
            let _none = running.wait_for(|running| *running == 0).await;
        })
    }
}

impl Children {
    /// A tool that starts `cat`, answers at once, and leaves it reading until `stdin` ends.
    pub fn tool(&self, stdin: impl Fn() -> Stdio + Send + Sync + 'static) -> AnyTool {
        let children = Arc::clone(&self.0);
        let start = move |_: NoArgs, _: Call| {
            let spawned = Command::new("cat").stdin(stdin()).stdout(Stdio::null()).spawn();
            let children = Arc::clone(&children);
            async move {
                let mut child = spawned.map_err(|error| ToolError::unavailable(error.to_string()))?;
                children.send_modify(|running| *running += 1);
                tokio::spawn(async move {
                    let _status = child.wait().await;
                    children.send_modify(|running| *running -= 1);
                });
                Ok("started")
            }
        };
        AnyTool::new(tool_fn("start", start))
    }
}

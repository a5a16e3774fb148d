//! Runs calls on threads that may block.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use toolpost_tool::{BoxFuture, Call, ErrorKind, Output, Tool, ToolError};

use super::{Layer, concurrency};
use crate::Background;

/// Runs calls on threads that may block: the innermost layer of a tool that declares itself blocking. Clones count
/// together.
///
/// A call that has started cannot be stopped. When its caller leaves it runs on by itself. Of a tool that declares itself
/// [blocking](toolpost_tool::ToolSpec::blocking), the permit that it was given by
/// [`ConcurrencyLimit`](super::ConcurrencyLimit) stays with it until it ends, and a [drain](crate::Runtime::drain) of its
/// runtime waits for it. Around another tool, put there by hand, the permit is free once the caller leaves, and a drain waits
/// for the threads that the host [registers](crate::RuntimeBuilder::background) as background work. The tool can tell: its call
/// [is over](Call::is_over) then, and a tool that asks at each piece of its work ends within one of them.
///
/// # Ending the process
///
/// A tokio runtime that is dropped waits for its blocking threads, however long they take, and so does every
/// `#[tokio::main]`: one abandoned call that never looks up keeps the process from ending. A host that may be asked to
/// end drains, and then leaves what remains behind:
///
/// ```
/// # use std::time::Duration;
/// # use toolpost::Runtime;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let executor = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
/// let runtime = Runtime::builder().build()?;
/// executor.block_on(async {
///     // ... serve until asked to end ...
///     if let Err(remaining) = runtime.drain(Duration::from_secs(1)).await {
///         eprintln!("left behind: {remaining}");
///     }
/// });
/// // In place of a drop, which would wait; `std::process::exit` does as well.
/// executor.shutdown_timeout(Duration::from_millis(100));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct BlockingThreads(Arc<watch::Sender<usize>>);

impl Layer for BlockingThreads {
    /// # Panics
    ///
    /// With the tool's panic, and outside a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before the tool has started leaves nothing behind; afterwards the tool runs on.
    async fn call<T: Tool>(&self, tool: &Arc<T>, call: Call) -> Result<Output, ToolError> {
        let tool = Arc::clone(tool);
        let (runtime, permit, counted) = (Handle::current(), concurrency::permit(), self.count_in());
        // Dropped with this future, however that ends.
        let (call, _caller) = call.with_caller();
        #[cfg(feature = "tracing")]
        let span = tracing::Span::current();
        let run = move || {
            #[cfg(feature = "tracing")]
            let _within = span.entered();
            let result = runtime.block_on(tool.call(call));
            drop((permit, counted));
            result
        };
        match Started(spawn_blocking(run)).join().await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_shut_down) => Err(ToolError::with_kind(ErrorKind::Cancelled, "the runtime shut down")),
            },
        }
    }
}

impl BlockingThreads {
    /// Counts the calls that have a thread, or wait for one: until the thread is done, whether or not anyone still waits
    /// for the result.
    #[must_use]
    pub fn busy(&self) -> usize {
        *self.0.borrow()
    }

    /// Resolves when there is none.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the waiting alone.
    pub async fn idle(&self) {
        let mut watched = self.0.subscribe();
        // The sender is here, so the wait can end in one way only.
        let _idle = watched.wait_for(|busy| *busy == 0).await;
    }

    fn count_in(&self) -> Counted {
        self.0.send_modify(|busy| *busy += 1);
        Counted(self.clone())
    }
}

impl Background for BlockingThreads {
    fn busy(&self) -> usize {
        Self::busy(self)
    }

    fn idle(&self) -> BoxFuture<'_, ()> {
        Box::pin(Self::idle(self))
    }
}

impl Default for BlockingThreads {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

struct Counted(BlockingThreads);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.send_modify(|busy| *busy -= 1);
    }
}

/// Takes work back that has not started when this is dropped; what has started is not affected.
struct Started<R>(JoinHandle<R>);

impl<R> Started<R> {
    async fn join(mut self) -> Result<R, JoinError> {
        (&mut self.0).await
    }
}

impl<R> Drop for Started<R> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

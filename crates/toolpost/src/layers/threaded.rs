//! A tool that may block its thread.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use toolpost_tool::{Call, ErrorKind, Output, Tool, ToolError, ToolSpec};

use super::scheduled;

/// A tool whose calls run on threads that may block: the innermost layer of a tool that declares itself blocking.
///
/// A call that has started cannot be stopped. When its caller leaves it runs on by itself, and the seat that it was
/// given by [`Seats`](super::Seats) stays with it until it ends. The tool can tell: its call
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
#[derive(Debug)]
pub struct Threaded<T> {
    tool: Arc<T>,
    threads: Threads,
}

impl<T> Threaded<T> {
    /// Runs each call of `tool` on a thread that may block.
    pub fn new(tool: T) -> Self {
        Self { tool: Arc::new(tool), threads: Threads::default() }
    }

    /// Counts its threads among those of others.
    pub(crate) fn counted_among(mut self, threads: &Threads) -> Self {
        self.threads = threads.clone();
        self
    }
}

impl<T> Clone for Threaded<T> {
    fn clone(&self) -> Self {
        Self { tool: Arc::clone(&self.tool), threads: self.threads.clone() }
    }
}

impl<T: Tool> Tool for Threaded<T> {
    fn spec(&self) -> &ToolSpec {
        self.tool.spec()
    }

    /// # Panics
    ///
    /// With the tool's panic, and outside a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before the tool has started leaves nothing behind; afterwards the tool runs on.
    async fn call(&self, call: Call) -> Result<Output, ToolError> {
        let tool = Arc::clone(&self.tool);
        let (runtime, seat, counted) = (Handle::current(), scheduled::seat(), self.threads.count_in());
        // Dropped with this future, however that ends.
        let (call, _caller) = call.with_caller();
        #[cfg(feature = "tracing")]
        let span = tracing::Span::current();
        let run = move || {
            #[cfg(feature = "tracing")]
            let _within = span.entered();
            let result = runtime.block_on(tool.call(call));
            drop((seat, counted));
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

/// How many calls have a thread, or wait for one. They are counted until the thread is done, whether or not anyone
/// still waits for the result.
#[derive(Clone, Debug)]
pub(crate) struct Threads(Arc<watch::Sender<usize>>);

impl Threads {
    pub(crate) fn busy(&self) -> usize {
        *self.0.borrow()
    }

    /// Resolves when there is none. Cancel safe.
    pub(crate) async fn idle(&self) {
        let mut watched = self.0.subscribe();
        // The sender is here, so the wait can end in one way only.
        let _idle = watched.wait_for(|busy| *busy == 0).await;
    }

    fn count_in(&self) -> Counted {
        self.0.send_modify(|busy| *busy += 1);
        Counted(self.clone())
    }
}

impl Default for Threads {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

struct Counted(Threads);

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

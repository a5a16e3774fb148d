//! Asks a tool a second time when it is unusually slow.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use toolpost_retry::{LatencyHistogram, RetryBudget};
use toolpost_tool::{Call, Output, Priority, Tool, ToolError, ToolSpec};

use super::Layer;
use crate::{clock, warnings};

/// Asks a second time when the first answer is unusually late.
///
/// As soon as a call takes longer than 95 in 100 lately did, the same call is made once more, in the background class
/// and with a permit of its own; the first good answer wins, and the other call is dropped. At most 5 in 100 calls are
/// hedged. Only a tool that declares itself read-only is.
///
/// The technique is that of Dean and Barroso, "The Tail at Scale", 2013. Clones share what they learn and their budget.
///
/// A call that hangs is made once more after the usual latency, and the second answer is the answer:
///
/// ```
/// use std::time::Duration;
/// use toolpost::ToolExt;
/// use toolpost::layers::Hedge;
/// use toolpost::tool::{NoArgs, Tool};
/// use toolpost_test::{Script, call, run};
///
/// run(async {
///     let mut search = Script::new("search").with_spec(|spec| spec.read_only()).after(Duration::from_millis(10));
///     for _ in 0..100 {
///         search = search.answers("usual");
///     }
///     let search = search.hangs().answers("second").hedged(Hedge::new());
///     for _ in 0..100 {
///         search.call(call(NoArgs {}).build()).await.unwrap(); // learns what is usual
///     }
///
///     let output = search.call(call(NoArgs {}).build()).await.unwrap();
///     assert_eq!(output.as_text(), Some("second"));
/// });
/// ```
#[derive(Clone, Debug)]
pub struct Hedge {
    allowed: bool,
    seen: Arc<Seen>,
    budget: Arc<RetryBudget>,
    percentile: u32,
}

#[derive(Debug, Default)]
struct Seen {
    latency: LatencyHistogram,
    /// What is slow, in nanoseconds, found anew after each `OFTEN` calls; zero before there are enough.
    delay: AtomicU64,
}

/// Calls to have seen before judging what is slow.
const ENOUGH: u32 = 50;
/// Calls between two judgements.
const OFTEN: u32 = 10;

impl Hedge {
    /// Hedges at the 95th percentile, 5 in 100 calls at most.
    #[must_use]
    pub fn new() -> Self {
        Self { allowed: true, seen: Arc::default(), budget: Arc::new(RetryBudget::new(5, 1)), percentile: 95 }
    }

    /// How long a call may take before it is hedged; `None` until enough calls were seen.
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        match self.seen.delay.load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    fn learn(&self, took: Duration) {
        let Seen { latency, delay } = &*self.seen;
        latency.record(took);
        let recorded = latency.recorded();
        if ENOUGH <= recorded
            && recorded.is_multiple_of(OFTEN)
            && let Some(slow) = latency.quantile(self.percentile)
        {
            delay.store(slow.as_nanos().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    async fn race<F>(
        &self,
        mut first: std::pin::Pin<&mut F>,
        at: tokio::time::Instant,
        second: impl FnOnce() -> F,
    ) -> Result<Output, ToolError>
    where
        F: Future<Output = Result<Output, ToolError>>,
    {
        if let Ok(result) = tokio::time::timeout_at(at, first.as_mut()).await {
            return result;
        }
        if !self.budget.withdraw() {
            return first.await;
        }
        let mut second = pin!(second());
        let (mut first_error, mut second_failed) = (None, false);
        poll_fn(|cx| {
            if first_error.is_none()
                && let Poll::Ready(result) = first.as_mut().poll(cx)
            {
                match result {
                    Ok(output) => return Poll::Ready(Ok(output)),
                    Err(error) => first_error = Some(error),
                }
            }
            if !second_failed && let Poll::Ready(result) = second.as_mut().poll(cx) {
                match result {
                    Ok(output) => return Poll::Ready(Ok(output)),
                    Err(_) => second_failed = true,
                }
            }
            match first_error.take_if(|_| second_failed) {
                Some(error) => Poll::Ready(Err(error)),
                None => Poll::Pending,
            }
        })
        .await
    }
}

impl Default for Hedge {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer for Hedge {
    /// Runs the tool, and once more if it takes unusually long.
    ///
    /// # Errors
    ///
    /// Whatever the tool answers; of two errors, the first call's.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops every call under way.
    async fn call<T: Tool>(&self, tool: &Arc<T>, call: Call) -> Result<Output, ToolError> {
        if !self.allowed {
            return tool.call(call).await;
        }
        self.budget.deposit();
        let start = clock::now();
        let result = match self.delay() {
            Some(delay) => {
                let second = call.clone().with_priority(Priority::Background).quiet();
                let first = pin!(tool.call(call));
                self.race(first, (start + delay).into(), || tool.call(second)).await
            }
            None => tool.call(call).await,
        };
        if result.is_ok() {
            // The loser would have taken at least as long.
            self.learn(clock::now() - start);
        }
        result
    }

    fn for_tool(mut self, spec: &ToolSpec) -> Self {
        self.allowed = spec.annotations().read_only == Some(true);
        self
    }

    fn warning(&self, spec: &ToolSpec) -> Option<String> {
        let cure = "call `read_only()` on its spec";
        (!self.allowed).then(|| warnings::layer(spec, "hedged", "only reads", cure))
    }
}

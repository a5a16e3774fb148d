//! A tool that waits its turn.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Instant;

use toolpost_scheduler::rt::{Gate, Permit};
use toolpost_scheduler::{JobRequest, Priority, QueueError, Tenant, Urgency};
use toolpost_tool::{Call, Output, Refusal, Tool, ToolError, ToolSpec};

use super::Layer;
use crate::{clock, inheritance};

tokio::task_local! {
    /// The permits a call runs under, for work that outlives its call: a blocking thread that cannot be stopped.
    static PERMITS: Arc<RetainedPermits>;
}

/// Bounds how many calls run at once, by the permits of a gate that all tools share which are given a clone.
///
/// A call waits as its principal's (without one, as that of all who come from its address, where the transport
/// knows it), with its own priority and deadline; the tool runs once it has a permit, and its
/// principal is charged for the time. A call without a deadline can wait for ever only if permits are held for ever.
///
/// Of two calls that wait for the one permit of a gate, the urgent one is next, though it came later:
///
/// ```
/// use std::sync::Mutex;
/// use std::time::Duration;
/// use toolpost::ToolExt;
/// use toolpost::scheduler::Limit;
/// use toolpost::scheduler::rt::Gate;
/// use toolpost::tool::{NoArgs, Priority, Tool};
/// use toolpost_test::{Script, call, run};
///
/// run(async {
///     let gate = Gate::new(Limit::fixed(1));
///     let print = Script::new("print").after(Duration::from_secs(1)).answers("printed").scheduled(&gate);
///     let done = Mutex::new(Vec::new());
///     let ask = |who, priority| {
///         let (call, print, done) = (call(NoArgs {}).priority(priority).build(), &print, &done);
///         async move {
///             print.call(call).await.unwrap();
///             done.lock().unwrap().push(who);
///         }
///     };
///
///     tokio::join!(ask("first", Priority::Normal), ask("report", Priority::Normal), ask("user", Priority::Urgent));
///     assert_eq!(*done.lock().unwrap(), ["first", "user", "report"]);
/// });
/// ```
#[derive(Clone, Debug)]
pub struct ConcurrencyLimit {
    gate: Gate,
    /// Whether the tool inside may leave a thread behind, which the permit then stays with.
    kept: bool,
    /// What one call costs, in ordinary calls.
    cost: u32,
}

impl ConcurrencyLimit {
    /// Lets calls run under the permits of `gate`.
    #[must_use]
    pub fn new(gate: &Gate) -> Self {
        Self { gate: gate.clone(), kept: false, cost: 1 }
    }

    /// The gate.
    #[must_use]
    pub const fn gate(&self) -> &Gate {
        &self.gate
    }

    /// A permit for one call; whoever gives it back says whether the work was done.
    pub(crate) async fn take(&self, call: &Call) -> Result<Permit<'_>, ToolError> {
        match self.free(call, clock::now) {
            Some(permit) => Ok(permit),
            None => Box::pin(self.queue(call)).await,
        }
    }

    /// A permit that is free, for a call that is not late: it needs no request, and no place in a queue.
    #[inline]
    pub(crate) fn free(&self, call: &Call, now: impl FnOnce() -> Instant) -> Option<Permit<'_>> {
        match call.deadline() {
            Some(deadline) if deadline <= now() => None,
            _ => self.gate.try_acquire(),
        }
    }

    async fn queue(&self, call: &Call) -> Result<Permit<'_>, ToolError> {
        let mut waiting = self.gate.acquire(request(call).cost(self.cost));
        if waiting.is_queued()
            && let Some(handle) = inheritance::current()
        {
            waiting = waiting.raised_by(&handle);
        }
        waiting.await.map_err(|refused| refusal(call, refused))
    }
}

/// The permits of a call, and those that the call it is made for has.
pub(crate) struct RetainedPermits {
    _permits: Vec<Permit<'static>>,
    _outer: Option<Arc<Self>>,
}

impl RetainedPermits {
    /// Keeps these.
    pub(crate) fn new<'a>(permits: impl IntoIterator<Item = Option<Permit<'a>>>) -> Arc<Self> {
        let permits = permits.into_iter().flatten().map(Permit::into_owned).collect();
        Arc::new(Self { _permits: permits, _outer: permit() })
    }

    /// Polls what runs under them.
    pub(crate) fn during<R>(kept: &Arc<Self>, poll: impl FnOnce() -> R) -> R {
        PERMITS.sync_scope(Arc::clone(kept), poll)
    }
}

/// The permits that the running call has, to be kept for as long as its work goes on.
pub(super) fn permit() -> Option<Arc<RetainedPermits>> {
    PERMITS.try_with(Arc::clone).ok()
}

/// How urgent a call is, in the words of the scheduler.
pub(crate) fn urgency(call: &Call) -> Urgency {
    Urgency { priority: class(call.priority()), deadline: call.deadline() }
}

/// A priority, in the words of the scheduler.
pub(crate) const fn class(asked: toolpost_tool::Priority) -> Priority {
    use toolpost_tool::Priority as Asked;
    match asked {
        Asked::Background => Priority::Background,
        Asked::Urgent => Priority::Urgent,
        Asked::System => Priority::System,
        _ => Priority::Normal,
    }
}

fn request(call: &Call) -> JobRequest {
    JobRequest::new(tenant(call)).urgency(urgency(call))
}

/// Whose turn it is: a principal's, or that of all who come from one place without a name.
fn tenant(call: &Call) -> Tenant {
    let principal = call.principal();
    match principal.is_anonymous() {
        true => Tenant::new(call.origin().map_or(0, NonZeroU64::get)),
        false => Tenant::named(principal.as_str()),
    }
}

fn refusal(call: &Call, refused: QueueError) -> ToolError {
    let name = if call.tool().is_empty() { "this tool" } else { call.tool() };
    let (reason, why) = match refused {
        QueueError::Expired => (Refusal::DeadlineUnmet, "its deadline passed while it waited its turn"),
        QueueError::Late { .. } => (Refusal::DeadlineUnmet, "it could not end by its deadline"),
        QueueError::Closed | QueueError::Canceled => (Refusal::Draining, "the server takes no more calls"),
        // Full, shed, and what may come to be.
        _ => (Refusal::QueueFull, "too many calls wait for their turn"),
    };
    let wait = refused.retry_after();
    let message = match wait {
        Some(wait) => {
            format!("{name} was not run, because {why}: try again in {} ms", wait.as_millis().max(1))
        }
        None => format!("{name} was not run, because {why}"),
    };
    ToolError::refused(reason, message, wait)
}

impl Layer for ConcurrencyLimit {
    /// Runs the tool once it has a permit.
    ///
    /// # Errors
    ///
    /// Refused with [`QueueFull`](Refusal::QueueFull), [`DeadlineUnmet`](Refusal::DeadlineUnmet) or
    /// [`Draining`](Refusal::Draining), and whatever the tool answers.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future while it waits leaves nothing behind; afterwards it drops the future of the tool, and gives the
    /// permit back.
    async fn call<T: Tool>(&self, tool: &Arc<T>, call: Call) -> Result<Output, ToolError> {
        let permit = self.take(&call).await?;
        if self.kept {
            return PERMITS.scope(RetainedPermits::new([Some(permit)]), tool.call(call)).await;
        }
        let result = tool.call(call).await;
        permit.settle();
        result
    }

    /// A tool that declares itself blocking keeps its permit for as long as its thread; one that declares a cost is expected
    /// to hold its permit for so many times as long as others, when it is asked whether it can meet its deadline.
    fn for_tool(mut self, spec: &ToolSpec) -> Self {
        self.kept = spec.policy().blocking;
        self.cost = spec.policy().cost.unwrap_or(1);
        self
    }
}

#[cfg(test)]
mod tests {
    use toolpost_tool::{CallParts, Principal};

    use super::*;

    #[test]
    fn callers_without_a_name_take_turns_by_where_they_come_from() {
        let of = |name: Option<&'static str>, origin: u64| {
            let mut parts = CallParts::default();
            parts.principal = name.map_or_else(Principal::anonymous, Principal::new);
            parts.set_origin(NonZeroU64::new(origin));
            tenant(&Call::from_parts(parts))
        };
        assert_ne!(of(None, 1), of(None, 2));
        assert_eq!(of(None, 1), of(None, 1));
        assert_eq!(of(None, 0), Tenant::new(0));
        assert_eq!(of(Some("ada"), 1), of(Some("ada"), 2), "a name is one caller wherever it comes from");
    }
}

//! The order of policies.
//!
//! It stands here alone: each function takes a call through the policies that its first line names, the outermost first,
//! and ends where the call may have to wait; [`run`](super::run) does the waiting. Authorization and the check of
//! arguments come before all of them, in the dispatcher. `tests/it/order.rs` holds the public page to what happens.
//!
//! The way of a call that never waits is one piece of code, with nothing on it that is needed only later: most calls find
//! a permit free, and have their answer at the first poll.

use std::sync::Arc;
use std::task::{Context, Poll};

use toolpost_scheduler::rt::Permit;
use toolpost_tool::{Call, Priority, ToolError};

use super::Stages;
use super::run::{self, Answer, Attempt, Rest, Run};
use crate::clock::{self, LazyNow};
use crate::layers::{Idempotency, RetainedPermits, TimeLeft, marked_hit};

/// Idempotency.
pub(super) fn enter(stages: &Arc<Stages>, call: Call) -> Run<'_> {
    let call = stages.prioritized(call);
    match &stages.idempotency {
        Some(idempotency) => told_apart(stages, idempotency, call),
        None => approve(stages, call),
    }
}

/// A call of a tool whose calls are told from repeated ones, if they have a key.
#[inline(never)]
fn told_apart<'a>(stages: &'a Arc<Stages>, idempotency: &'a Idempotency, call: Call) -> Run<'a> {
    match idempotency.key(&call) {
        Some(key) => Run::boxed(stages, idempotency.once(key, call, |call| approve(stages, call))),
        None => approve(stages, call),
    }
}

/// Approval.
#[inline(always)]
fn approve(stages: &Arc<Stages>, call: Call) -> Run<'_> {
    match &stages.approvals {
        Some(approvals) => {
            let tool = stages.spec.name();
            Run::boxed(stages, approvals.around(tool, call, |call| invalidate(stages, call)))
        }
        None => invalidate(stages, call),
    }
}

/// Invalidation.
#[inline(always)]
fn invalidate(stages: &Arc<Stages>, call: Call) -> Run<'_> {
    match &stages.invalidation {
        Some(invalidation) => Run::boxed(stages, invalidation.around(call, |call| Run::new(stages, call))),
        None => Run::new(stages, call),
    }
}

/// Cache and single-flight.
#[inline(always)]
pub(super) fn look_up<'a>(
    stages: &'a Arc<Stages>,
    call: Call,
    rest: &mut Rest<'a>,
    cx: &mut Context<'_>,
) -> Poll<Answer> {
    let Some(caching) = &stages.caching else {
        return stages.start(call, LazyNow::default(), rest, cx);
    };
    let now = clock::now();
    let mut hit = Poll::Pending;
    match caching.look(&call, now, |output| hit = marked_hit(output)) {
        Ok(()) => hit,
        Err(looked) => run::load(stages, caching, looked, now, call, rest, cx),
    }
}

/// The permits of one attempt.
pub(super) struct Permits<'a> {
    /// One of the tool's own.
    pub(super) own: Option<Permit<'a>>,
    /// One of those that all tools share.
    pub(super) shared: Option<Permit<'a>>,
}

/// How an attempt begins.
pub(super) enum Begun<'a> {
    Attempt(Attempt<'a>),
    /// There is no permit for it yet.
    Queued(Call),
}

impl Stages {
    /// Rate limit, retry. The second call is that of the next attempt, if there may be one.
    #[inline(always)]
    pub(super) fn admit(&self, call: Call, at: &mut LazyNow) -> Result<(Call, Option<Call>), ToolError> {
        if let Some(rates) = &self.rates {
            rates.check_at(&call, at.now())?;
        }
        Ok(match &self.retry {
            Some(retry) => {
                let call = retry.begin(call);
                (call.clone(), Some(call))
            }
            None => (call, None),
        })
    }

    /// Open breaker, permit, breaker, time limit, tool.
    #[inline(always)]
    pub(super) fn begin<'a>(
        &'a self,
        call: Call,
        permits: impl FnOnce(&Call, &mut LazyNow) -> Option<Permits<'a>>,
        at: &mut LazyNow,
    ) -> Result<Begun<'a>, ToolError> {
        if let Some(guard) = &self.guard {
            guard.peek(&call)?;
        }
        let Some(mut permits) = permits(&call, at) else { return Ok(Begun::Queued(call)) };
        let held = match &self.guard {
            Some(guard) => Some(guard.admit(&call, || at.now())?),
            None => None,
        };
        let retained = self.spec.policy().blocking.then(|| permits.retain());
        let (call, time) = match self.time {
            Some(limit) => limit.begin(call, at.now()),
            None => (call, TimeLeft::ENDLESS),
        };
        #[cfg(feature = "tracing")]
        let span = crate::observers::span(&call, self.spec.name());
        Ok(Begun::Attempt(Attempt {
            #[cfg(feature = "tracing")]
            future: span.in_scope(|| self.tool.call_boxed(call)),
            #[cfg(not(feature = "tracing"))]
            future: self.tool.call_boxed(call),
            #[cfg(feature = "tracing")]
            span,
            time,
            held,
            retained,
            permits,
        }))
    }

    /// The permits of one attempt, the tool's own first, if both are free.
    #[inline(always)]
    pub(super) fn free_permits(&self, call: &Call, at: &mut LazyNow) -> Option<Permits<'_>> {
        let own = match &self.own_permits {
            Some(permits) => Some(permits.free(call, || at.now())?),
            None => None,
        };
        let shared = match &self.permits {
            Some(permits) => Some(permits.free(call, || at.now())?),
            None => None,
        };
        Some(Permits { own, shared })
    }

    /// Waits for the permits of one attempt, the tool's own first.
    pub(super) async fn permits(&self, call: &Call) -> Result<Permits<'_>, ToolError> {
        let own = match &self.own_permits {
            Some(permits) => Some(permits.take(call).await?),
            None => None,
        };
        let shared = match &self.permits {
            Some(permits) => Some(permits.take(call).await?),
            None => None,
        };
        Ok(Permits { own, shared })
    }

    /// The call, at the tool's own priority unless it says another.
    #[inline]
    fn prioritized(&self, call: Call) -> Call {
        match self.priority {
            // A call made on behalf of another carries that one's priority, and no `_meta`.
            Some(own) if call.priority() == Priority::Normal && !says_priority(&call) => {
                call.with_priority(own.min(Priority::Urgent))
            }
            _ => call,
        }
    }
}

impl Permits<'_> {
    /// Makes them those of the thread that a blocking tool may leave behind.
    fn retain(&mut self) -> Arc<RetainedPermits> {
        RetainedPermits::new([self.own.take(), self.shared.take()])
    }

    /// Gives them back after work that was done.
    #[inline(always)]
    pub(super) fn settle(&mut self) {
        if let Some(own) = self.own.take() {
            own.settle();
        }
        if let Some(shared) = self.shared.take() {
            shared.settle();
        }
    }
}

fn says_priority(call: &Call) -> bool {
    call.meta().is_some_and(|meta| meta.member(toolpost_protocol::meta::PRIORITY).is_some())
}

//! A tool that ends in time.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::task::unconstrained;
use tokio::time::sleep_until;
use toolpost_tool::{Call, Output, Tool, ToolError, ToolSpec};

use crate::clock;

/// The longest a call may take; a call's own deadline counts if it comes sooner.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TimeLimit(Duration);

impl TimeLimit {
    /// A limit of `limit`.
    #[must_use]
    pub const fn new(limit: Duration) -> Self {
        Self(limit)
    }

    /// Runs `next` until time is up.
    ///
    /// # Errors
    ///
    /// Of kind [`TimedOut`](toolpost_tool::ErrorKind::TimedOut) when time is up, and whatever `next` answers.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future, and time being up, drop the future of `next`.
    pub async fn around<F>(&self, call: Call, next: impl FnOnce(Call) -> F) -> Result<Output, ToolError>
    where
        F: Future<Output = Result<Output, ToolError>>,
    {
        let now = clock::now();
        let limit = call.remaining(now).map_or(self.0, |left| left.min(self.0));
        let Some(due) = now.checked_add(limit) else { return next(call).await };
        let mut future = pin!(next(call.due_by(due)));
        // Most calls never wait, and those that do not need no timer.
        let mut timer = pin!(None);
        poll_fn(|cx| {
            if let Poll::Ready(result) = future.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            if timer.is_none() {
                // Time passes also for a future that has used up what tokio lets a task do in one go.
                timer.set(Some(unconstrained(sleep_until(due.into()))));
            }
            match timer.as_mut().as_pin_mut().map(|timer| timer.poll(cx)) {
                Some(Poll::Ready(())) => Poll::Ready(Err(ToolError::timed_out(limit))),
                _ => Poll::Pending,
            }
        })
        .await
    }
}

/// A tool whose calls end within a time limit or by their deadline, whichever comes first.
///
/// The tool below sees the earlier of the two as its deadline, so that it can pass on what is left.
///
/// # Cancel safety
///
/// When time is up the tool's future is dropped.
#[derive(Clone, Debug)]
pub struct Timed<T> {
    tool: T,
    limit: TimeLimit,
}

impl<T> Timed<T> {
    /// Limits each call of `tool`.
    pub const fn new(tool: T, limit: TimeLimit) -> Self {
        Self { tool, limit }
    }

    /// The tool inside.
    pub fn into_inner(self) -> T {
        self.tool
    }
}

impl<T: Tool> Tool for Timed<T> {
    fn spec(&self) -> &ToolSpec {
        self.tool.spec()
    }

    async fn call(&self, call: Call) -> Result<Output, ToolError> {
        self.limit.around(call, |call| self.tool.call(call)).await
    }
}

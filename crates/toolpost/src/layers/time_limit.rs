//! Ends a call in time.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::task::coop::{Unconstrained, unconstrained};
use tokio::time::{Sleep, sleep_until};
use toolpost_tool::{Call, Output, Tool, ToolError};

use super::Layer;
use crate::clock;

/// Ends a call that takes longer than a limit, or that outlives its deadline, whichever comes first.
///
/// The tool sees the earlier of the two as its deadline, so that it can pass on what is left. When time is up its future is
/// dropped.
///
/// A call that hangs ends after two seconds with an error, and the tool's future is dropped:
///
/// ```
/// use std::time::Duration;
/// use toolpost::ToolExt;
/// use toolpost::tool::{ErrorKind, NoArgs, Tool};
/// use toolpost_test::{Script, call, run};
///
/// run(async {
///     let search = Script::new("search").hangs().timed(Duration::from_secs(2));
///     let error = search.call(call(NoArgs {}).build()).await.unwrap_err();
///     assert_eq!(error.kind(), ErrorKind::TimedOut);
/// });
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TimeLimit(Duration);

impl TimeLimit {
    /// A limit of `limit`.
    #[must_use]
    pub const fn new(limit: Duration) -> Self {
        Self(limit)
    }

    /// The call as the tool sees it, and the time it has from `now` on.
    #[inline]
    pub(crate) fn begin(self, call: Call, now: Instant) -> (Call, TimeLeft) {
        let limit = call.remaining(now).map_or(self.0, |left| left.min(self.0));
        match now.checked_add(limit) {
            Some(due) => (call.due_by(due), TimeLeft { limit, due: Some(due), timer: None }),
            // A time that is too long to be told is no limit.
            None => (call, TimeLeft::ENDLESS),
        }
    }
}

/// The time that a call has.
pub(crate) struct TimeLeft {
    limit: Duration,
    due: Option<Instant>,
    /// Most calls never wait, and those that do not need no timer.
    timer: Option<Pin<Box<Unconstrained<Sleep>>>>,
}

impl TimeLeft {
    pub(crate) const ENDLESS: Self = Self { limit: Duration::MAX, due: None, timer: None };

    /// Polls what has this time.
    #[inline]
    pub(crate) fn poll(
        &mut self,
        future: Pin<&mut (impl Future<Output = Result<Output, ToolError>> + ?Sized)>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Output, ToolError>> {
        match future.poll(cx) {
            Poll::Pending => self.wait(cx),
            ready => ready,
        }
    }

    #[inline(never)]
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Result<Output, ToolError>> {
        let Some(due) = self.due else { return Poll::Pending };
        // Time passes also for a future that has used up what tokio lets a task do in one go.
        let timer = self.timer.get_or_insert_with(|| Box::pin(unconstrained(sleep_until(due.into()))));
        timer.as_mut().poll(cx).map(|()| Err(ToolError::timed_out(self.limit)))
    }
}

impl Layer for TimeLimit {
    /// Runs the tool until time is up.
    ///
    /// # Errors
    ///
    /// Of kind [`TimedOut`](toolpost_tool::ErrorKind::TimedOut) when time is up, and whatever the tool answers.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future, and time being up, drop the future of the tool.
    async fn call<T: Tool>(&self, tool: &Arc<T>, call: Call) -> Result<Output, ToolError> {
        let (call, mut time) = self.begin(call, clock::now());
        let mut future = pin!(tool.call(call));
        poll_fn(|cx| time.poll(future.as_mut(), cx)).await
    }
}

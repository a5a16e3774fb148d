//! Runs a tool, or what else is offered, so that a panic is an answer and a cancelled call stops.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::unconstrained;
use tokio::time::sleep_until;
use toolpost_tool::{BoxFuture, ErrorKind, ToolError};

use crate::clock;
use crate::in_flight::Flight;

/// A running call, in flight until its owner gives up the flight. Dropping it drops the future.
pub(crate) struct Run<'a, T> {
    /// `None` once it has ended.
    future: Option<BoxFuture<'a, Result<T, ToolError>>>,
    /// Why there was no future to begin with.
    start_error: Option<ToolError>,
    flight: &'a Flight,
}

impl<'a, T> Run<'a, T> {
    pub(crate) fn new(
        flight: &'a Flight,
        start: impl FnOnce() -> BoxFuture<'a, Result<T, ToolError>>,
    ) -> Self {
        let (future, start_error) = match catch_unwind(AssertUnwindSafe(start)) {
            Ok(future) => (Some(future), None),
            Err(payload) => (None, Some(panicked(&*payload))),
        };
        Self { future, start_error, flight }
    }

    /// Runs the call until its deadline or, if it has none, for `limit`; what it calls may have shorter limits of its
    /// own. When it returns the future is gone.
    pub(crate) async fn in_time(
        &mut self,
        deadline: Option<Instant>,
        limit: Option<Duration>,
    ) -> Result<T, ToolError> {
        // Most calls have their answer at the first poll, and need neither a clock nor a timer.
        if let Poll::Ready(result) = poll_fn(|cx| Poll::Ready(Pin::new(&mut *self).poll(cx))).await {
            return result;
        }
        // Polled by something else than tokio, a call is bounded by that.
        let limit = limit.filter(|_| deadline.is_none() && Handle::try_current().is_ok());
        let limited = || clock::now().checked_add(limit?);
        // Time passes also for a call that has used up what tokio lets a task do in one go.
        let timer = deadline.or_else(limited).map(|end| unconstrained(sleep_until(end.into())));
        let mut timer = pin!(timer);
        // Once for each time it is woken, this time included: a tool that yields has yielded.
        let mut is_polled = true;
        let ended = poll_fn(|cx| {
            if !mem::take(&mut is_polled)
                && let Poll::Ready(result) = Pin::new(&mut *self).poll(cx)
            {
                return Poll::Ready(Some(result));
            }
            match timer.as_mut().as_pin_mut() {
                Some(timer) => timer.poll(cx).map(|()| None),
                None => Poll::Pending,
            }
        });
        if let Some(result) = ended.await {
            return result;
        }
        self.end();
        let message = limit.map_or(Cow::Borrowed("the call's deadline has passed"), |limit| {
            format!(
                "the call took longer than {limit:?}, the limit of what declares no time limit of its own"
            )
            .into()
        });
        Err(ToolError::with_kind(ErrorKind::TimedOut, message))
    }

    fn end(&mut self) {
        let future = self.future.take();
        // A destructor that panics costs this call no more than the panic before it did.
        let _dropped = catch_unwind(AssertUnwindSafe(|| drop(future)));
    }
}

impl<T> Future for Run<'_, T> {
    type Output = Result<T, ToolError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.flight.is_cancelled(cx.waker()) {
            self.end();
            return Poll::Ready(Err(ToolError::with_kind(
                ErrorKind::Cancelled,
                "the caller took the call back",
            )));
        }
        let Some(future) = &mut self.future else {
            let error = self.start_error.take();
            return Poll::Ready(Err(
                error.unwrap_or_else(|| ToolError::new("the call was polled after its end"))
            ));
        };
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(result)) => {
                self.end();
                Poll::Ready(result)
            }
            Err(payload) => {
                self.end();
                Poll::Ready(Err(panicked(&*payload)))
            }
        }
    }
}

impl<T> Drop for Run<'_, T> {
    fn drop(&mut self) {
        self.end();
    }
}

/// The caller learns that it happened, not what was said: a panic message is for the operator.
fn panicked(payload: &(dyn Any + Send)) -> ToolError {
    let said = payload
        .downcast_ref::<&'static str>()
        .map(|s| (*s).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    ToolError::with_kind(ErrorKind::Panicked, "the call panicked; it failed, and no other was affected")
        .with_source(Panic(said))
}

/// What a panic said.
#[derive(Debug)]
struct Panic(String);

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Panic {}

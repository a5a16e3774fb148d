//! One call on its way through the stages of [`order`]: its polls.
//!
//! A call that has to wait (for a permit, its tool, or another attempt) goes on in a box.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use toolpost_breaker::CountWindow;
use toolpost_tool::{BoxFuture, Call, Output, ToolError};

use super::Stages;
use super::order::{self, Begun, Permits};
use crate::clock::LazyNow;
use crate::layers::{BreakerGuard, Caching, Looked, RetainedPermits, TimeLeft};

pub(super) type Answer = Result<Output, ToolError>;

/// A call of a tool behind its stages.
pub(super) struct Run<'a> {
    stages: &'a Arc<Stages>,
    /// `None` from the first poll on.
    new: Option<Call>,
    rest: Rest<'a>,
}

/// What a call goes on as that was not ready at its first poll.
pub(super) type Rest<'a> = Option<BoxFuture<'a, Answer>>;

impl<'a> Run<'a> {
    pub(super) const fn new(stages: &'a Arc<Stages>, call: Call) -> Self {
        Self { stages, new: Some(call), rest: None }
    }

    /// A call that is run by `future`.
    pub(super) fn boxed(stages: &'a Arc<Stages>, future: impl Future<Output = Answer> + Send + 'a) -> Self {
        Self { stages, new: None, rest: Some(Box::pin(future)) }
    }
}

impl Future for Run<'_> {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let Self { stages, new, rest } = &mut *self;
        match (new.take(), rest) {
            (Some(call), rest) => order::look_up(stages, call, rest, cx),
            (None, Some(rest)) => rest.as_mut().poll(cx),
            (None, None) => Poll::Ready(Err(ToolError::new("the call was polled after its end"))),
        }
    }
}

/// The first poll of a call that the cache has no answer to. Others may come to wait for it, and then it may outlive the
/// caller that started it: what it needs is held by a counter of its own.
pub(super) fn load<'a>(
    stages: &'a Arc<Stages>,
    caching: &'a Caching,
    looked: Looked,
    now: Instant,
    call: Call,
    rest: &mut Rest<'a>,
    cx: &mut Context<'_>,
) -> Poll<Answer> {
    let stages = Arc::clone(stages);
    let run = move |call, began| {
        // The call is used where it was captured, so that it has no room of its own beside that.
        let mut new = Some((call, LazyNow::of(began)));
        async move {
            let mut rest = None;
            poll_fn(|cx| match (new.take(), &mut rest) {
                (Some((call, at)), rest) => stages.start(call, at, rest, cx),
                (None, Some(rest)) => rest.as_mut().poll(cx),
                (None, None) => Poll::Pending,
            })
            .await
        }
    };
    let mut load = caching.load(looked, now, call, run);
    let polled = Pin::new(&mut load).poll(cx);
    if polled.is_pending() {
        *rest = Some(Box::pin(load));
    }
    polled
}

/// Goes on with `next` in a box.
#[inline(never)]
fn go_on<'a>(
    next: impl Future<Output = Answer> + Send + 'a,
    rest: &mut Rest<'a>,
    cx: &mut Context<'_>,
) -> Poll<Answer> {
    rest.insert(Box::pin(next)).as_mut().poll(cx)
}

/// One attempt, with everything it holds; the fields are dropped in this order.
pub(super) struct Attempt<'a> {
    pub(super) future: BoxFuture<'a, Answer>,
    #[cfg(feature = "tracing")]
    pub(super) span: tracing::Span,
    pub(super) time: TimeLeft,
    pub(super) held: Option<BreakerGuard<'a, CountWindow>>,
    /// A tool that blocks may leave a thread behind, with which its permits stay.
    pub(super) retained: Option<Arc<RetainedPermits>>,
    pub(super) permits: Permits<'a>,
}

impl Attempt<'_> {
    #[inline(always)]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        let polled = match &self.retained {
            Some(retained) => RetainedPermits::during(&Arc::clone(retained), || self.poll_tool(cx)),
            None => self.poll_tool(cx),
        };
        if let Poll::Ready(answer) = &polled {
            if let Some(held) = self.held.take() {
                held.settle(answer);
            }
            self.permits.settle();
        }
        polled
    }

    #[inline(always)]
    fn poll_tool(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        #[cfg(feature = "tracing")]
        let _within = self.span.clone().entered();
        let Self { future, time, held, .. } = self;
        match held {
            Some(held) => held.polling(|| time.poll(future.as_mut(), cx)),
            None => time.poll(future.as_mut(), cx),
        }
    }
}

impl Stages {
    /// The first poll of a call behind the cache; what follows it, if something does, is put into `rest`.
    #[inline]
    pub(super) fn start<'a>(
        &'a self,
        call: Call,
        mut at: LazyNow,
        rest: &mut Rest<'a>,
        cx: &mut Context<'_>,
    ) -> Poll<Answer> {
        let (call, again) = self.admit(call, &mut at)?;
        let mut attempt = match self.begin(call, |call, at| self.free_permits(call, at), &mut at)? {
            Begun::Attempt(attempt) => attempt,
            Begun::Queued(call) => return go_on(self.queued(call, again), rest, cx),
        };
        match attempt.poll(cx) {
            Poll::Ready(answer) => match answer {
                Ok(_) => {
                    self.pay();
                    Poll::Ready(answer)
                }
                Err(_) if again.is_none() => Poll::Ready(answer),
                Err(_) => {
                    // With the permits that it retains, which the next attempt may need.
                    drop(attempt);
                    go_on(self.ended(answer, again), rest, cx)
                }
            },
            // It has been polled: whoever it waits for knows whom to wake.
            Poll::Pending => {
                *rest = Some(Box::pin(self.waiting(attempt, again)));
                Poll::Pending
            }
        }
    }

    /// Every attempt of a call, the first of which has to wait for its permits.
    async fn queued(&self, call: Call, again: Option<Call>) -> Answer {
        self.ended(self.attempt(call).await, again).await
    }

    /// The first attempt, which waits for its tool, and those that follow it.
    async fn waiting(&self, mut attempt: Attempt<'_>, again: Option<Call>) -> Answer {
        let answer = poll_fn(|cx| attempt.poll(cx)).await;
        drop(attempt);
        self.ended(answer, again).await
    }

    /// What follows when the first attempt has ended; `again` is the call, if there may be another.
    async fn ended(&self, answer: Answer, again: Option<Call>) -> Answer {
        match (answer, &self.retry, again) {
            (Err(error), Some(retry), Some(call)) => {
                retry.again(call, error, |call| self.attempt(call)).await
            }
            (answer, ..) => {
                if answer.is_ok() {
                    self.pay();
                }
                answer
            }
        }
    }

    /// One attempt, which waits for its permits if it has to.
    async fn attempt(&self, call: Call) -> Answer {
        let mut permits = None;
        let mut call = call;
        loop {
            let mut at = LazyNow::default();
            let free = |call: &Call, at: &mut LazyNow| permits.take().or_else(|| self.free_permits(call, at));
            match self.begin(call, free, &mut at)? {
                Begun::Attempt(mut attempt) => return poll_fn(|cx| attempt.poll(cx)).await,
                Begun::Queued(queued) => call = queued,
            }
            permits = Some(self.permits(&call).await?);
        }
    }

    #[inline]
    fn pay(&self) {
        if let Some(retry) = &self.retry {
            retry.pay();
        }
    }
}

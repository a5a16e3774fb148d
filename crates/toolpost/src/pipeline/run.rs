//! One call on its way through the stages behind the cache.
//!
//! Most calls find a seat free, and have their answer at the first poll. That path is written out, and in one piece:
//! every call takes it, and it holds nothing that it might need only later. A call that has to wait (for a seat, its tool,
//! or another attempt) goes on in a box.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use toolpost_breaker::CountWindow;
use toolpost_scheduler::rt::Permit;
use toolpost_tool::{BoxFuture, Call, Output, ToolError};

use super::Stages;
use crate::clock::{self, Moment};
use crate::layers::{Caching, Held, Kept, Looked, Time, marked_hit};

type Answer = Result<Output, ToolError>;

/// A call of a tool behind its stages.
pub(super) struct Run<'a> {
    stages: &'a Arc<Stages>,
    /// `None` from the first poll on.
    new: Option<Call>,
    rest: Rest<'a>,
}

/// What a call goes on as that was not ready at its first poll.
type Rest<'a> = Option<BoxFuture<'a, Answer>>;

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
            (Some(call), rest) => match &stages.caching {
                None => stages.start(call, Moment::default(), rest, cx),
                Some(caching) => {
                    let now = clock::now();
                    let mut hit = Poll::Pending;
                    match caching.look(&call, now, |output| hit = marked_hit(output)) {
                        Ok(()) => hit,
                        Err(looked) => load(stages, caching, looked, now, call, rest, cx),
                    }
                }
            },
            (None, Some(rest)) => rest.as_mut().poll(cx),
            (None, None) => Poll::Ready(Err(ToolError::new("the call was polled after its end"))),
        }
    }
}

/// The first poll of a call that the cache has no answer to. Others may come to wait for it, and then it may outlive the
/// caller that started it: what it needs is held by a counter of its own.
fn load<'a>(
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
        let mut new = Some((call, Moment::of(began)));
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

/// The seats of one attempt.
struct Pair<'a> {
    /// One of the tool's own.
    own: Option<Permit<'a>>,
    /// One of those that all tools share.
    shared: Option<Permit<'a>>,
}

/// One attempt, with everything it holds; the fields are dropped in this order.
struct Attempt<'a> {
    future: BoxFuture<'a, Answer>,
    #[cfg(feature = "tracing")]
    span: tracing::Span,
    time: Time,
    held: Option<Held<'a, CountWindow>>,
    /// A tool that blocks may leave a thread behind, with which its seats stay.
    kept: Option<Arc<Kept>>,
    seats: Pair<'a>,
}

impl Attempt<'_> {
    #[inline(always)]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        let polled = match &self.kept {
            Some(kept) => Kept::during(&Arc::clone(kept), || self.poll_tool(cx)),
            None => self.poll_tool(cx),
        };
        if let Poll::Ready(answer) = &polled {
            if let Some(held) = self.held.take() {
                held.settle(answer);
            }
            if let Some(seat) = self.seats.own.take() {
                seat.settle();
            }
            if let Some(seat) = self.seats.shared.take() {
                seat.settle();
            }
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
    fn start<'a>(
        &'a self,
        call: Call,
        mut at: Moment,
        rest: &mut Rest<'a>,
        cx: &mut Context<'_>,
    ) -> Poll<Answer> {
        if let Some(rates) = &self.rates {
            rates.check_at(&call, at.now())?;
        }
        let (call, again) = match &self.retry {
            Some(retry) => {
                let call = retry.begin(call);
                (call.clone(), Some(call))
            }
            None => (call, None),
        };
        self.peek(&call)?;
        let Some(seats) = self.free_seats(&call, &mut at) else {
            return go_on(self.queued(call, again), rest, cx);
        };
        let held = self.admit(&call, &mut at)?;
        let mut attempt = self.begin(call, seats, held, at);
        match attempt.poll(cx) {
            Poll::Ready(answer) => match answer {
                Ok(_) => {
                    self.pay();
                    Poll::Ready(answer)
                }
                Err(_) if again.is_none() => Poll::Ready(answer),
                Err(_) => {
                    // With the seats that it keeps, which the next attempt may need.
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

    /// The seats of one attempt if they are free.
    #[inline(always)]
    fn free_seats(&self, call: &Call, at: &mut Moment) -> Option<Pair<'_>> {
        let own = match &self.own_seats {
            Some(seats) => Some(seats.free(call, || at.now())?),
            None => None,
        };
        let shared = match &self.seats {
            Some(seats) => Some(seats.free(call, || at.now())?),
            None => None,
        };
        Some(Pair { own, shared })
    }

    #[inline]
    fn peek(&self, call: &Call) -> Result<(), ToolError> {
        match &self.guard {
            Some(guard) => guard.peek(call),
            None => Ok(()),
        }
    }

    /// The breaker's permit for one attempt.
    #[inline(always)]
    fn admit(&self, call: &Call, at: &mut Moment) -> Result<Option<Held<'_, CountWindow>>, ToolError> {
        match &self.guard {
            Some(guard) => guard.admit(call, || at.now()).map(Some),
            None => Ok(None),
        }
    }

    /// An attempt that has all it needs.
    #[inline(always)]
    fn begin<'a>(
        &'a self,
        call: Call,
        mut seats: Pair<'a>,
        held: Option<Held<'a, CountWindow>>,
        mut at: Moment,
    ) -> Attempt<'a> {
        let kept = self.spec.policy().blocking.then(|| Kept::new([seats.own.take(), seats.shared.take()]));
        let (call, time) = match self.time {
            Some(limit) => limit.begin(call, at.now()),
            None => (call, Time::ENDLESS),
        };
        #[cfg(feature = "tracing")]
        let span = crate::observers::span(&call, self.spec.name());
        Attempt {
            #[cfg(feature = "tracing")]
            future: span.in_scope(|| self.tool.call_boxed(call)),
            #[cfg(not(feature = "tracing"))]
            future: self.tool.call_boxed(call),
            #[cfg(feature = "tracing")]
            span,
            time,
            held,
            kept,
            seats,
        }
    }

    #[inline]
    fn pay(&self) {
        if let Some(retry) = &self.retry {
            retry.pay();
        }
    }

    /// Every attempt of a call, the first of which has to wait its turn.
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

    async fn attempt(&self, call: Call) -> Answer {
        self.peek(&call)?;
        let own = match &self.own_seats {
            Some(seats) => Some(seats.take(&call).await?),
            None => None,
        };
        let shared = match &self.seats {
            Some(seats) => Some(seats.take(&call).await?),
            None => None,
        };
        let mut at = Moment::default();
        let held = self.admit(&call, &mut at)?;
        let mut attempt = self.begin(call, Pair { own, shared }, held, at);
        poll_fn(|cx| attempt.poll(cx)).await
    }
}

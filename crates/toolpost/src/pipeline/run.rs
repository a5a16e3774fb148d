//! One call on its way through the stages behind the cache.
//!
//! Most calls find a seat free, and have their answer at the first poll. That path is written out, and in one piece:
//! every call takes it, and it holds nothing that it might need only later. A call that has to wait (for a seat, its tool,
//! or another attempt) goes on in a box.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use toolpost_breaker::CountWindow;
use toolpost_scheduler::rt::Seat;
use toolpost_tool::{BoxFuture, Call, Output, ToolError};

use super::Stages;
use crate::clock::Moment;
use crate::layers::{Caching, Held, Kept, Looked, Time};

type Answer = Result<Output, ToolError>;

/// A call of a tool behind its stages.
pub(super) struct Run<'a> {
    stages: &'a Stages,
    state: State<'a>,
}

enum State<'a> {
    /// Not polled yet; `None` afterwards.
    New(Option<Call>),
    /// There was an answer from the start; `None` once it was given.
    Ended(Option<Output>),
    /// Not polled yet; `None` afterwards.
    Missed(Option<Missed<'a>>),
    Boxed(BoxFuture<'a, Answer>),
}

/// A call that has been looked up in vain.
pub(super) struct Missed<'a> {
    pub(super) caching: &'a Caching,
    pub(super) looked: Looked,
    pub(super) call: Call,
    /// For a load that others may come to wait for.
    pub(super) run: Arc<Stages>,
}

impl<'a> Run<'a> {
    /// A call that nobody has an answer to.
    pub(super) const fn new(stages: &'a Stages, call: Call) -> Self {
        Self { stages, state: State::New(Some(call)) }
    }

    /// A call with its answer.
    pub(super) const fn ended(stages: &'a Stages, output: Output) -> Self {
        Self { stages, state: State::Ended(Some(output)) }
    }

    /// A call that the cache has no answer to.
    pub(super) const fn missed(stages: &'a Stages, missed: Missed<'a>) -> Self {
        Self { stages, state: State::Missed(Some(missed)) }
    }

    /// A call that is run by `future`.
    pub(super) fn boxed(stages: &'a Stages, future: impl Future<Output = Answer> + Send + 'a) -> Self {
        Self { stages, state: State::Boxed(Box::pin(future)) }
    }

    /// The first poll.
    #[inline]
    fn start(&mut self, call: Call, cx: &mut Context<'_>) -> Poll<Answer> {
        let (stages, mut at) = (self.stages, Moment::default());
        if let Some(rates) = &stages.rates {
            rates.check_at(&call, at.now())?;
        }
        let (call, again) = match &stages.retry {
            Some(retry) => {
                let call = retry.begin(call);
                (call.clone(), Some(call))
            }
            None => (call, None),
        };
        let Some(seats) = stages.free_seats(&call, &mut at)? else {
            return self.go_on(stages.queued(call, again), cx);
        };
        let mut attempt = stages.begin(call, seats, at)?;
        match attempt.poll(cx) {
            Poll::Ready(answer) => match answer {
                Ok(_) => {
                    stages.pay();
                    Poll::Ready(answer)
                }
                Err(_) if again.is_none() => Poll::Ready(answer),
                Err(_) => self.go_on(stages.ended(answer, again), cx),
            },
            // It has been polled: whoever it waits for knows whom to wake.
            Poll::Pending => {
                self.state = State::Boxed(Box::pin(stages.waiting(attempt, again)));
                Poll::Pending
            }
        }
    }

    /// The first poll of a call that the cache has no answer to.
    fn load(&mut self, missed: Missed<'a>, cx: &mut Context<'_>) -> Poll<Answer> {
        let Missed { caching, looked, call, run } = missed;
        let mut load = caching.miss(looked, call, move |call| async move { Run::new(&run, call).await });
        let polled = Pin::new(&mut load).poll(cx);
        if polled.is_pending() {
            self.state = State::Boxed(Box::pin(load));
        }
        polled
    }

    #[inline(never)]
    fn go_on(
        &mut self,
        rest: impl Future<Output = Answer> + Send + 'a,
        cx: &mut Context<'_>,
    ) -> Poll<Answer> {
        let mut rest: BoxFuture<'a, Answer> = Box::pin(rest);
        let polled = rest.as_mut().poll(cx);
        self.state = State::Boxed(rest);
        polled
    }
}

impl Future for Run<'_> {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let over = || Poll::Ready(Err(ToolError::new("the call was polled after its end")));
        match &mut self.state {
            State::New(call) => match call.take() {
                Some(call) => self.start(call, cx),
                None => over(),
            },
            State::Missed(missed) => match missed.take() {
                Some(missed) => self.load(missed, cx),
                None => over(),
            },
            State::Ended(output) => output.take().map_or_else(over, |output| Poll::Ready(Ok(output))),
            State::Boxed(future) => future.as_mut().poll(cx),
        }
    }
}

/// The seats of one attempt.
struct Pair<'a> {
    /// One of the tool's own.
    own: Option<Seat<'a>>,
    /// One of those that all tools share.
    shared: Option<Seat<'a>>,
}

/// One attempt, with everything it holds; the fields are dropped in this order.
struct Attempt<'a> {
    future: BoxFuture<'a, Answer>,
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
        let Self { future, time, held, .. } = self;
        match held {
            Some(held) => held.polling(|| time.poll(future.as_mut(), cx)),
            None => time.poll(future.as_mut(), cx),
        }
    }
}

impl Stages {
    /// The seats of one attempt if they are free, and an error if its breaker is open.
    #[inline(always)]
    fn free_seats(&self, call: &Call, at: &mut Moment) -> Result<Option<Pair<'_>>, ToolError> {
        self.peek(call)?;
        let mut pair = Pair { own: None, shared: None };
        if let Some(seats) = &self.own_seats {
            pair.own = seats.free(call, || at.now());
        }
        if let Some(seats) = &self.seats {
            pair.shared = seats.free(call, || at.now());
        }
        let has_all =
            pair.own.is_some() == self.own_seats.is_some() && pair.shared.is_some() == self.seats.is_some();
        Ok(has_all.then_some(pair))
    }

    #[inline]
    fn peek(&self, call: &Call) -> Result<(), ToolError> {
        match &self.guard {
            Some(guard) => guard.peek(call),
            None => Ok(()),
        }
    }

    /// An attempt that has its seats.
    #[inline(always)]
    fn begin<'a>(
        &'a self,
        call: Call,
        mut seats: Pair<'a>,
        mut at: Moment,
    ) -> Result<Attempt<'a>, ToolError> {
        let kept = self.spec.policy().blocking.then(|| Kept::new([seats.own.take(), seats.shared.take()]));
        let held = match &self.guard {
            Some(guard) => Some(guard.admit(&call, || at.now())?),
            None => None,
        };
        let (call, time) = match self.time {
            Some(limit) => limit.begin(call, at.now()),
            None => (call, Time::ENDLESS),
        };
        Ok(Attempt { future: self.tool.call_boxed(call), time, held, kept, seats })
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
        let mut attempt = self.begin(call, Pair { own, shared }, Moment::default())?;
        poll_fn(|cx| attempt.poll(cx)).await
    }
}

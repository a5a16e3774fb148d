//! A load under way, and what it comes to.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;
use tokio::task::coop::{Unconstrained, unconstrained};
use tokio::time::{Sleep, sleep_until};

use super::now;
use super::outcome::{LoadError, LoadOutcome, Loaded, Source};
use crate::cache::Lookup;
use crate::entry::CacheEntry;
use crate::generations::Epoch;

/// What is stored: an answer, or a failure that the question would meet again.
pub(super) type Stored<V, E> = Result<V, E>;

/// What a caller receives.
pub(super) type Answered<V, E> = Result<Loaded<V>, LoadError<E>>;

/// What a flight carries.
pub(super) type FlightValue<V, E> = Result<Found<V>, LoadError<E>>;

#[derive(Clone)]
pub(super) struct Found<V> {
    pub(super) value: V,
    pub(super) source: Source,
}

/// What a flight has come to.
pub(super) enum Flown<V, E> {
    /// To nothing that would have to be kept: an answer was there already, or looking for it took too long.
    Settled(FlightValue<V, E>),
    /// To the outcome of a load.
    Ended(LoadOutcome<V, E>, Begun),
    /// To nothing, for the load took longer than its limit, which was this.
    Late(Duration, Begun),
}

/// How a load began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    pub(super) is_refresh: bool,
    pub(super) at: Instant,
    pub(super) epoch: Epoch,
}

pin_project! {
    /// A load until its end.
    pub(super) struct Loads<F> {
        #[pin]
        load: Within<F>,
        begun: Begun,
    }
}

impl<F> Loads<F> {
    pub(super) const fn new(load: F, limit: Duration, begun: Begun) -> Self {
        Self { load: Within::new(limit, load), begun }
    }
}

impl<V, E, F: Future<Output = LoadOutcome<V, E>>> Future for Loads<F> {
    type Output = Flown<V, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (limit, this) = (self.load.limit, self.project());
        this.load.poll(cx).map(|outcome| match outcome {
            Some(outcome) => Flown::Ended(outcome, *this.begun),
            None => Flown::Late(limit, *this.begun),
        })
    }
}

pin_project! {
    /// The output of `work`, unless it takes longer than `limit` after its first poll. What ends there has no timer.
    pub(super) struct Within<F> {
        #[pin]
        work: F,
        limit: Duration,
        timer: Option<Pin<Box<Unconstrained<Sleep>>>>,
    }
}

impl<F> Within<F> {
    pub(super) const fn new(limit: Duration, work: F) -> Self {
        Self { work, limit, timer: None }
    }
}

impl<F: Future> Future for Within<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.work.poll(cx) {
            return Poll::Ready(Some(output));
        }
        if this.timer.is_none() {
            // `unconstrained`: otherwise tokio's coop budget could keep the timer from firing.
            let sleep = |end: Instant| Box::pin(unconstrained(sleep_until(end.into())));
            *this.timer = now().checked_add(*this.limit).map(sleep);
        }
        let Some(timer) = this.timer else { return Poll::Pending };
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(None)
    }
}

/// What may be served of what a look-up has found.
pub(super) fn found_in<V: Clone, E: Clone>(look: &Lookup<Stored<V, E>>) -> Option<FlightValue<V, E>> {
    match look {
        Lookup::Fresh(entry) => Some(found(entry, Source::Fresh)),
        Lookup::Stale(entry) => Some(found(entry, Source::Stale)),
        Lookup::StaleIfError(_) | Lookup::Miss => None,
    }
}

pub(super) fn found<V: Clone, E: Clone>(
    entry: &CacheEntry<Stored<V, E>>,
    source: Source,
) -> FlightValue<V, E> {
    match entry.value() {
        Ok(value) => Ok(Found { value: value.clone(), source }),
        Err(error) => Err(LoadError::Rejected(error.clone())),
    }
}

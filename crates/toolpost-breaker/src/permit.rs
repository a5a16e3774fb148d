//! The permission to make one call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::breaker::Breaker;
use crate::policy::{CallOutcome, FailurePolicy};
use crate::word;

/// The permission to make one call. Tell it how the call went.
///
/// Dropped without a word, it counts neither way; if it was a probe, its place is free again and the next caller
/// probes. Whoever can tell the time should call [`abandon`](Self::abandon) instead, so that a call which hung until
/// its caller gave up counts as slow.
#[derive(Debug)]
#[must_use = "a permit that is dropped counts neither as success nor as failure"]
pub struct Permit<'a, P: FailurePolicy> {
    breaker: &'a Breaker<P>,
    ticket: Ticket,
}

/// A [`Permit`] that keeps its breaker alive, for calls that outlive their caller.
#[derive(Debug)]
#[must_use = "a permit that is dropped counts neither as success nor as failure"]
pub struct OwnedPermit<P: FailurePolicy> {
    breaker: Arc<Breaker<P>>,
    ticket: Ticket,
}

/// When, and in which state of the breaker, a call was admitted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    /// The breaker's word at admission, or `SETTLED`.
    pub(crate) bits: u64,
    pub(crate) admitted: Instant,
}

/// No word is all ones: there is no such phase.
const SETTLED: u64 = u64::MAX;

impl Ticket {
    #[inline]
    fn take(&mut self) -> Self {
        Self { bits: std::mem::replace(&mut self.bits, SETTLED), admitted: self.admitted }
    }

    /// Its word, if it holds the place of a probe, perhaps.
    #[inline]
    fn probing(self) -> Option<u64> {
        (self.bits != SETTLED && !word::is_closed(self.bits)).then_some(self.bits)
    }
}

impl<'a, P: FailurePolicy> Permit<'a, P> {
    #[inline]
    pub(crate) const fn new(breaker: &'a Breaker<P>, ticket: Ticket) -> Self {
        Self { breaker, ticket }
    }

    /// Reports that the call went well.
    #[inline(always)]
    pub fn success(self, now: Instant) {
        self.settle(CallOutcome::Success, now, Duration::ZERO);
    }

    /// Reports that the call went well, and asks for the time only if it matters; see [`Breaker::admit_with`].
    #[inline]
    pub fn success_with(self, clock: impl FnOnce() -> Instant) {
        let now = if self.breaker.is_timeless(self.ticket) { self.ticket.admitted } else { clock() };
        self.success(now);
    }

    /// Reports that the call failed, and that the fault is not the caller's.
    #[inline(always)]
    pub fn failure(self, now: Instant) {
        self.settle(CallOutcome::Failure, now, Duration::ZERO);
    }

    /// Reports a failure that came with the wish to be left alone for a while.
    ///
    /// If this failure opens the breaker, it stays open at least that long, as far as
    /// [`BreakerSettings::retry_after_cap`](crate::BreakerSettings::retry_after_cap) allows.
    pub fn failure_retry_after(self, now: Instant, retry_after: Duration) {
        self.settle(CallOutcome::Failure, now, retry_after);
    }

    /// Reports that the outcome says nothing about what was called, such as a fault of the caller's own.
    pub fn ignore(self) {
        drop(self);
    }

    /// Reports that the caller gave up. Counts as slow if the call had become slow by then, and not otherwise.
    pub fn abandon(self, now: Instant) {
        self.settle(CallOutcome::Abandoned, now, Duration::ZERO);
    }

    #[inline(always)]
    fn settle(self, outcome: CallOutcome, now: Instant, retry_after: Duration) {
        let (breaker, ticket) = (self.breaker, self.ticket);
        // There is nothing left to give back.
        std::mem::forget(self);
        breaker.settle(ticket, outcome, now, retry_after);
    }
}

impl<P: FailurePolicy> Drop for Permit<'_, P> {
    #[inline]
    fn drop(&mut self) {
        if let Some(bits) = self.ticket.probing() {
            self.breaker.give_back(bits);
        }
    }
}

impl<P: FailurePolicy> OwnedPermit<P> {
    #[inline]
    pub(crate) const fn new(breaker: Arc<Breaker<P>>, ticket: Ticket) -> Self {
        Self { breaker, ticket }
    }

    /// Reports that the call went well.
    pub fn success(mut self, now: Instant) {
        self.borrowed().success(now);
    }

    /// Reports that the call failed, and that the fault is not the caller's.
    pub fn failure(mut self, now: Instant) {
        self.borrowed().failure(now);
    }

    /// Reports a failure that came with the wish to be left alone; see [`Permit::failure_retry_after`].
    pub fn failure_retry_after(mut self, now: Instant, retry_after: Duration) {
        self.borrowed().failure_retry_after(now, retry_after);
    }

    /// Reports that the outcome says nothing about what was called.
    pub fn ignore(self) {
        drop(self);
    }

    /// Reports that the caller gave up; see [`Permit::abandon`].
    pub fn abandon(mut self, now: Instant) {
        self.borrowed().abandon(now);
    }

    fn borrowed(&mut self) -> Permit<'_, P> {
        let ticket = self.ticket.take();
        Permit { breaker: &self.breaker, ticket }
    }
}

impl<P: FailurePolicy> Drop for OwnedPermit<P> {
    fn drop(&mut self) {
        if let Some(bits) = self.ticket.probing() {
            self.breaker.give_back(bits);
        }
    }
}

/// A permit whose call panicked if it is still there when this is dropped.
pub(crate) struct FailsIfDropped<'a, P: FailurePolicy, C: Fn() -> Instant> {
    pub(crate) permit: Option<Permit<'a, P>>,
    pub(crate) clock: &'a C,
}

impl<P: FailurePolicy, C: Fn() -> Instant> Drop for FailsIfDropped<'_, P, C> {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            permit.failure((self.clock)());
        }
    }
}

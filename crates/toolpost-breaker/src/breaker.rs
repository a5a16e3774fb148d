//! The state machine: who is admitted, and when it opens and closes.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::permit::{FailsIfDropped, OwnedPermit, Permit, Ticket};
use crate::policy::{CallOutcome, CallReport, FailurePolicy, Tally};
use crate::refusal::Rejected;
use crate::settings::BreakerSettings;
use crate::sync::{AtomicU64, Ordering};
use crate::transition::{BreakerState, Counts, Snapshot, Transition};
use crate::word::{self, Phase, Probes, Word};

/// A circuit breaker: admits calls while its policy is content, and refuses them for a while when it is not.
///
/// Every method takes `&self`; none blocks, reads a clock, allocates (but once, when it first leaves closed) or spins on
/// another thread's progress. Times are kept to the millisecond, and rounded so that nothing is let through too early.
///
/// What hangs is found out too: a caller that gives up says so, and after enough of that nobody waits any more.
///
/// ```
/// use std::time::{Duration, Instant};
/// use toolpost_breaker::{Breaker, BreakerState, CountWindow};
///
/// let start = Instant::now();
/// let policy = CountWindow::new(10, 50).min_calls(2).slow(Duration::from_secs(5), 50);
/// let breaker = Breaker::new(policy, start);
/// for _ in 0..2 {
///     let permit = breaker.admit(start).expect("closed");
///     // ... the call hangs, and its caller gives up after 30 seconds ...
///     permit.abandon(start + Duration::from_secs(30));
/// }
/// assert_eq!(breaker.state(), BreakerState::Open);
/// ```
#[derive(Debug)]
pub struct Breaker<P> {
    /// The whole state; see [`Word`]. Whoever swaps it performs the transition.
    word: AtomicU64,
    /// The millisecond in which the last probe was admitted. Written before the probe is, so it is never too old.
    last_probe: AtomicU64,
    seed: u64,
    settings: Arc<BreakerSettings>,
    /// Made when it first leaves closed, or is given a name: most breakers never do, and there may be a million.
    rare: OnceLock<Box<Rare>>,
    policy: P,
}

/// What few breakers have.
#[derive(Debug, Default)]
struct Rare {
    name: Option<Arc<str>>,
    counted: Counts,
}

/// What admitting a call would take.
enum Step {
    Pass,
    Probe { next: Word, gives_up: bool },
}

impl<P: FailurePolicy> Breaker<P> {
    /// Begins closed, with the default [`BreakerSettings`].
    pub fn new(policy: P, now: Instant) -> Self {
        Self::with_settings(policy, BreakerSettings::new(now))
    }

    /// Begins closed, with these settings, which many breakers may share.
    pub fn with_settings(policy: P, settings: impl Into<Arc<BreakerSettings>>) -> Self {
        let settings = settings.into();
        Self {
            word: AtomicU64::new(Word::NEW.pack()),
            last_probe: AtomicU64::new(0),
            seed: settings.next_seed(),
            settings,
            rare: OnceLock::new(),
            policy,
        }
    }

    /// Gives it a name, which its [transitions](Transition::name) carry: listeners are often shared by many breakers.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        let rare = Rare { name: Some(name.into()), ..Rare::default() };
        self.rare = OnceLock::from(Box::new(rare));
        self
    }

    /// The name, if it was given one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.rare.get()?.name.as_deref()
    }

    /// Asks for the permission to make one call.
    ///
    /// # Errors
    ///
    /// [`Rejected`] while open, or while half-open with all probes given out; it says when to come back.
    #[inline(always)]
    pub fn admit(&self, now: Instant) -> Result<Permit<'_, P>, Rejected> {
        let bits = self.enter(now)?;
        Ok(Permit::new(self, Ticket { bits, admitted: now }))
    }

    /// Asks for the permission to make one call, and for the time only if it matters: a closed breaker whose policy does
    /// not [need](FailurePolicy::needs_time) it never asks.
    ///
    /// # Errors
    ///
    /// As [`admit`](Self::admit).
    #[inline]
    pub fn admit_with(&self, clock: impl FnOnce() -> Instant) -> Result<Permit<'_, P>, Rejected> {
        let bits = self.word.load(Ordering::Acquire);
        if word::is_closed(bits) && !self.policy.needs_time() {
            // Any time will do.
            return Ok(Permit::new(self, Ticket { bits, admitted: self.settings.start }));
        }
        self.admit(clock())
    }

    /// Whether a success with this ticket needs no time.
    #[inline]
    pub(crate) fn is_timeless(&self, ticket: Ticket) -> bool {
        word::is_closed(ticket.bits) && !self.policy.needs_time()
    }

    /// Asks for the permission to make one call that may outlive the borrow.
    ///
    /// # Errors
    ///
    /// As [`admit`](Self::admit).
    #[inline]
    pub fn admit_owned(self: &Arc<Self>, now: Instant) -> Result<OwnedPermit<P>, Rejected> {
        let bits = self.enter(now)?;
        Ok(OwnedPermit::new(Arc::clone(self), Ticket { bits, admitted: now }))
    }

    /// Makes one call if it is admitted, and reports how it went: `Err` counts as a failure, and so does a panic.
    ///
    /// `clock` is asked before the call and after it.
    ///
    /// ```
    /// use std::time::Instant;
    /// use toolpost_breaker::{Breaker, Consecutive, Rejected};
    ///
    /// let breaker = Breaker::new(Consecutive::new(2), Instant::now());
    /// let answer = breaker.call(Instant::now, || "12".parse::<u32>())?;
    /// assert_eq!(answer, Ok(12));
    /// # Ok::<_, Rejected>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`admit`](Self::admit); what `run` answers is inside.
    pub fn call<T, E>(
        &self,
        clock: impl Fn() -> Instant,
        run: impl FnOnce() -> Result<T, E>,
    ) -> Result<Result<T, E>, Rejected> {
        let mut failing = FailsIfDropped { permit: Some(self.admit(clock())?), clock: &clock };
        let answer = run();
        if let Some(permit) = failing.permit.take() {
            match &answer {
                Ok(_) => permit.success(clock()),
                Err(_) => permit.failure(clock()),
            }
        }
        Ok(answer)
    }

    /// Tells whether a call would be admitted, and takes nothing: worth asking before queueing for something else.
    ///
    /// # Errors
    ///
    /// As [`admit`](Self::admit).
    #[inline]
    pub fn peek(&self, now: Instant) -> Result<(), Rejected> {
        let bits = self.word.load(Ordering::Acquire);
        if word::is_closed(bits) {
            return Ok(());
        }
        match self.consider(Word::unpack(bits), now, false) {
            Ok(_) => Ok(()),
            Err(rejected) => Err(self.refused(rejected)),
        }
    }

    /// As [`peek`](Self::peek), and asks for the time only if it matters: not of a closed breaker.
    ///
    /// # Errors
    ///
    /// As [`admit`](Self::admit).
    #[inline]
    pub fn peek_with(&self, clock: impl FnOnce() -> Instant) -> Result<(), Rejected> {
        match word::is_closed(self.word.load(Ordering::Acquire)) {
            true => Ok(()),
            false => self.peek(clock()),
        }
    }

    /// The state. An open breaker whose time has come stays so until the next call makes it half-open.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        Word::unpack(self.word.load(Ordering::Acquire)).phase.into()
    }

    /// Looks at the breaker at this moment: its state, its window, and what it did since it was made.
    #[must_use]
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let word = Word::unpack(self.word.load(Ordering::Acquire));
        let mut snapshot = Snapshot {
            state: word.phase.into(),
            generation: word.generation,
            window: Tally::default(),
            retry_after: None,
            probes: 0,
            openings: 0,
            refused: 0,
            opened: 0,
            probed: 0,
            given_up: 0,
        };
        if let Some(rare) = self.rare.get() {
            rare.counted.read(&mut snapshot);
        }
        match word.phase {
            Phase::Closed => snapshot.window = self.policy.tally(word.generation, self.settings.elapsed(now)),
            Phase::Open { until } => {
                snapshot.retry_after =
                    word::millis_left(until, self.settings.millis(now)).map(Duration::from_millis);
                snapshot.openings = word.attempt + 1;
            }
            Phase::HalfOpen(probes) => {
                snapshot.probes = probes.out;
                snapshot.openings = word.attempt + 1;
            }
            Phase::ForcedOpen | Phase::ForcedClosed => {}
        }
        snapshot
    }

    /// The policy that judges.
    pub const fn policy(&self) -> &P {
        &self.policy
    }

    /// Refuses every call from now on, until [`reset`](Self::reset).
    pub fn force_open(&self, now: Instant) {
        self.force(Phase::ForcedOpen, now);
    }

    /// Admits every call from now on and learns nothing from it, until [`reset`](Self::reset).
    pub fn force_closed(&self, now: Instant) {
        self.force(Phase::ForcedClosed, now);
    }

    /// Closes, from any state, with an empty window. Calls still under way count for nothing.
    pub fn reset(&self, now: Instant) {
        self.force(Phase::Closed, now);
    }

    /// The word with which the call is admitted.
    #[inline(always)]
    fn enter(&self, now: Instant) -> Result<u64, Rejected> {
        let bits = self.word.load(Ordering::Acquire);
        if word::is_closed(bits) {
            return Ok(bits);
        }
        // An open breaker is asked often: before the general case.
        if let Some(until) = word::open_until(bits)
            && let Some(left) = word::millis_left(until, self.settings.millis(now))
        {
            return Err(self.refused(Rejected::open(left)));
        }
        self.enter_as_probe(bits, now)
    }

    #[inline(never)]
    fn enter_as_probe(&self, mut bits: u64, now: Instant) -> Result<u64, Rejected> {
        // Whose probes this call has found overdue: it has written down a newer one since, and may have to look again.
        let mut overdue = None;
        loop {
            let seen = Word::unpack(bits);
            let is_overdue = overdue == Some((seen.generation, seen.attempt));
            let (next, gives_up) = match self.consider(seen, now, is_overdue) {
                Ok(Step::Pass) => return Ok(bits),
                Ok(Step::Probe { next, gives_up }) => (next, gives_up),
                Err(rejected) => return Err(self.refused(rejected)),
            };
            if gives_up {
                overdue = Some((seen.generation, seen.attempt));
            }
            // Before the swap: whoever sees the probe sees when it was admitted.
            self.last_probe.fetch_max(self.settings.millis(now), Ordering::AcqRel);
            match self.swap(bits, next) {
                Ok(()) => {
                    self.rare().counted.probe(gives_up);
                    // A listener that panics leaves nobody to make this call.
                    let place = Permit::new(self, Ticket { bits: next.pack(), admitted: now });
                    self.tell(seen, next, now, None);
                    std::mem::forget(place);
                    return Ok(next.pack());
                }
                Err(actual) => bits = actual,
            }
        }
    }

    /// What it takes to admit a call in this state, whose probes are overdue in any case or if they are.
    fn consider(&self, word: Word, now: Instant, overdue: bool) -> Result<Step, Rejected> {
        match word.phase {
            Phase::Closed | Phase::ForcedClosed => Ok(Step::Pass),
            Phase::Open { until } => match word::millis_left(until, self.settings.millis(now)) {
                Some(left) => Err(Rejected::open(left)),
                None => {
                    let first = Probes { out: 1, ..Probes::default() };
                    let next = word.then(Phase::HalfOpen(first), word.attempt);
                    Ok(Step::Probe { next, gives_up: false })
                }
            },
            Phase::HalfOpen(probes) if probes.taken() < self.settings.stage_size(probes.stage) => {
                let one_more = Probes { out: probes.out + 1, ..probes };
                Ok(Step::Probe { next: word.with(Phase::HalfOpen(one_more)), gives_up: false })
            }
            Phase::HalfOpen(probes) => {
                let waited =
                    self.settings.millis(now).saturating_sub(self.last_probe.load(Ordering::Acquire));
                match self.settings.patience_millis().checked_sub(waited) {
                    Some(left) if 0 < left && !overdue => Err(self.probing(left)),
                    _ => {
                        let anew = Phase::HalfOpen(Probes { out: 1, ..probes });
                        Ok(Step::Probe { next: word.once_more(anew), gives_up: true })
                    }
                }
            }
            Phase::ForcedOpen => Err(Rejected::forced_open(self.settings.open_time.longest)),
        }
    }

    /// Counts a refusal.
    #[inline]
    fn refused(&self, rejected: Rejected) -> Rejected {
        // It is there: the breaker has left closed.
        if let Some(rare) = self.rare.get() {
            rare.counted.refused();
        }
        rejected
    }

    #[inline(always)]
    pub(crate) fn settle(&self, ticket: Ticket, outcome: CallOutcome, now: Instant, retry_after: Duration) {
        let generation = word::generation(ticket.bits);
        if word::is_closed(ticket.bits) {
            let (settings, word) = (&*self.settings, &self.word);
            let report = CallReport { outcome, generation, admitted: ticket.admitted, now, settings, word };
            if self.policy.record(&report) {
                self.open(generation, now, retry_after);
            }
        } else {
            self.settle_probe(ticket, outcome, now, retry_after);
        }
    }

    /// Opens, if it is still closed and in this generation.
    #[cold]
    #[inline(never)]
    fn open(&self, generation: u32, now: Instant, retry_after: Duration) {
        let bits = self.word.load(Ordering::Acquire);
        if word::is_closed(bits) && word::generation(bits) == generation {
            let seen = Word::unpack(bits);
            let (next, open_for) = self.opened(seen, 0, now, retry_after);
            // A failed swap means that someone else ended this generation.
            if self.swap(bits, next).is_ok() {
                self.tell(seen, next, now, Some(open_for));
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn settle_probe(&self, ticket: Ticket, outcome: CallOutcome, now: Instant, retry_after: Duration) {
        let slow = self.policy.is_slow(now.saturating_duration_since(ticket.admitted));
        let won = match outcome {
            CallOutcome::Success => !slow,
            CallOutcome::Failure => false,
            CallOutcome::Abandoned if slow => false,
            CallOutcome::Abandoned => return self.give_back(ticket.bits),
        };
        self.change_probes(ticket.bits, |seen, mut probes| {
            probes.won += u16::from(won);
            probes.lost += u16::from(!won);
            let size = self.settings.stage_size(probes.stage);
            if self.settings.tolerated(probes.stage) < probes.lost {
                let (next, open_for) = self.opened(seen, seen.attempt + 1, now, retry_after);
                (next, Some((now, Some(open_for))))
            } else if probes.won + probes.lost < size {
                (seen.with(Phase::HalfOpen(probes)), None)
            } else if probes.stage + 1 < self.settings.ramp {
                // Beside one that was given up and came to an end after all, others may still be out.
                let next = Probes { stage: probes.stage + 1, out: probes.out, won: 0, lost: 0 };
                (seen.with(Phase::HalfOpen(next)), None)
            } else {
                (seen.then(Phase::Closed, 0), Some((now, None)))
            }
        });
    }

    /// Frees the place of a probe that has nothing to report.
    #[cold]
    #[inline(never)]
    pub(crate) fn give_back(&self, ticket: u64) {
        self.change_probes(ticket, |seen, probes| (seen.with(Phase::HalfOpen(probes)), None));
    }

    /// Changes the probes of this ticket's generation, or nothing if it is over; with the place of the ticket free, unless
    /// that was given up before.
    fn change_probes(
        &self,
        ticket: u64,
        step: impl Fn(Word, Probes) -> (Word, Option<(Instant, Option<Duration>)>),
    ) {
        let mut bits = self.word.load(Ordering::Acquire);
        loop {
            let seen = Word::unpack(bits);
            let Phase::HalfOpen(mut probes) = seen.phase else { return };
            if seen.generation != word::generation(ticket) {
                return;
            }
            if seen.attempt == word::attempt(ticket) {
                probes.out = probes.out.saturating_sub(1);
            }
            let (next, event) = step(seen, probes);
            match self.swap(bits, next) {
                Ok(()) => {
                    if let Some((now, open_for)) = event {
                        self.tell(seen, next, now, open_for);
                    }
                    return;
                }
                Err(actual) => bits = actual,
            }
        }
    }

    #[cold]
    fn force(&self, phase: Phase, now: Instant) {
        let mut bits = self.word.load(Ordering::Acquire);
        loop {
            let seen = Word::unpack(bits);
            let next = seen.then(phase, 0);
            match self.swap(bits, next) {
                Ok(()) => return self.tell(seen, next, now, None),
                Err(actual) => bits = actual,
            }
        }
    }

    /// The open state that follows, and how long it lasts.
    fn opened(&self, seen: Word, attempt: u8, now: Instant, retry_after: Duration) -> (Word, Duration) {
        // Opening once more is two generations later, so this is the same for all openings between two closings, as long
        // as no probe is given up.
        let episode = u64::from(seen.generation).wrapping_sub(2 * u64::from(attempt));
        let open_for = self.settings.open_for(attempt, self.seed.wrapping_add(episode), retry_after);
        let until = self.settings.millis_up(now, open_for);
        (seen.then(Phase::Open { until }, attempt), open_for)
    }

    fn probing(&self, patience_left: u64) -> Rejected {
        let guess = self.settings.open_time.first.min(Duration::from_secs(1));
        Rejected::half_open(guess.min(Duration::from_millis(patience_left)))
    }

    fn rare(&self) -> &Rare {
        self.rare.get_or_init(Box::default)
    }

    fn swap(&self, seen: u64, next: Word) -> Result<(), u64> {
        self.word.compare_exchange(seen, next.pack(), Ordering::AcqRel, Ordering::Acquire).map(drop)
    }

    /// Tells of a transition, if it is one.
    fn tell(&self, from: Word, to: Word, now: Instant, open_for: Option<Duration>) {
        if from.generation != to.generation {
            let rare = self.rare();
            if open_for.is_some() {
                rare.counted.opened();
            }
            self.settings.tell(|| Transition::new(from, to, now, open_for, rare.name.clone()));
        }
    }
}

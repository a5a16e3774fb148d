//! Urgency on loan: a call that waits for another's work makes that work as urgent as itself.

use std::sync::{Arc, LazyLock, OnceLock};

use toolpost_scheduler::Urgency;
use toolpost_scheduler::rt::{Lift, Lifts, Loan};
use toolpost_tool::{Call, Priority};

use crate::layers::{class, urgency};

/// One for the process, since a flight of one tool may wait for that of another.
static LIFTS: LazyLock<Lifts> = LazyLock::new(Lifts::new);

tokio::task_local! {
    /// The shared work that what runs now is part of.
    static CURRENT: Work;
}

enum Work {
    Lifted(Arc<Lift>),
    Flight(Flight),
}

/// Work that several callers may come to wait for: a coalesced call, say. It is as urgent as the most urgent of them.
///
/// Whoever starts the work makes one of the call that led to it, and runs the work by it; whoever joins lends it the
/// urgency of the call that waits. A seat that the work queues for (see [`Seats`](crate::layers::Seats)) moves forward
/// at once, and back when the one who lent leaves. Work that waits for other such work passes on what it was lent.
#[derive(Clone, Debug)]
pub struct Lifted(Arc<Lift>);

/// What one caller lends to the work it waits for; taken back when dropped.
#[derive(Debug)]
#[must_use = "a loan that is dropped is taken back"]
pub struct Lent {
    _loan: Loan,
    _own: Lift,
    /// What the work that the caller is part of lends to the caller.
    _through: Option<Loan>,
}

impl Lifted {
    /// Work that is as urgent as `call`, for a start.
    #[must_use]
    pub fn new(call: &Call) -> Self {
        Self(Arc::new(LIFTS.lift(urgency(call))))
    }

    /// Gives the work another priority of its own, for those that lend by other means than [`lend`](Self::lend).
    pub fn set_priority(&self, priority: Priority) {
        self.0.set(Urgency::new(class(priority)));
    }

    /// Runs `work` as what is waited for.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `work`.
    pub async fn run<F: Future>(&self, work: F) -> F::Output {
        CURRENT.scope(Work::Lifted(Arc::clone(&self.0)), work).await
    }

    /// Lends the urgency of `call`, which waits for this work, for as long as the result is kept.
    pub fn lend(&self, call: &Call) -> Lent {
        let own = LIFTS.lift(urgency(call));
        let through = current().map(|waiter| waiter.lend(&own));
        Lent { _loan: own.lend(&self.0), _own: own, _through: through }
    }
}

/// A flight of the cache, which its waiters lift; it takes part in lending once it has to queue, and most never do.
pub(crate) struct Flight {
    waiters: toolpost_cache::Lift<Priority>,
    own: Urgency,
    lift: OnceLock<Arc<Lift>>,
}

impl Flight {
    /// A flight that is as urgent as `call`, for a start.
    pub(crate) fn new(waiters: toolpost_cache::Lift<Priority>, call: &Call) -> Self {
        Self { waiters, own: urgency(call), lift: OnceLock::new() }
    }

    /// Runs `work` as what is waited for.
    pub(crate) fn run<F: Future>(self, work: F) -> impl Future<Output = F::Output> + use<F> {
        CURRENT.scope(Work::Flight(self), work)
    }

    fn lift(&self) -> Arc<Lift> {
        let lift = self.lift.get_or_init(|| {
            let lift = Arc::new(LIFTS.lift(self.own));
            let rising = Arc::clone(&lift);
            self.waiters.on_rise(move |priority| rising.set(Urgency::new(class(*priority))));
            lift
        });
        Arc::clone(lift)
    }
}

/// The shared work that what runs now is part of, if it is.
pub(crate) fn current() -> Option<Arc<Lift>> {
    let lift = |work: &Work| match work {
        Work::Lifted(lift) => Arc::clone(lift),
        Work::Flight(flight) => flight.lift(),
    };
    CURRENT.try_with(lift).ok()
}

//! Urgency on loan: a call that waits for another's work makes that work as urgent as itself.

use std::cell::RefCell;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, OnceLock};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use toolpost_cache::rt::LoadContext;
use toolpost_scheduler::Urgency;
use toolpost_scheduler::rt::{Donation, PriorityGraph, PriorityHandle};
use toolpost_tool::{Call, Priority};

use crate::layers::{class, urgency};

/// One for the process, since a flight of one tool may wait for that of another.
static LIFTS: LazyLock<PriorityGraph> = LazyLock::new(PriorityGraph::new);

thread_local! {
    /// The shared work that what is polled now is part of.
    static CURRENT: RefCell<Option<Work>> = const { RefCell::new(None) };
}

enum Work {
    Lifted(Arc<PriorityHandle>),
    Flight(Flight),
}

/// Work that several callers may come to wait for: a coalesced call, say. It is as urgent as the most urgent of them.
///
/// Whoever starts the work makes one of the call that led to it, and runs the work by it; whoever joins lends it the
/// urgency of the call that waits. A seat that the work queues for (see [`Seats`](crate::layers::Seats)) moves forward
/// at once, and back when the one who lent leaves. Work that waits for other such work passes on what it was lent.
#[derive(Clone, Debug)]
pub struct Lifted(Arc<PriorityHandle>);

/// What one caller lends to the work it waits for; taken back when dropped.
#[derive(Debug)]
#[must_use = "a loan that is dropped is taken back"]
pub struct Lent {
    _loan: Donation,
    _own: PriorityHandle,
    /// What the work that the caller is part of lends to the caller.
    _through: Option<Donation>,
}

impl Lifted {
    /// Work that is as urgent as `call`, for a start.
    #[must_use]
    pub fn new(call: &Call) -> Self {
        Self(Arc::new(LIFTS.handle(urgency(call))))
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
        Part { future: work, of: Some(Work::Lifted(Arc::clone(&self.0))) }.await
    }

    /// Lends the urgency of `call`, which waits for this work, for as long as the result is kept.
    pub fn lend(&self, call: &Call) -> Lent {
        let own = LIFTS.handle(urgency(call));
        let through = current().map(|waiter| waiter.donate(&own));
        Lent { _loan: own.donate(&self.0), _own: own, _through: through }
    }
}

/// A flight of the cache, which its waiters lift; it takes part in lending once it has to queue, and most never do.
pub(crate) struct Flight {
    waiters: LoadContext<Priority>,
    own: Priority,
    lift: OnceLock<Arc<PriorityHandle>>,
}

impl Flight {
    /// A flight of this priority, for a start.
    pub(crate) const fn new(waiters: LoadContext<Priority>, own: Priority) -> Self {
        Self { waiters, own, lift: OnceLock::new() }
    }

    /// Runs `work` as what is waited for.
    pub(crate) const fn run<F: Future>(self, work: F) -> Part<F> {
        Part { future: work, of: Some(Work::Flight(self)) }
    }

    fn lift(&self) -> Arc<PriorityHandle> {
        let lift = self.lift.get_or_init(|| {
            let lift = Arc::new(LIFTS.handle(Urgency::new(class(self.own))));
            let rising = Arc::clone(&lift);
            self.waiters.on_raise(move |priority| rising.set(Urgency::new(class(*priority))));
            lift
        });
        Arc::clone(lift)
    }
}

pin_project! {
    /// What runs as a part of shared work.
    pub(crate) struct Part<F> {
        #[pin]
        future: F,
        // While it is polled, what the poll is a part of otherwise.
        of: Option<Work>,
    }
}

impl<F: Future> Future for Part<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _turn = Turn::of(this.of);
        this.future.poll(cx)
    }
}

/// Has the work of a part be the current one for as long as it is kept.
struct Turn<'a>(&'a mut Option<Work>);

impl<'a> Turn<'a> {
    fn of(work: &'a mut Option<Work>) -> Self {
        exchange(work);
        Self(work)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        exchange(self.0);
    }
}

fn exchange(work: &mut Option<Work>) {
    // At the very end of a thread nothing is current.
    let _gone = CURRENT.try_with(|current| mem::swap(&mut *current.borrow_mut(), work));
}

/// The shared work that what runs now is part of, if it is.
pub(crate) fn current() -> Option<Arc<PriorityHandle>> {
    let lift = |work: &Work| match work {
        Work::Lifted(lift) => Arc::clone(lift),
        Work::Flight(flight) => flight.lift(),
    };
    CURRENT.try_with(|current| current.borrow().as_ref().map(lift)).ok().flatten()
}

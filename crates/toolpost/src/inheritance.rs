//! Priority inheritance: a call that waits for another's work makes that work as urgent as itself.

use std::cell::RefCell;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use toolpost_cache::rt::LoadContext;
use toolpost_scheduler::Urgency;
use toolpost_scheduler::rt::PriorityHandle;
use toolpost_tool::{Call, Priority};

use crate::layers::{class, urgency};

thread_local! {
    /// The shared work that what is polled now is part of.
    static CURRENT: RefCell<Option<Work>> = const { RefCell::new(None) };
}

enum Work {
    Shared(Arc<PriorityHandle>),
    Flight(Flight),
}

/// Work that several callers may come to wait for, a coalesced call, say: it is as urgent as the most urgent of them.
///
/// Whoever starts the work makes one of the call that led to it, and runs the work by it; whoever joins donates the
/// urgency of the call that waits. A permit that the work queues for (see
/// [`ConcurrencyLimit`](crate::layers::ConcurrencyLimit)) moves forward at once, and back when the donor leaves. Work that
/// waits for other such work passes on what was donated to it.
#[derive(Clone, Debug)]
pub struct SharedWork(Arc<PriorityHandle>);

/// The urgency that one call donates to the work it waits for; taken back when dropped.
#[derive(Debug)]
struct CallDonation {
    _donation: PriorityHandle,
    _own: PriorityHandle,
    /// What the work that the caller is part of donates to the caller.
    _through: Option<PriorityHandle>,
}

impl SharedWork {
    /// Work that is as urgent as `call`, for a start.
    #[must_use]
    pub fn new(call: &Call) -> Self {
        Self(Arc::new(PriorityHandle::new(urgency(call))))
    }

    /// Gives the work another priority of its own, for callers that do not [`donate`](Self::donate) theirs.
    pub fn set_priority(&self, priority: Priority) {
        self.0.set(Urgency::new(class(priority)));
    }

    /// Runs `work` as what is waited for.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `work`.
    pub async fn run<F: Future>(&self, work: F) -> F::Output {
        Part { future: work, of: Some(Work::Shared(Arc::clone(&self.0))) }.await
    }

    /// Donates the urgency of `call`, which waits for this work, for as long as the result is kept.
    #[must_use = "a donation that is dropped is taken back"]
    pub fn donate(&self, call: &Call) -> impl fmt::Debug + Send + Sync + use<> {
        let own = PriorityHandle::new(urgency(call));
        let through = current().map(|waiter| waiter.donate(&own));
        CallDonation { _donation: own.donate(&self.0), _own: own, _through: through }
    }
}

/// A load of the cache, which inherits from its waiters; it takes part once it has to queue, and most never do.
pub(crate) struct Flight {
    waiters: LoadContext<Priority>,
    own: Priority,
    inherited: OnceLock<Arc<PriorityHandle>>,
}

impl Flight {
    /// A flight of this priority, for a start.
    pub(crate) const fn new(waiters: LoadContext<Priority>, own: Priority) -> Self {
        Self { waiters, own, inherited: OnceLock::new() }
    }

    /// Runs `work` as what is waited for.
    pub(crate) const fn run<F: Future>(self, work: F) -> Part<F> {
        Part { future: work, of: Some(Work::Flight(self)) }
    }

    fn inherited(&self) -> Arc<PriorityHandle> {
        let inherited = self.inherited.get_or_init(|| {
            let handle = Arc::new(PriorityHandle::new(Urgency::new(class(self.own))));
            let rising = Arc::clone(&handle);
            self.waiters.on_raise(move |priority| rising.set(Urgency::new(class(*priority))));
            handle
        });
        Arc::clone(inherited)
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
    let handle = |work: &Work| match work {
        Work::Shared(handle) => Arc::clone(handle),
        Work::Flight(flight) => flight.inherited(),
    };
    CURRENT.try_with(|current| current.borrow().as_ref().map(handle)).ok().flatten()
}

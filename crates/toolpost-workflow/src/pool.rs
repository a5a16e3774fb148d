//! Attempts under way, each with a waker of its own, so that a wake-up polls that one alone.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
#[cfg(not(loom))]
use std::sync::Mutex;
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

#[cfg(loom)]
use loom::sync::Mutex;
#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, Ordering};

type Pending<R> = Pin<Box<dyn Future<Output = R> + Send>>;

/// What beginning something came to.
pub(crate) enum Started<R> {
    Done(R),
    Later(Pending<R>),
}

impl<R> Started<R> {
    /// Polls a future once. Here its type is known: of one that never waits, the compiler sees that it
    /// needs no place on the heap.
    pub(crate) fn polled(
        future: impl Future<Output = R> + Send + 'static,
        context: &mut Context<'_>,
    ) -> Self {
        let mut future = Box::pin(future);
        match future.as_mut().poll(context) {
            Poll::Ready(result) => Self::Done(result),
            Poll::Pending => Self::Later(future),
        }
    }
}

/// A set of futures that polls each once before it keeps it.
///
/// The waker of a free place serves every future that ends at its first poll, so a ready future
/// costs no allocation here. A place's waker outlives its future: a late wake-up finds the place
/// empty, or polls its next tenant once too often, which every future must bear.
pub(crate) struct Pool<K, R> {
    places: Vec<Place<K, R>>,
    free: Vec<u32>,
    /// Places taken out of `wakes`, still to be polled.
    batch: Vec<u32>,
    wakes: Arc<Wakes>,
}

struct Place<K, R> {
    tenant: Option<(K, Pending<R>)>,
    bell: Arc<Bell>,
    waker: Waker,
}

/// Which places were woken, and whom to tell. The lock is held for a push or a swap, never over a wake.
struct Wakes {
    woken: Mutex<Woken>,
}

#[derive(Default)]
struct Woken {
    places: Vec<u32>,
    owner: Option<Waker>,
}

struct Bell {
    place: u32,
    rung: AtomicBool,
    wakes: Arc<Wakes>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.rung.swap(true, Ordering::AcqRel) {
            return;
        }
        let owner = {
            let mut woken = self.wakes.woken.lock().unwrap_or_else(PoisonError::into_inner);
            woken.places.push(self.place);
            woken.owner.take()
        };
        if let Some(owner) = owner {
            owner.wake();
        }
    }
}

impl<K: Copy, R> Pool<K, R> {
    pub(crate) fn new() -> Self {
        let wakes = Arc::new(Wakes { woken: Mutex::new(Woken::default()) });
        Self { places: Vec::new(), free: Vec::new(), batch: Vec::new(), wakes }
    }

    /// Says whom to wake; to be called at the start of every poll of the owner.
    pub(crate) fn register(&self, owner: &Waker) {
        let mut woken = self.wakes.woken.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut woken.owner {
            Some(known) if known.will_wake(owner) => {}
            other => *other = Some(owner.clone()),
        }
    }

    /// Begins something; keeps it, and says where, if it is not done. A panic is a result.
    pub(crate) fn start(
        &mut self,
        key: K,
        begin: impl FnOnce(&mut Context<'_>) -> Started<R>,
    ) -> Result<std::thread::Result<R>, u32> {
        let at = match self.free.last() {
            Some(at) => *at,
            None => self.build_place(),
        };
        let place = &mut self.places[at as usize];
        match place.call(begin) {
            Ok(Started::Done(result)) => Ok(Ok(result)),
            Ok(Started::Later(future)) => {
                place.tenant = Some((key, future));
                self.free.pop();
                Err(at)
            }
            Err(panic) => Ok(Err(panic)),
        }
    }

    /// Polls woken futures until one ends.
    pub(crate) fn next_ended(&mut self) -> Option<(K, std::thread::Result<R>)> {
        loop {
            let Some(at) = self.batch.pop() else {
                let mut woken = self.wakes.woken.lock().unwrap_or_else(PoisonError::into_inner);
                if woken.places.is_empty() {
                    return None;
                }
                std::mem::swap(&mut woken.places, &mut self.batch);
                drop(woken);
                // First woken, first polled.
                self.batch.reverse();
                continue;
            };
            let place = &mut self.places[at as usize];
            let Some((key, mut future)) = place.tenant.take() else {
                place.bell.rung.swap(false, Ordering::AcqRel);
                continue;
            };
            let result = match place.call(|context| future.as_mut().poll(context)) {
                Ok(Poll::Pending) => {
                    place.tenant = Some((key, future));
                    continue;
                }
                Ok(Poll::Ready(result)) => Ok(result),
                Err(panic) => Err(panic),
            };
            self.free.push(at);
            return Some((key, result));
        }
    }

    /// Drops the future at a place. A panic of its drop goes no further.
    pub(crate) fn remove(&mut self, at: u32) {
        if let Some(tenant) = self.places[at as usize].tenant.take() {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(tenant)));
            self.free.push(at);
        }
    }

    /// Drops every future.
    pub(crate) fn clear(&mut self) {
        for at in 0..self.places.len() as u32 {
            self.remove(at);
        }
    }

    /// A new place, free.
    fn build_place(&mut self) -> u32 {
        let place = self.places.len() as u32;
        let bell = Arc::new(Bell { place, rung: AtomicBool::new(false), wakes: Arc::clone(&self.wakes) });
        let waker = Waker::from(Arc::clone(&bell));
        self.places.push(Place { tenant: None, bell, waker });
        self.free.push(place);
        place
    }
}

impl<K, R> Place<K, R> {
    /// Calls something that polls with this place's waker; catches its panic.
    fn call<T>(&self, poll: impl FnOnce(&mut Context<'_>) -> T) -> std::thread::Result<T> {
        // Before the poll: a wake-up during it must count. A swap where it is rung, because it must see
        // what came before every wake-up that found the bell rung and did no more; where it is not,
        // the last swap has seen them all.
        if self.bell.rung.load(Ordering::Acquire) {
            self.bell.rung.swap(false, Ordering::AcqRel);
        }
        let mut context = Context::from_waker(&self.waker);
        catch_unwind(AssertUnwindSafe(|| poll(&mut context)))
    }
}

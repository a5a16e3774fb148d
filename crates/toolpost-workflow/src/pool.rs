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

    /// Polls a new future; keeps it, and says where, if it is not ready. A panic is a result.
    pub(crate) fn start(&mut self, key: K, future: Pending<R>) -> Result<std::thread::Result<R>, u32> {
        let at = match self.free.pop() {
            Some(at) => at,
            None => self.build_place(),
        };
        match poll(&self.places[at as usize], future) {
            Ok(result) => {
                self.free.push(at);
                Ok(result)
            }
            Err(future) => {
                self.places[at as usize].tenant = Some((key, future));
                Err(at)
            }
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
            let Some((key, future)) = place.tenant.take() else {
                place.bell.rung.swap(false, Ordering::AcqRel);
                continue;
            };
            match poll(place, future) {
                Ok(result) => {
                    self.free.push(at);
                    return Some((key, result));
                }
                Err(future) => place.tenant = Some((key, future)),
            }
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

    fn build_place(&mut self) -> u32 {
        let place = self.places.len() as u32;
        let bell = Arc::new(Bell { place, rung: AtomicBool::new(false), wakes: Arc::clone(&self.wakes) });
        let waker = Waker::from(Arc::clone(&bell));
        self.places.push(Place { tenant: None, bell, waker });
        place
    }
}

fn poll<K, R>(place: &Place<K, R>, mut future: Pending<R>) -> Result<std::thread::Result<R>, Pending<R>> {
    // Before the poll: a wake-up during it must count. A swap, because it must see what came before
    // every wake-up that found the bell rung and did no more.
    place.bell.rung.swap(false, Ordering::AcqRel);
    let mut context = Context::from_waker(&place.waker);
    match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut context))) {
        Ok(Poll::Ready(value)) => Ok(Ok(value)),
        Ok(Poll::Pending) => Err(future),
        Err(panic) => Ok(Err(panic)),
    }
}

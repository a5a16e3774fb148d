//! Every interleaving of wake-ups with the pool's polls:
//! `RUSTFLAGS="--cfg loom" cargo test -p toolpost-workflow --test loom --release`.
#![cfg(loom)]
#![expect(dead_code, reason = "the pool is tested from the inside, and not all of it")]

#[path = "../src/pool.rs"]
mod pool;

use std::future::poll_fn;
use std::sync::Arc as StdArc;
use std::task::{Poll, Waker};

use loom::future::block_on;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

use pool::{Pool, Started};

/// At most two preemptions, which `LOOM_MAX_PREEMPTIONS` overrides.
fn model(test: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(2));
    builder.check(test);
}

/// A future that is ready once `wanted` threads have come by, and the waker it was polled with.
fn awaiting(pool: &mut Pool<u32, ()>, key: u32, wanted: usize) -> (Arc<AtomicUsize>, Waker) {
    let came = Arc::new(AtomicUsize::new(0));
    let (seen, waker) = (Arc::clone(&came), StdArc::new(Mutex::new(None)));
    let slot = StdArc::clone(&waker);
    let future = poll_fn(move |context| {
        // Relaxed: what the waker did before its wake-up is ordered by the pool alone.
        if seen.load(Ordering::Relaxed) == wanted {
            return Poll::Ready(());
        }
        *slot.lock().unwrap() = Some(context.waker().clone());
        Poll::Pending
    });
    assert!(pool.start(key, |context| Started::polled(future, context)).is_err());
    let waker = waker.lock().unwrap().take().expect("it was polled");
    (came, waker)
}

fn come(came: Arc<AtomicUsize>, waker: Waker) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        came.fetch_add(1, Ordering::Relaxed);
        waker.wake();
    })
}

fn drive(pool: &mut Pool<u32, ()>, ends: usize) -> Vec<u32> {
    let mut ended = Vec::new();
    block_on(poll_fn(|context| {
        pool.register(context.waker());
        while let Some((key, _)) = pool.next_ended() {
            ended.push(key);
        }
        if ended.len() == ends { Poll::Ready(()) } else { Poll::Pending }
    }));
    ended
}

#[test]
fn two_threads_wake_one_future() {
    model(|| {
        let mut pool = Pool::new();
        let (came, waker) = awaiting(&mut pool, 7, 2);
        let threads = [come(Arc::clone(&came), waker.clone()), come(came, waker)];
        assert_eq!(drive(&mut pool, 1), [7]);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn two_threads_wake_two_futures() {
    model(|| {
        let mut pool = Pool::new();
        let (first, waker) = awaiting(&mut pool, 1, 1);
        let (second, other) = awaiting(&mut pool, 2, 1);
        let threads = [come(first, waker), come(second, other)];
        let mut ended = drive(&mut pool, 2);
        ended.sort_unstable();
        assert_eq!(ended, [1, 2]);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

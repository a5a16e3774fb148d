//! The gate under every interleaving of few threads.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p toolpost-scheduler --features tokio --test loom --release`

#![cfg(all(loom, feature = "tokio"))]

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use loom::future::block_on;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use toolpost_scheduler::rt::Gate;
use toolpost_scheduler::{JobRequest, Limit, Ordered, QueueLimits, Tenant};

fn model(test: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(test);
}

fn gate(permits: usize) -> Gate {
    Gate::with_discipline(Limit::fixed(permits), Ordered::fifo(), QueueLimits::new(4))
}

fn anyone() -> JobRequest {
    JobRequest::new(Tenant::new(1))
}

#[test]
fn a_seat_given_back_wakes_whoever_waits() {
    model(|| {
        let gate = gate(1);
        let inside = Arc::new(AtomicUsize::new(0));
        let visit = |gate: &Gate, inside: &AtomicUsize| {
            let permit = block_on(gate.acquire(anyone())).expect("there is room");
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "one permit, one inside");
            inside.fetch_sub(1, Ordering::SeqCst);
            drop(permit);
        };
        let other = {
            let (gate, inside) = (gate.clone(), inside.clone());
            thread::spawn(move || visit(&gate, &inside))
        };
        visit(&gate, &inside);
        other.join().expect("no thread panics");
        assert_eq!((gate.in_flight(), gate.waiting()), (0, 0));
        assert!(gate.try_acquire().is_some());
    });
}

#[test]
fn whoever_leaves_while_a_seat_is_given_leaves_nothing_behind() {
    model(|| {
        let gate = gate(1);
        let permit = gate.acquire_owned(anyone());
        let leaver = {
            let gate = gate.clone();
            thread::spawn(move || {
                let mut waiting = pin!(gate.acquire(anyone()));
                let _looked = waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            })
        };
        drop(permit);
        leaver.join().expect("no thread panics");
        assert_eq!((gate.in_flight(), gate.waiting()), (0, 0));
        assert!(gate.try_acquire().is_some());
    });
}

#[test]
fn free_seats_are_taken_without_a_lock_and_never_twice() {
    model(|| {
        let gate = gate(1);
        let other = {
            let gate = gate.clone();
            thread::spawn(move || gate.try_acquire().is_some())
        };
        let mine = gate.try_acquire();
        let theirs_came_back = other.join().expect("no thread panics");
        assert!(mine.is_some() || theirs_came_back);
        drop(mine);
        assert_eq!(gate.in_flight(), 0);
    });
}

/// The limit changes while permits are taken and waited for: nobody gets one too many, and nobody is forgotten.
#[test]
fn a_limit_that_changes_gives_every_seat_once() {
    model(|| {
        let gate = Gate::new(Limit::fixed(1));
        let held = gate.try_acquire().unwrap();
        let other = {
            let gate = gate.clone();
            thread::spawn(move || gate.set_limit(Limit::fixed(2)))
        };
        let taken = gate.try_acquire();
        assert!(gate.in_flight() <= 2);
        other.join().unwrap();
        let third = gate.try_acquire();
        assert!(taken.is_some() != third.is_some(), "one permit more");
        drop((held, taken, third));
        assert_eq!(gate.in_flight(), 0);
    });
}

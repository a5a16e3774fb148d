//! The gate under a random scheduler of threads: no lost wake-up (it would hang), no leaked permit, never beyond the limit.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p toolpost-scheduler --features tokio --test shuttle --release`;
//! `TOOLPOST_SCHEDULES` raises the number of schedules.

#![cfg(all(shuttle, feature = "tokio"))]

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use shuttle::future::block_on;
use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::thread;
use toolpost_scheduler::rt::{Gate, PriorityHandle};
use toolpost_scheduler::{Fair, JobRequest, Limit, Priority, QueueLimits, Tenant, Urgency};

fn schedules() -> usize {
    std::env::var("TOOLPOST_SCHEDULES").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000)
}

fn check(test: impl Fn() + Send + Sync + 'static + Clone) {
    shuttle::check_random(test.clone(), schedules());
    shuttle::check_pct(test, schedules(), 3);
}

fn request(n: usize) -> JobRequest {
    JobRequest::new(Tenant::new(n as u64 % 2)).priority(Priority::ALL[n % 4])
}

/// Who is inside, checked against the limit at every entry.
struct Inside(AtomicUsize, usize);

impl Inside {
    fn visit(&self) {
        assert!(self.0.fetch_add(1, Ordering::SeqCst) < self.1, "more inside than permits");
        thread::yield_now();
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn contend(permits: usize, threads: usize) {
    let gate = Gate::with_discipline(Limit::fixed(permits), Fair::default(), QueueLimits::new(16));
    let inside = Arc::new(Inside(AtomicUsize::new(0), permits));
    let threads: Vec<_> = (0..threads)
        .map(|n| {
            let (gate, inside) = (gate.clone(), inside.clone());
            thread::spawn(move || match n % 4 {
                // Takes one only if it is free.
                3 => {
                    if let Some(permit) = gate.try_acquire() {
                        inside.visit();
                        drop(permit);
                    }
                }
                // Leaves after one look, with or without a permit.
                2 => {
                    let mut waiting = pin!(gate.acquire(request(n)));
                    if let Poll::Ready(Ok(permit)) =
                        waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()))
                    {
                        inside.visit();
                        permit.settle();
                    }
                }
                _ => {
                    let permit = block_on(gate.acquire(request(n))).expect("there is room");
                    inside.visit();
                    permit.settle();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no thread panics");
    }
    assert_eq!((gate.in_flight(), gate.waiting()), (0, 0), "every permit is back");
    assert!(gate.try_acquire().is_some(), "and can be had without waiting");
}

#[test]
fn one_seat_for_five() {
    check(|| contend(1, 5));
}

#[test]
fn two_seats_for_six() {
    check(|| contend(2, 6));
}

#[test]
fn draining_hears_of_the_last_permit() {
    check(|| {
        let gate = Gate::new(Limit::fixed(1));
        let users: Vec<_> = (0..2)
            .map(|n| {
                let gate = gate.clone();
                thread::spawn(move || block_on(gate.acquire(request(n))).expect("there is room").settle())
            })
            .collect();
        // One that gives up waiting takes nobody's place.
        let looker = {
            let gate = gate.clone();
            thread::spawn(move || {
                let mut drained = pin!(gate.drained());
                let _looked = drained.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            })
        };
        block_on(gate.drained());
        looker.join().expect("no thread panics");
        for user in users {
            user.join().expect("no thread panics");
        }
        block_on(gate.drained());
        assert!(gate.try_acquire().is_some());
    });
}

#[test]
fn donations_come_and_go_beside_permits() {
    check(|| {
        let gate = Gate::new(Limit::fixed(1));
        let permit = gate.acquire_owned(request(1));
        let flight = PriorityHandle::new(Urgency::new(Priority::Background));
        let place = gate.acquire_owned(request(0)).raised_by(&flight);
        let lender =
            thread::spawn(move || drop(PriorityHandle::new(Urgency::new(Priority::Urgent)).donate(&flight)));
        let holder = thread::spawn(move || drop(block_on(permit)));
        block_on(place).expect("there is room").settle();
        lender.join().expect("no thread panics");
        holder.join().expect("no thread panics");
        assert_eq!((gate.in_flight(), gate.waiting()), (0, 0));
    });
}

#[test]
fn clearing_and_closing_leave_no_waiter_behind() {
    check(|| {
        let gate = Gate::new(Limit::fixed(1));
        let permit = gate.acquire_owned(request(0));
        let waiters: Vec<_> = (1..3)
            .map(|n| {
                let gate = gate.clone();
                thread::spawn(move || {
                    block_on(gate.acquire(request(n))).map(|permit| permit.settle()).is_ok()
                })
            })
            .collect();
        gate.close();
        gate.clear();
        drop(permit);
        for waiter in waiters {
            let _served_or_refused = waiter.join().expect("no thread panics");
        }
        gate.reopen();
        assert!(gate.try_acquire().is_some());
    });
}

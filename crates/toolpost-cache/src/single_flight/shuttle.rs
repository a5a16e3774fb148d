//! Single-flight under every order of events the scheduler finds, with callers that leave at any await.
//!
//! `cargo xtask shuttle` runs them.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use shuttle::future::{block_on, spawn, yield_now};
use shuttle::rand::{Rng, thread_rng};

use super::{FlightOutcome, JoinOptions, PriorityHandle, SingleFlight};
use crate::key::CacheKey;

fn schedules() -> usize {
    std::env::var("TOOLPOST_SCHEDULES").ok().and_then(|n| n.parse().ok()).unwrap_or(3_000)
}

fn check(test: impl Fn() + Send + Sync + 'static) {
    let test = Arc::new(test);
    let again = Arc::clone(&test);
    shuttle::check_random(move || test(), schedules());
    shuttle::check_pct(move || again(), schedules(), 3);
}

/// Counts the loads that run and have run.
#[derive(Default)]
struct Loads {
    running: AtomicUsize,
    begun: AtomicUsize,
}

/// One of the running loads, until it is dropped, at whatever await.
struct Running {
    loads: Arc<Loads>,
    number: usize,
}

impl Running {
    fn begin(loads: &Arc<Loads>) -> Self {
        loads.running.fetch_add(1, Ordering::SeqCst);
        Self { loads: Arc::clone(loads), number: loads.begun.fetch_add(1, Ordering::SeqCst) + 1 }
    }

    /// A load that the last waiter has left may still be on its way out when the next begins; it is
    /// not polled again.
    fn step(&self) {
        assert_eq!(self.loads.begun.load(Ordering::SeqCst), self.number, "one load at a time");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.loads.running.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn load(loads: Arc<Loads>, outcome: FlightOutcome<usize>) -> FlightOutcome<usize> {
    let running = Running::begin(&loads);
    for _ in 0..3 {
        running.step();
        // Wakes from another thread, so that wakes and departures meet.
        let woken = Arc::new(AtomicUsize::new(0));
        let mut waker = None;
        poll_fn(|cx| {
            if woken.load(Ordering::SeqCst) == 1 {
                return Poll::Ready(());
            }
            if waker.is_none() {
                let (bell, woken) = (cx.waker().clone(), Arc::clone(&woken));
                waker = Some(shuttle::thread::spawn(move || {
                    woken.store(1, Ordering::SeqCst);
                    bell.wake();
                }));
            }
            Poll::Pending
        })
        .await;
        running.step();
    }
    outcome
}

/// Polls `future` so many times, then drops it.
async fn at_most<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => {
                if left == 0 {
                    // Leaves without being woken, as at a deadline.
                    return Poll::Ready(None);
                }
                Poll::Pending
            }
        }
    })
    .await
}

#[test]
fn whoever_stays_gets_the_answer() {
    check(|| {
        let (flights, loads) = (SingleFlight::<usize>::new(), Arc::new(Loads::default()));
        let waiter = |polls: usize| {
            let (flights, loads) = (flights.clone(), Arc::clone(&loads));
            async move {
                let own = Arc::clone(&loads);
                let join = flights.join(CacheKey::from("k"), JoinOptions::any(()), move |_| {
                    load(own, FlightOutcome::Shared(7))
                });
                at_most(polls, join).await
            }
        };
        block_on(async {
            let leaving: Vec<_> = (0..3).map(|_| spawn(waiter(thread_rng().gen_range(1..5)))).collect();
            let staying: Vec<_> = (0..2).map(|_| spawn(waiter(usize::MAX))).collect();
            for stays in staying {
                let arrival = stays.await.expect("joined").expect("stayed").expect("landed");
                assert_eq!(arrival.value, 7);
            }
            for leaves in leaving {
                let _left = leaves.await.expect("joined");
            }
        });
        assert!(flights.is_empty(), "nothing is left behind");
        assert_eq!(loads.running.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn the_first_leaves_after_each_poll_in_turn_and_the_load_runs_once() {
    check(|| {
        let (flights, loads) = (SingleFlight::<usize>::new(), Arc::new(Loads::default()));
        let polls = thread_rng().gen_range(1..5);
        let join = || {
            let own = Arc::clone(&loads);
            flights
                .join(CacheKey::from("k"), JoinOptions::any(()), move |_| load(own, FlightOutcome::Shared(7)))
        };
        block_on(async {
            let mut first = Box::pin(join());
            let mut second = Box::pin(join());
            // Both are aboard before the first may leave.
            poll_fn(|cx| {
                Poll::Ready((first.as_mut().poll(cx).is_ready(), second.as_mut().poll(cx).is_ready()))
            })
            .await;
            let first = spawn(async move { at_most(polls, first).await.map(drop) });
            let second = spawn(second);
            assert_eq!(second.await.expect("joined").expect("landed").value, 7);
            let _left = first.await.expect("joined");
        });
        assert_eq!(loads.begun.load(Ordering::SeqCst), 1);
        assert!(flights.is_empty());
    });
}

#[test]
fn refusals_pass_the_lead_on_until_someone_is_answered() {
    check(|| {
        let (flights, loads) = (SingleFlight::<usize>::new(), Arc::new(Loads::default()));
        block_on(async {
            let waiters: Vec<_> = (0..4)
                .map(|n| {
                    let (flights, loads) = (flights.clone(), Arc::clone(&loads));
                    let polls = if n == 1 { thread_rng().gen_range(1..4) } else { usize::MAX };
                    spawn(async move {
                        let outcome =
                            if n < 2 { FlightOutcome::Personal(n) } else { FlightOutcome::Shared(n) };
                        let join = flights
                            .join(CacheKey::from("k"), JoinOptions::any(()), move |_| load(loads, outcome));
                        at_most(polls, join).await
                    })
                })
                .collect();
            for (n, waiter) in waiters.into_iter().enumerate() {
                match waiter.await.expect("joined") {
                    // A personal answer reaches its owner alone.
                    Some(arrival) => {
                        let value = arrival.expect("landed").value;
                        assert!(value == n || 2 <= value, "{n} got {value}");
                    }
                    None => assert_eq!(n, 1),
                }
                yield_now().await;
            }
        });
        assert!(flights.is_empty());
    });
}

#[test]
fn a_load_begins_as_urgent_as_those_who_wait_for_it() {
    check(|| {
        let flights = SingleFlight::<u8, u8>::new();
        block_on(async {
            let waiters: Vec<_> = [9, 1]
                .into_iter()
                .map(|urgency| {
                    let flights = flights.clone();
                    spawn(async move {
                        let own = move |priority: PriorityHandle<u8>| {
                            assert_eq!(*priority.initial(), urgency, "nobody else waits for this load");
                            async move {
                                yield_now().await;
                                FlightOutcome::Personal(urgency)
                            }
                        };
                        let arrival = flights.join(CacheKey::from("k"), JoinOptions::any(urgency), own).await;
                        assert_eq!(arrival.expect("landed").value, urgency);
                    })
                })
                .collect();
            for waiter in waiters {
                waiter.await.expect("joined");
            }
        });
        assert!(flights.is_empty());
    });
}

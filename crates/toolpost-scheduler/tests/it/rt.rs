//! The gate, the pool and the blocking pool, on a paused clock.

#![cfg(all(feature = "tokio", not(any(loom, shuttle))))]
#![expect(clippy::disallowed_methods, reason = "tests on a paused clock read it, and spawn what they await")]

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::time::{Instant, advance, sleep};
use toolpost_scheduler::rt::{Gate, JobError, Pool, PriorityHandle};
use toolpost_scheduler::{
    Fair, JobRequest, Limit, Ordered, Priority, QueueError, QueueLimits, Tenant, Urgency,
};

use Priority::{Background, Urgent};

const SECOND: Duration = Duration::from_secs(1);

fn gate(permits: usize) -> Gate {
    Gate::new(Limit::fixed(permits))
}

fn anyone() -> JobRequest {
    JobRequest::new(Tenant::new(1))
}

/// Whether a future is not ready yet.
async fn is_pending<F: Future + Unpin>(future: &mut F) -> bool {
    poll_fn(|cx| Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())).await
}

#[tokio::test(start_paused = true)]
async fn a_free_permit_is_given_at_once_and_given_back_when_dropped() {
    let gate = gate(1);
    let permit = gate.try_acquire().unwrap();
    assert!(gate.try_acquire().is_none());
    assert_eq!((gate.in_flight(), gate.limit()), (1, 1));
    drop(permit);
    let owned = gate.acquire(anyone()).await.unwrap().into_owned();
    assert_eq!(gate.in_flight(), 1);
    owned.settle();
    assert_eq!(gate.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn permits_go_to_the_most_urgent_that_waits() {
    let gate = gate(1);
    let permit = gate.try_acquire().unwrap();
    let mut low = gate.acquire(anyone().priority(Background));
    let mut high = gate.acquire(anyone().priority(Urgent));
    assert!(gate.try_acquire().is_none());
    drop(permit);
    assert!(is_pending(&mut low).await);
    let permit = high.as_mut_ready().await;
    assert!(gate.try_acquire().is_none(), "nobody passes those that wait");
    drop(permit);
    low.await.unwrap().settle();
    assert_eq!((gate.in_flight(), gate.waiting()), (0, 0));
}

trait AsMutReady<'g> {
    async fn as_mut_ready(&mut self) -> toolpost_scheduler::rt::Permit<'g>;
}

impl<'g> AsMutReady<'g> for toolpost_scheduler::rt::Waiting<'g> {
    async fn as_mut_ready(&mut self) -> toolpost_scheduler::rt::Permit<'g> {
        (&mut *self).await.expect("there is room")
    }
}

#[tokio::test(start_paused = true)]
async fn a_patient_caller_waits_for_a_place_and_may_leave() {
    let gate = Gate::with_discipline(Limit::fixed(1), Ordered::fifo(), QueueLimits::new(1));
    let permit = gate.try_acquire().unwrap();
    let queued = gate.acquire(anyone());
    assert!(matches!(gate.acquire(anyone()).await, Err(QueueError::Full { .. })));
    let mut leaver = Box::pin(gate.acquire_patiently(anyone()));
    let mut patient = Box::pin(gate.acquire_patiently(anyone()));
    assert!(is_pending(&mut leaver).await && is_pending(&mut patient).await);
    drop(leaver);
    drop(queued);
    assert!(is_pending(&mut patient).await, "it has the place, not yet the permit");
    assert_eq!(gate.waiting(), 1);
    drop(permit);
    patient.await.unwrap().settle();
    assert_eq!((gate.in_flight(), gate.waiting()), (0, 0));
}

/// Each is told of a place that it does not need in the end, and passes the word on; otherwise this would hang.
#[tokio::test(start_paused = true)]
async fn no_patient_caller_is_forgotten() {
    let gate = Gate::with_discipline(Limit::fixed(1), Ordered::fifo(), QueueLimits::new(1));
    let permit = gate.try_acquire().unwrap();
    let queued = gate.acquire(anyone());
    let soon = (Instant::now() + SECOND).into_std();
    let mut late = Box::pin(gate.acquire_patiently(anyone().deadline(soon)));
    let mut first = Box::pin(gate.acquire_patiently(anyone()));
    let mut second = Box::pin(gate.acquire_patiently(anyone()));
    assert!(is_pending(&mut late).await && is_pending(&mut first).await && is_pending(&mut second).await);
    advance(SECOND * 2).await;
    drop(permit);
    drop(queued);
    assert_eq!(late.await.err(), Some(QueueError::Expired));
    drop(first.await.unwrap());
    drop(second.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn closing_tells_all_patient_callers() {
    let gate = Gate::with_discipline(Limit::fixed(1), Ordered::fifo(), QueueLimits::new(1));
    let _permit = gate.try_acquire().unwrap();
    let _queued = gate.acquire(anyone());
    let mut patient: Vec<_> = (0..3).map(|_| Box::pin(gate.acquire_patiently(anyone()))).collect();
    for patient in &mut patient {
        assert!(is_pending(patient).await);
    }
    gate.close();
    for patient in patient {
        assert_eq!(patient.await.err(), Some(QueueError::Closed));
    }
}

#[tokio::test(start_paused = true)]
async fn another_deadline_ends_the_wait_when_it_passes() {
    let gate = gate(1);
    let _permit = gate.try_acquire().unwrap();
    let start = Instant::now();
    let by = |seconds: u32| Urgency::new(Urgent).with_deadline((start + SECOND * seconds).into_std());
    for (first, then) in [(2, 5), (9, 7)] {
        let mut waiting = gate.acquire(anyone().urgency(by(first)));
        assert!(is_pending(&mut waiting).await);
        assert!(waiting.reprioritize(by(then)));
        assert_eq!(waiting.await.err(), Some(QueueError::Expired));
        assert_eq!(start.elapsed(), SECOND * then);
    }
}

/// A flight is worth something to its leader after the deadline of one who joined it.
#[tokio::test(start_paused = true)]
async fn a_deadline_on_loan_hurries_but_does_not_expire() {
    let gate = gate(1);
    let permit = gate.try_acquire().unwrap();
    let flight = PriorityHandle::new(Urgency::new(Background));
    let mut earlier = gate.acquire(anyone().priority(Background));
    let mut place = gate.acquire(anyone().priority(Background)).raised_by(&flight);
    let caller =
        PriorityHandle::new(Urgency::new(Background).with_deadline((Instant::now() + SECOND).into_std()));
    let _donation = caller.donate(&flight);
    assert!(is_pending(&mut place).await && is_pending(&mut earlier).await);
    advance(SECOND * 2).await;
    drop(permit);
    drop(place.as_mut_ready().await);
    drop(earlier.as_mut_ready().await);
    assert_eq!(gate.stats().expired, 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_leaves_nothing_behind() {
    let gate = gate(1);
    let permit = gate.try_acquire().unwrap();
    let waiting = gate.acquire(anyone());
    assert_eq!(gate.waiting(), 1);
    drop(waiting);
    assert_eq!(gate.waiting(), 0);
    // Left after the permit was given, before it was looked at.
    let waiting = gate.acquire(anyone());
    drop(permit);
    assert_eq!((gate.in_flight(), gate.waiting()), (1, 0));
    drop(waiting);
    assert_eq!(gate.in_flight(), 0);
    drop(gate.acquire(anyone()));
    assert_eq!(gate.in_flight(), 0, "a free permit that was never looked at");
}

#[tokio::test(start_paused = true)]
async fn no_time_means_no_waiting_and_nothing_polls() {
    let gate = gate(1);
    let permit = gate.try_acquire().unwrap();
    let start = Instant::now();
    let now = anyone().deadline(start.into_std());
    assert_eq!(gate.acquire(now).await.err(), Some(QueueError::Expired));
    assert_eq!(start.elapsed(), Duration::ZERO);
    let waiter = tokio::spawn({
        let gate = gate.clone();
        async move {
            let permit = gate.acquire(anyone()).await.unwrap();
            drop(permit);
            Instant::now()
        }
    });
    sleep(SECOND * 3_600).await;
    drop(permit);
    assert_eq!(waiter.await.unwrap() - start, SECOND * 3_600, "woken at the very moment");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_wait() {
    let gate = gate(1);
    let permit = gate.try_acquire().unwrap();
    let start = Instant::now();
    let refused = gate.acquire(anyone().deadline((start + SECOND).into_std())).await.err();
    assert_eq!(refused, Some(QueueError::Expired));
    assert_eq!(start.elapsed(), SECOND);
    assert_eq!((gate.waiting(), gate.stats().expired), (0, 1));
    drop(permit);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_refused_when_its_turn_comes_leaves_the_permit_free() {
    let gate = gate(1);
    let permit = gate.try_acquire().unwrap();
    let late = gate.acquire(anyone().deadline((Instant::now() + SECOND).into_std()));
    advance(SECOND * 2).await;
    drop(permit);
    assert_eq!((gate.in_flight(), gate.waiting()), (0, 0));
    assert_eq!(late.await.err(), Some(QueueError::Expired));
    assert!(gate.try_acquire().is_some());
}

/// Elsewhere the last permit went to a waiter that nobody polled any more, and nothing brought it back.
#[tokio::test(start_paused = true)]
async fn a_permit_of_a_place_that_nobody_polls_goes_on_when_the_place_is_dropped() {
    let gate = gate(1);
    let held = gate.try_acquire().unwrap();
    let mut parked = gate.acquire(anyone());
    assert!(is_pending(&mut parked).await);
    let mut next = gate.acquire(anyone());
    held.settle();
    assert!(is_pending(&mut next).await, "the parked place has the permit");
    assert_eq!((gate.in_flight(), gate.waiting()), (1, 1));
    drop(parked);
    next.await.unwrap().settle();
    gate.drained().await;
    assert_eq!((gate.in_flight(), gate.waiting()), (0, 0));
}

/// Two who lend to one: the first that leaves takes back its own donation alone.
#[tokio::test(start_paused = true)]
async fn each_donation_is_taken_back_alone() {
    let flight = PriorityHandle::new(Urgency::new(Background));
    let caller = PriorityHandle::new(Urgency::new(Urgent));
    let (first, second) = (caller.donate(&flight), caller.donate(&flight));
    drop(first);
    assert_eq!(flight.urgency().priority, Urgent, "the second is still there");
    drop(second);
    assert_eq!(flight.urgency().priority, Background);
    let donation = caller.donate(&flight);
    drop(caller);
    assert_eq!(flight.urgency().priority, Background, "nobody lends any more");
    drop(donation);
}

#[tokio::test(start_paused = true)]
async fn those_that_wait_hear_that_the_queue_was_cleared() {
    let gate = gate(1);
    let permit = gate.try_acquire().unwrap();
    let waiting: Vec<_> = (0..3).map(|_| gate.acquire(anyone())).collect();
    assert_eq!(gate.clear(), 3);
    for waiting in waiting {
        assert_eq!(waiting.await.err(), Some(QueueError::Canceled));
    }
    drop(permit);
    assert!(gate.try_acquire().is_some());
}

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_no_longer_waits_for_a_drain_leaves_nothing_behind() {
    let gate = gate(2);
    let permit = gate.try_acquire().unwrap();
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let wakers = || Arc::strong_count(&woken) - 2;
    let mut cx = Context::from_waker(&waker);
    let (mut first, mut second) = (gate.drained(), gate.drained());
    assert!(pin!(&mut first).poll(&mut cx).is_pending());
    assert!(pin!(&mut first).poll(&mut cx).is_pending());
    assert!(pin!(&mut second).poll(&mut cx).is_pending());
    assert_eq!(wakers(), 2, "one for each, though they are of one task");
    drop(first);
    assert_eq!(wakers(), 1);
    drop(permit);
    assert_eq!((woken.0.load(Ordering::SeqCst), wakers()), (1, 0));
    // One that has been woken looks again.
    let permit = gate.try_acquire().unwrap();
    assert!(pin!(&mut second).poll(&mut cx).is_pending());
    drop(second);
    assert_eq!(wakers(), 0);
    let _beside =
        gate.try_acquire().expect("nobody watches any more, so that a free permit is taken without a look");
    drop(permit);
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_closed_gate_serves_those_that_wait_and_drains() {
    let gate = gate(1);
    let permit = gate.try_acquire().unwrap();
    let waiting = gate.acquire_owned(anyone());
    gate.close();
    assert_eq!(gate.acquire(anyone()).await.err(), Some(QueueError::Closed));
    let mut drained = gate.drained();
    assert!(is_pending(&mut drained).await);
    drop(permit);
    let permit = waiting.await.unwrap();
    assert!(is_pending(&mut drained).await);
    let held = tokio::spawn(async move {
        sleep(SECOND).await;
        permit.settle();
    });
    drained.await;
    held.await.unwrap();
    assert!(gate.try_acquire().is_none(), "closed");
    gate.reopen();
    assert!(gate.try_acquire().is_some());
}

#[tokio::test(start_paused = true)]
async fn the_limit_is_never_exceeded_and_every_permit_comes_back() {
    let gate = gate(4);
    let (peak, now) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..400_u64)
        .map(|n| {
            let (gate, peak, now) = (gate.clone(), peak.clone(), now.clone());
            tokio::spawn(async move {
                sleep(Duration::from_millis(n % 7)).await;
                let request = JobRequest::new(Tenant::new(n % 5)).priority(Priority::ALL[(n % 4) as usize]);
                let permit = tokio::time::timeout(Duration::from_millis(n), gate.acquire(request)).await;
                let Ok(Ok(permit)) = permit else { return };
                peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                sleep(Duration::from_millis(n % 11)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                permit.settle();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(peak.load(Ordering::SeqCst), 4);
    assert_eq!((gate.in_flight(), gate.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_adaptive_limit_grows_while_all_is_well() {
    let gate = Gate::with_discipline(Limit::gradient(1..=64), Fair::default(), QueueLimits::default());
    let before = gate.limit();
    for _ in 0..50 {
        let permits: Vec<_> = std::iter::from_fn(|| gate.try_acquire()).collect();
        assert_eq!(permits.len(), gate.limit());
        advance(Duration::from_millis(10)).await;
        permits.into_iter().for_each(|permit| permit.settle());
    }
    assert!(before < gate.limit() && gate.limit() <= 64);
    assert_eq!(gate.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_lifts_what_it_waits_for_until_it_leaves() {
    let gate = gate(1);
    let permit = gate.try_acquire().unwrap();
    let step = PriorityHandle::new(Urgency::new(Background));
    let mut queued = gate.acquire(anyone().priority(Background)).raised_by(&step);
    let mut other = gate.acquire(anyone());
    let flight = PriorityHandle::new(Urgency::new(Background));
    let caller = PriorityHandle::new(Urgency::new(Urgent));
    let _through = flight.donate(&step);
    let donation = caller.donate(&flight);
    assert_eq!(step.urgency().priority, Urgent);
    drop(permit);
    let permit = queued.as_mut_ready().await;
    assert!(is_pending(&mut other).await);
    // The caller leaves: what it lent goes with it.
    let mut again = gate.acquire(anyone().priority(Background)).raised_by(&step);
    drop(donation);
    assert_eq!(step.urgency().priority, Background);
    drop(permit);
    drop(other.as_mut_ready().await);
    drop(again.as_mut_ready().await);
    assert_eq!(gate.in_flight(), 0);
}

/// An urgent caller joins a flight that is queued in the background, behind a backlog: it is done when it would have been
/// done with a flight of its own.
#[tokio::test(start_paused = true)]
async fn joining_a_queued_flight_costs_an_urgent_caller_nothing() {
    async fn one(join: bool) -> Duration {
        let gate = gate(4);
        let work = |request: JobRequest| {
            let gate = gate.clone();
            async move {
                let permit = gate.acquire(request).await.unwrap();
                sleep(SECOND).await;
                permit.settle();
            }
        };
        for _ in 0..200 {
            tokio::spawn(work(anyone()));
        }
        tokio::task::yield_now().await;
        let flight = PriorityHandle::new(Urgency::new(Background));
        let place = gate.acquire_owned(anyone().priority(Background)).raised_by(&flight);
        let led = tokio::spawn(async move {
            let permit = place.await.unwrap();
            sleep(SECOND).await;
            permit.settle();
        });
        sleep(SECOND * 3).await;
        let start = Instant::now();
        if join {
            let caller = PriorityHandle::new(Urgency::new(Urgent));
            let _donation = caller.donate(&flight);
            led.await.unwrap();
        } else {
            work(anyone().priority(Urgent)).await;
        }
        start.elapsed()
    }
    let (joined, direct) = (one(true).await, one(false).await);
    assert!(joined.as_secs_f64() <= 1.05 * direct.as_secs_f64(), "{joined:?} joined, {direct:?} direct");
}

#[tokio::test(start_paused = true)]
async fn tasks_run_two_at_a_time_and_each_ends_once() {
    let pool = Pool::new(gate(2));
    let start = Instant::now();
    let ok = |n: u64| async move {
        sleep(SECOND).await;
        Ok::<_, &str>(n)
    };
    let handles: Vec<_> = (0..5).map(|n| pool.submit(anyone(), ok(n))).collect();
    let failing = pool.submit(anyone(), async { Err::<(), _>("broken") });
    let panicking =
        pool.submit(anyone(), async { if true { panic!("as intended") } else { Ok::<(), &str>(()) } });
    for (n, handle) in handles.into_iter().enumerate() {
        assert_eq!(handle.await.unwrap(), n as u64);
    }
    assert_eq!(start.elapsed(), SECOND * 3);
    assert!(matches!(failing.await, Err(JobError::Failed("broken"))));
    assert!(matches!(panicking.await, Err(JobError::Panicked(message)) if !message.is_empty()));
    pool.submit(anyone(), ok(9)).await.unwrap();
    let counts = pool.counts();
    assert_eq!((counts.submitted, counts.completed, counts.failed, counts.panicked), (8, 6, 1, 1));
    assert_eq!((counts.pending, pool.gate().in_flight()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn one_worker_keeps_the_order() {
    let pool = Pool::new(gate(1));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let task = |name: &'static str| {
        let seen = seen.clone();
        async move {
            sleep(SECOND).await;
            seen.lock().unwrap().push(name);
            Ok::<_, ()>(())
        }
    };
    let first = pool.submit(anyone(), task("first"));
    let low = pool.submit(anyone().priority(Background), task("low"));
    let normal = pool.submit(anyone(), task("normal"));
    let high = pool.submit(anyone().priority(Urgent), task("high"));
    for handle in [first, low, normal, high] {
        handle.await.unwrap();
    }
    assert_eq!(*seen.lock().unwrap(), ["first", "high", "normal", "low"]);
}

#[tokio::test(start_paused = true)]
async fn stopping_lets_the_running_end_and_cancels_the_queued() {
    let pool = Pool::new(gate(1));
    let task = || async {
        sleep(SECOND).await;
        Ok::<_, ()>(())
    };
    let running = pool.submit(anyone(), task());
    let queued = pool.submit(anyone(), task());
    assert_eq!(pool.stop().await, 1);
    assert!(running.await.is_ok());
    assert!(matches!(queued.await, Err(JobError::Refused(QueueError::Canceled))));
    assert!(matches!(pool.submit(anyone(), task()).await, Err(JobError::Refused(QueueError::Closed))));
    pool.gate().reopen();
    assert!(pool.submit(anyone(), task()).await.is_ok());
    let counts = pool.counts();
    assert_eq!((counts.submitted, counts.completed, counts.canceled, counts.refused), (4, 2, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn aborting_accounts_for_every_task() {
    let pool = Pool::new(gate(2));
    let forever = || async {
        std::future::pending::<()>().await;
        Ok::<_, ()>(())
    };
    let handles: Vec<_> = (0..6).map(|_| pool.submit(anyone(), forever())).collect();
    let late = anyone().deadline((Instant::now() + SECOND).into_std());
    let expired = pool.submit(late, forever());
    sleep(SECOND * 2).await;
    assert!(matches!(expired.await, Err(JobError::Refused(QueueError::Expired))));
    pool.abort().await;
    for handle in handles {
        assert!(matches!(handle.await, Err(JobError::Refused(QueueError::Canceled))));
    }
    let counts = pool.counts();
    assert_eq!((counts.submitted, counts.canceled, counts.expired, counts.pending), (7, 6, 1, 0));
    assert_eq!((pool.gate().in_flight(), pool.gate().waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn dropping_a_handle_cancels_and_detaching_does_not() {
    let pool = Pool::new(gate(2));
    let task = || async {
        sleep(SECOND).await;
        Ok::<_, ()>(())
    };
    drop(pool.submit(anyone(), task()));
    pool.submit(anyone(), task()).detach();
    pool.drain().await;
    let counts = pool.counts();
    assert_eq!((counts.completed, counts.canceled), (1, 1));
}

#[tokio::test]
async fn a_started_blocking_call_keeps_its_permit_when_its_caller_leaves() {
    let blocking = gate(1);
    assert_eq!(blocking.run_blocking(anyone(), || 6 * 7).await, Ok(42));
    let (started, is_started) = tokio::sync::oneshot::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    {
        let mut call = pin!(blocking.run_blocking(anyone(), move || {
            let _ = started.send(());
            let _ = released.recv();
        }));
        tokio::select! {
            _ = &mut call => unreachable!("it waits to be released"),
            started = is_started => started.unwrap(),
        }
    }
    // The caller is gone; the thread is not.
    assert_eq!(blocking.in_flight(), 1);
    assert!(blocking.try_acquire().is_none());
    let waiting = blocking.acquire(anyone());
    release.send(()).unwrap();
    waiting.await.unwrap().settle();
    blocking.drained().await;
    assert_eq!(blocking.in_flight(), 0);
}

#[tokio::test]
async fn a_blocking_call_that_panics_gives_its_permit_back() {
    let blocking = gate(1);
    let shared = blocking.clone();
    let call =
        tokio::spawn(async move { shared.run_blocking(anyone(), || panic!("as intended")).await.is_ok() });
    assert!(call.await.unwrap_err().is_panic());
    blocking.drained().await;
    assert_eq!(blocking.run_blocking(anyone(), || ()).await, Ok(()));
}

/// Two places in two gates follow one lift; both are the first of their gate. One leaves.
#[tokio::test(start_paused = true)]
async fn a_place_that_leaves_takes_no_urgency_from_a_place_in_another_gate() {
    let (one, two) = (gate(1), gate(1));
    let (_held, permit) = (one.try_acquire().unwrap(), two.try_acquire().unwrap());
    let flight = PriorityHandle::new(Urgency::new(Background));
    let leaver = one.acquire(anyone().priority(Background)).raised_by(&flight);
    let mut lifted = two.acquire(anyone().priority(Background)).raised_by(&flight);
    let mut normal = two.acquire(anyone());
    drop(leaver);
    let caller = PriorityHandle::new(Urgency::new(Urgent));
    let _donation = caller.donate(&flight);
    drop(permit);
    let permit = lifted.as_mut_ready().await;
    assert!(is_pending(&mut normal).await, "the urgent caller's flight goes first");
    drop(permit);
    drop(normal.await.unwrap());
}

/// Of those that wait for a place, a hundred belong to a tenant that has its part of the queue.
#[tokio::test(start_paused = true)]
async fn a_place_goes_to_one_who_may_have_it() {
    let gate = Gate::with_discipline(Limit::fixed(1), Fair::default(), QueueLimits::new(20));
    let of = |tenant: u64| JobRequest::new(Tenant::new(tenant));
    let permit = gate.try_acquire().unwrap();
    let mut queued: Vec<_> = (0..20).map(|n| gate.acquire(of(if n < 16 { 1 } else { n }))).collect();
    assert_eq!(gate.waiting(), 20);
    let mut greedy: Vec<_> = (0..100).map(|_| Box::pin(gate.acquire_patiently(of(1)))).collect();
    for one in &mut greedy {
        assert!(is_pending(one).await);
    }
    let mut modest = Box::pin(gate.acquire_patiently(of(99)));
    assert!(is_pending(&mut modest).await);
    drop(queued.pop());
    // Everybody is polled when woken, as an executor does; nobody is polled for ever.
    for _ in 0..3 {
        for one in &mut greedy {
            assert!(is_pending(one).await);
        }
        assert!(is_pending(&mut modest).await, "it has a place, and no permit yet");
    }
    assert_eq!(gate.waiting(), 20, "the place that was freed is taken");
    drop(modest);
    assert_eq!(gate.waiting(), 19);
    drop(greedy);
    drop(queued);
    drop(permit);
}

#[tokio::test(start_paused = true)]
async fn a_limit_can_be_changed_while_it_runs() {
    let gate = gate(2);
    let permits = [gate.try_acquire().unwrap(), gate.try_acquire().unwrap()];
    let mut waiting: Vec<_> = (0..4).map(|_| gate.acquire(anyone())).collect();
    gate.set_limit(Limit::fixed(4));
    let mut more: Vec<_> = Vec::new();
    for waiting in &mut waiting[..2] {
        more.push(waiting.as_mut_ready().await);
    }
    assert!(is_pending(&mut waiting[2]).await);
    assert_eq!((gate.limit(), gate.in_flight()), (4, 4));
    gate.set_limit(Limit::fixed(1));
    drop(permits);
    more.pop();
    assert_eq!(gate.in_flight(), 1);
    assert!(is_pending(&mut waiting[2]).await, "as many run as may");
    more.pop();
    more.push(waiting[2].as_mut_ready().await);
    assert!(is_pending(&mut waiting[3]).await);
    // To a limit that measures, and back.
    gate.set_limit(Limit::vegas(2..=8));
    more.push(waiting[3].as_mut_ready().await);
    for _ in 0..100 {
        let permit = gate.acquire(anyone()).await.unwrap();
        advance(SECOND / 100).await;
        permit.settle();
    }
    assert!((2..=8).contains(&gate.limit()));
    let timed = gate.acquire(anyone()).await.unwrap();
    gate.set_limit(Limit::fixed(3));
    timed.settle();
    more.clear();
    assert_eq!((gate.limit(), gate.in_flight(), gate.waiting()), (3, 0, 0));
}

/// A job waits above target; for an hour permits are free; a job waits above target again.
#[tokio::test(start_paused = true)]
async fn a_burst_is_forgotten_when_the_queue_was_empty() {
    let millis = Duration::from_millis;
    let gate = Gate::with_discipline(
        Limit::fixed(1),
        Fair::default(),
        QueueLimits::new(10).delay(millis(10), millis(100)),
    );
    for _ in 0..3 {
        let permit = gate.try_acquire().unwrap();
        let mut waiting: Vec<_> = (0..3).map(|_| gate.acquire(anyone())).collect();
        advance(millis(20)).await;
        permit.settle();
        for waiting in &mut waiting {
            waiting.as_mut_ready().await.settle();
        }
        for _ in 0..60 {
            advance(SECOND * 60).await;
            gate.try_acquire().unwrap().settle();
        }
    }
}

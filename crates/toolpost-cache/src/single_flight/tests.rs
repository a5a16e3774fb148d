//! Who polls a load, who gets its answer, and what happens when they leave.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use super::{FlightOutcome, JoinOptions, Joined, Panicked, PriorityHandle, SingleFlight};
use crate::cache::Cache;
use crate::support::key;
use crate::tags::Tags;

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    fn rings(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// A gate that a load waits at, any number of times.
#[derive(Clone, Default)]
struct Gate(Arc<Mutex<(usize, Option<Waker>)>>);

impl Gate {
    /// Lets the load pass once.
    fn open(&self) {
        let mut gate = self.0.lock().expect("whole");
        gate.0 += 1;
        if let Some(waker) = gate.1.take() {
            waker.wake();
        }
    }

    async fn pass(&self) {
        poll_fn(|cx| {
            let mut gate = self.0.lock().expect("whole");
            if 0 < gate.0 {
                gate.0 -= 1;
                return Poll::Ready(());
            }
            gate.1 = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

type Boxed<T> = Pin<Box<dyn Future<Output = Result<Joined<T>, Panicked>> + Send>>;

fn poll<T>(waiter: &mut Boxed<T>, bell: &Arc<Bell>) -> Poll<Result<Joined<T>, Panicked>> {
    waiter.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(bell))))
}

/// A waiter whose load passes `gate` twice, then lands what `land` makes of it; `runs` counts loads.
fn waiter(
    flights: &SingleFlight<u64>,
    gate: &Gate,
    runs: &Arc<AtomicUsize>,
    outcome: impl FnOnce() -> FlightOutcome<u64> + Send + 'static,
) -> Boxed<u64> {
    let (gate, runs) = (gate.clone(), Arc::clone(runs));
    Box::pin(flights.join(key("k"), JoinOptions::any(()), move |_| async move {
        runs.fetch_add(1, Ordering::SeqCst);
        gate.pass().await;
        gate.pass().await;
        outcome()
    }))
}

fn crowd(n: usize, make: impl Fn() -> Boxed<u64>) -> Vec<(Boxed<u64>, Arc<Bell>)> {
    (0..n).map(|_| (make(), Arc::new(Bell::default()))).collect()
}

#[test]
fn many_callers_are_one_load_and_each_is_polled_twice() {
    let (flights, gate, runs) = (SingleFlight::new(), Gate::default(), Arc::default());
    let mut waiters = crowd(10_000, || waiter(&flights, &gate, &runs, || FlightOutcome::Shared(7)));
    let mut polls = vec![0_usize; waiters.len()];
    for (at, (waiter, bell)) in waiters.iter_mut().enumerate() {
        polls[at] += 1;
        assert!(poll(waiter, bell).is_pending());
    }
    for _ in 0..2 {
        gate.open();
        for (at, (waiter, bell)) in waiters.iter_mut().enumerate() {
            // An executor polls whom it was asked to, and nobody else.
            if 0 < bell.0.swap(0, Ordering::SeqCst) {
                polls[at] += 1;
                if let Poll::Ready(arrival) = poll(waiter, bell) {
                    assert_eq!(arrival.map(|a| (a.value, a.joined)), Ok((7, at != 0)));
                }
            }
        }
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    assert_eq!(polls[0], 3, "the one that polls the load: once to start it, once per wake");
    assert!(polls[1..].iter().all(|n| *n == 2));
    assert!(flights.is_empty());
}

#[test]
fn whoever_leaves_and_whenever_the_load_goes_on() {
    // Before or after the load is woken for its step, the first `leavers` of five waiters leave.
    for (step_left, woken) in [(0, false), (0, true), (1, false), (1, true)] {
        for leavers in 1..5 {
            let (flights, gate, runs) = (SingleFlight::new(), Gate::default(), Arc::default());
            let mut waiters = crowd(5, || waiter(&flights, &gate, &runs, || FlightOutcome::Shared(7)));
            for (waiter, bell) in &mut waiters {
                assert!(poll(waiter, bell).is_pending());
            }
            for step in 0..2 {
                if step == step_left && !woken {
                    waiters.drain(..leavers);
                }
                gate.open();
                if step == step_left && woken {
                    waiters.drain(..leavers);
                }
                settle(&mut waiters);
            }
            assert!(waiters.is_empty(), "{} still waiting", waiters.len());
            assert_eq!(runs.load(Ordering::SeqCst), 1);
            assert!(flights.is_empty());
        }
    }
}

/// Polls whoever was woken until nobody is, and lets those with an answer go.
fn settle(waiters: &mut Vec<(Boxed<u64>, Arc<Bell>)>) {
    while waiters.iter().any(|(_, bell)| 0 < bell.rings()) {
        waiters.retain_mut(|(waiter, bell)| {
            if bell.0.swap(0, Ordering::SeqCst) == 0 {
                return true;
            }
            match poll(waiter, bell) {
                Poll::Pending => true,
                Poll::Ready(arrival) => {
                    assert_eq!(arrival.map(|a| a.value), Ok(7));
                    false
                }
            }
        });
    }
}

#[test]
fn the_last_to_leave_takes_the_load_along() {
    let (flights, gate, runs) = (SingleFlight::new(), Gate::default(), Arc::default());
    let held = Arc::new(());
    let mut waiters = crowd(2, || {
        let held = Arc::clone(&held);
        waiter(&flights, &gate, &runs, move || {
            let _held = held;
            FlightOutcome::Shared(7)
        })
    });
    for (waiter, bell) in &mut waiters {
        assert!(poll(waiter, bell).is_pending());
    }
    waiters.pop();
    assert_eq!(flights.len(), 1);
    waiters.pop();
    assert!(flights.is_empty());
    assert_eq!(Arc::strong_count(&held), 1, "the load is dropped");
    gate.open();
}

#[test]
fn a_personal_answer_goes_to_its_owner_and_the_next_waiter_leads() {
    let (flights, gate, runs): (SingleFlight<u64>, Gate, Arc<AtomicUsize>) = Default::default();
    let mut waiters: Vec<(Boxed<u64>, Arc<Bell>)> = (0..4)
        .map(|n| {
            let outcome = move || if n < 2 { FlightOutcome::Personal(n) } else { FlightOutcome::Shared(n) };
            (waiter(&flights, &gate, &runs, outcome), Arc::new(Bell::default()))
        })
        .collect();
    for (waiter, bell) in &mut waiters {
        assert!(poll(waiter, bell).is_pending());
    }
    let mut answers = vec![None; 4];
    while answers.iter().any(Option::is_none) {
        gate.open();
        for (at, (waiter, bell)) in waiters.iter_mut().enumerate() {
            if 0 < bell.0.swap(0, Ordering::SeqCst)
                && let Poll::Ready(Ok(Joined { value, joined, .. })) = poll(waiter, bell)
            {
                answers[at] = Some((value, joined));
            }
        }
    }
    assert_eq!(answers, [Some((0, false)), Some((1, false)), Some((2, false)), Some((2, true))]);
    assert_eq!(runs.load(Ordering::SeqCst), 3);
    assert!(flights.is_empty());
}

#[test]
fn a_personal_answer_without_its_owner_is_nobodys() {
    let (flights, gate, runs) = (SingleFlight::new(), Gate::default(), Arc::default());
    let mut first = waiter(&flights, &gate, &runs, || FlightOutcome::Personal(1));
    let mut second = waiter(&flights, &gate, &runs, || FlightOutcome::Shared(7));
    let bell = Arc::new(Bell::default());
    assert!(poll(&mut first, &bell).is_pending());
    assert!(poll(&mut second, &bell).is_pending());
    drop(first);
    for _ in 0..4 {
        gate.open();
    }
    assert!(matches!(poll(&mut second, &bell), Poll::Ready(Ok(Joined { value: 7, joined: false, .. }))));
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[test]
fn a_panic_reaches_everyone_as_an_error() {
    let (flights, gate, runs) = (SingleFlight::new(), Gate::default(), Arc::default());
    let mut waiters = crowd(3, || waiter(&flights, &gate, &runs, || panic!("broken")));
    for (waiter, bell) in &mut waiters {
        assert!(poll(waiter, bell).is_pending());
    }
    gate.open();
    gate.open();
    for (waiter, bell) in &mut waiters {
        assert_eq!(poll(waiter, bell), Poll::Ready(Err(panicked())));
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    assert!(flights.is_empty());
}

fn panicked() -> Panicked {
    let flights: SingleFlight<u64> = SingleFlight::new();
    let make = |_| -> std::future::Ready<FlightOutcome<u64>> { panic!("cannot be made") };
    let mut own = pin!(flights.join(key("own"), JoinOptions::any(()), make));
    match own.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Err(panicked)) => panicked,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_load_overtaken_by_an_invalidation_is_not_joined() {
    let cache: Cache<u64> = Cache::new(crate::Memory::new(crate::Capacity::entries(10)));
    let (flights, gate) = (SingleFlight::new(), Gate::default());
    let tags = Tags::from_iter(["tag"]);
    let join = |value| -> Boxed<u64> {
        let join = JoinOptions::since(cache.valid_since(b"k".into(), Some(&tags)), cache.epoch(), ());
        let gate = gate.clone();
        Box::pin(flights.join(key("k"), join, move |_| async move {
            gate.pass().await;
            FlightOutcome::Shared(value)
        }))
    };
    let bell = Arc::new(Bell::default());
    let mut before = join(1);
    assert!(poll(&mut before, &bell).is_pending());
    cache.invalidate("other");
    let mut along = join(2);
    assert!(poll(&mut along, &bell).is_pending());
    cache.invalidate("tag");
    let mut after = join(3);
    gate.open();
    gate.open();
    assert!(matches!(poll(&mut after, &bell), Poll::Ready(Ok(Joined { value: 3, joined: false, .. }))));
    assert!(matches!(poll(&mut before, &bell), Poll::Ready(Ok(Joined { value: 1, joined: false, .. }))));
    assert!(matches!(poll(&mut along, &bell), Poll::Ready(Ok(Joined { value: 1, joined: true, .. }))));
    assert!(flights.is_empty());
}

#[test]
fn a_more_urgent_waiter_lifts_the_load() {
    let flights: SingleFlight<u64, u8> = SingleFlight::new();
    let told = Arc::new(Mutex::new(Vec::new()));
    let join = |urgency: u8| -> Boxed<u64> {
        let told = Arc::clone(&told);
        Box::pin(flights.join(key("k"), JoinOptions::any(urgency), move |priority: PriorityHandle<u8>| {
            priority.on_raise(move |urgency| told.lock().unwrap().push(*urgency));
            std::future::pending()
        }))
    };
    let bell = Arc::new(Bell::default());
    let mut waiters: Vec<Boxed<u64>> = [3, 1, 3, 7, 5].map(join).into();
    for waiter in &mut waiters {
        assert!(poll(waiter, &bell).is_pending());
    }
    assert_eq!(*told.lock().unwrap(), [3, 7]);
}

#[test]
fn a_waiter_whose_rise_panics_keeps_no_seat() {
    let flights: SingleFlight<u64, u8> = SingleFlight::new();
    let join = |urgency: u8| -> Boxed<u64> {
        Box::pin(flights.join(key("k"), JoinOptions::any(urgency), move |priority: PriorityHandle<u8>| {
            priority.on_raise(move |risen| assert!(*risen <= urgency, "for the test"));
            std::future::pending()
        }))
    };
    let bell = Arc::new(Bell::default());
    let (mut first, mut second) = (join(1), join(2));
    assert!(poll(&mut first, &bell).is_pending());
    let risen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll(&mut second, &bell)));
    assert!(risen.is_err());
    drop((first, second));
    assert!(flights.is_empty(), "nobody waits, and nobody who is not there is waited for");
}

#[test]
fn a_waiter_polled_for_another_reason_takes_over_a_load_left_waiting() {
    let (flights, gate, runs) = (SingleFlight::new(), Gate::default(), Arc::default());
    let mut waiters = crowd(2, || waiter(&flights, &gate, &runs, || FlightOutcome::Shared(7)));
    for (waiter, bell) in &mut waiters {
        assert!(poll(waiter, bell).is_pending());
    }
    gate.open();
    gate.open();
    // The first was woken and is not polled; the second has a deadline of its own, say.
    let (second, bell) = &mut waiters[1];
    assert!(poll(second, bell).is_ready());
}

#[test]
fn a_personal_answer_reaches_its_owner_though_another_polled_the_load() {
    let (flights, gate, runs) = (SingleFlight::new(), Gate::default(), Arc::default());
    let mut first = waiter(&flights, &gate, &runs, || FlightOutcome::Personal(1));
    let mut second = waiter(&flights, &gate, &runs, || FlightOutcome::Shared(7));
    let bell = Arc::new(Bell::default());
    assert!(poll(&mut first, &bell).is_pending());
    assert!(poll(&mut second, &bell).is_pending());
    gate.open();
    gate.open();
    assert!(poll(&mut second, &bell).is_pending(), "it took over, and now asks for itself");
    assert!(matches!(poll(&mut first, &bell), Poll::Ready(Ok(Joined { value: 1, joined: false, .. }))));
    gate.open();
    gate.open();
    assert!(matches!(poll(&mut second, &bell), Poll::Ready(Ok(Joined { value: 7, joined: false, .. }))));
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert!(flights.is_empty());
}

/// Panics when it is woken.
struct Cracked;

impl Wake for Cracked {
    fn wake(self: Arc<Self>) {
        std::panic::resume_unwind(Box::new("a broken waker"));
    }
}

#[test]
fn a_waker_that_panics_costs_no_other_waiter_its_own() {
    let flights: SingleFlight<u64> = SingleFlight::new();
    let gate = Gate::default();
    let mut joins: Vec<Boxed<u64>> = (0..4)
        .map(|_| {
            let gate = gate.clone();
            let load = move |_: PriorityHandle<()>| async move {
                gate.pass().await;
                FlightOutcome::Shared(7)
            };
            Box::pin(flights.join(key("k"), JoinOptions::any(()), load)) as Boxed<u64>
        })
        .collect();
    let bells: Vec<Arc<Bell>> = (0..4).map(|_| Arc::default()).collect();
    for (join, bell) in joins.iter_mut().zip(&bells) {
        assert!(poll(join, bell).is_pending());
    }
    let cracked = Waker::from(Arc::new(Cracked));
    assert!(joins[1].as_mut().poll(&mut Context::from_waker(&cracked)).is_pending());
    gate.open();
    let rings = |n: usize| bells[n].rings();
    let before = (rings(2), rings(3));
    let landed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll(&mut joins[0], &bells[0])));
    assert!(landed.is_err(), "the panic goes on, in the task that landed the load");
    assert_eq!((rings(2), rings(3)), (before.0 + 1, before.1 + 1));
    for n in 2..4 {
        assert!(matches!(poll(&mut joins[n], &bells[n]), Poll::Ready(Ok(Joined { value: 7, .. }))));
    }
}

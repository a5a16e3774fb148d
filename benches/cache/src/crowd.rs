//! Many callers with one question, and how often each is polled while it waits.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use harness::Goals;
use toolpost_cache::rt::{LoadOptions, LoadOutcome, ReadThrough};
use toolpost_cache::{Cache, Capacity, EntryOptions, Memory};
use tower::{Layer as _, Service};
use tower_resilience_coalesce::CoalesceLayer;

const CALLERS: u64 = 10_000;
/// Fewer for the peer, whose waiters never rest.
const FEWER: u64 = 10;
const UPSTREAM: Duration = Duration::from_millis(50);

/// What came of a crowd.
pub(crate) struct Crowd {
    runs: u64,
    most_polls: u64,
    peer_polls: f64,
    own_polls: f64,
}

impl Crowd {
    pub(crate) fn judge(&self, goals: &mut Goals) {
        goals.at_most("runs for 10,000 identical concurrent calls", self.runs as f64, 1.0);
        goals.at_most("polls of the most polled of 10,000 callers", self.most_polls as f64, 3.0);
        goals.at_least(
            "polls per caller of tower-resilience-coalesce over ours",
            self.peer_polls / self.own_polls,
            100.0,
        );
    }
}

/// Counts the polls of a future.
struct Polled<F> {
    future: Pin<Box<F>>,
    polls: u64,
}

impl<F: Future> Future for Polled<F> {
    type Output = (F::Output, u64);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.polls += 1;
        let polls = self.polls;
        self.future.as_mut().poll(cx).map(|output| (output, polls))
    }
}

fn polled<F: Future>(future: F) -> Polled<F> {
    Polled { future: Box::pin(future), polls: 0 }
}

pub(crate) fn run() -> Crowd {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    // Beside the runtime that the other cases are in.
    let crowd = std::thread::spawn(move || runtime.expect("a runtime").block_on(ask_all()));
    crowd.join().expect("no panic")
}

async fn ask_all() -> Crowd {
    let front: ReadThrough<u64, ()> = ReadThrough::new(Cache::new(Memory::new(Capacity::entries(100))));
    let runs = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let asking: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (front, runs) = (front.clone(), Arc::clone(&runs));
            tokio::spawn(async move {
                let load = move |_| async move {
                    runs.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(UPSTREAM).await;
                    LoadOutcome::Keep(7, EntryOptions::ttl(Duration::from_secs(60)))
                };
                polled(front.get(b"the question".into(), LoadOptions::new(), load)).await
            })
        })
        .collect();
    let (mut most, mut all) = (0, 0);
    for asked in asking {
        let (answer, polls) = asked.await.expect("no panic");
        assert!(answer.is_ok_and(|answer| answer.value == 7));
        most = most.max(polls);
        all += polls;
    }
    let took = began.elapsed();
    println!("{CALLERS} callers, ours: {all} polls in {took:?}, {most} at most");

    let inner = tower::service_fn(|key: u64| async move {
        tokio::time::sleep(UPSTREAM).await;
        Ok::<_, std::io::ErrorKind>(key)
    });
    let service = CoalesceLayer::new(|key: &u64| *key).layer(inner);
    let asking: Vec<_> = (0..FEWER)
        .map(|_| {
            let mut service = service.clone();
            tokio::spawn(async move {
                std::future::poll_fn(|cx| service.poll_ready(cx)).await.unwrap_or_else(|_| panic!("ready"));
                polled(service.call(7)).await.1
            })
        })
        .collect();
    let mut peer = 0;
    for asked in asking {
        peer += asked.await.expect("no panic");
    }
    println!("{FEWER} callers, tower-resilience-coalesce: {peer} polls");
    Crowd {
        runs: runs.load(Ordering::Relaxed),
        most_polls: most,
        peer_polls: peer as f64 / FEWER as f64,
        own_polls: all as f64 / CALLERS as f64,
    }
}

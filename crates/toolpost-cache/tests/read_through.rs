//! The front on a paused clock.
#![cfg(feature = "tokio")]
#![expect(clippy::disallowed_methods, reason = "the clock of these tests is paused")]

mod support;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use support::secs;
use tokio::time::sleep;
use toolpost_cache::rt::{Answer, LoadError, Loading, Outcome, Purpose, ReadThrough, Request, Source};
use toolpost_cache::{Bounds, Cache, Entry, Key, KeyRef, Lifetime, Memory, Oversized, Store, Terms, Usage};

type Front = ReadThrough<u64, &'static str>;
type Result = std::result::Result<Answer<u64>, LoadError<&'static str>>;

fn front() -> Front {
    ReadThrough::new(Cache::new(Memory::new(Bounds::entries(1_000))))
}

/// An upstream that takes 50 ms, counts its calls, and answers with their number.
#[derive(Clone, Default)]
struct Upstream {
    calls: Arc<AtomicU64>,
    refreshes: Arc<AtomicU64>,
    down: Arc<AtomicUsize>,
}

const UP: usize = 0;
const FAILING: usize = 1;
const REJECTING: usize = 2;
const REFUSING: usize = 3;
const HANGING: usize = 4;
const PANICKING: usize = 5;

impl Upstream {
    fn set(&self, mood: usize) {
        self.down.store(mood, Ordering::SeqCst);
    }

    fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    async fn load(self, loading: Loading) -> Outcome<u64, &'static str> {
        let n = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if loading.purpose == Purpose::Refresh {
            self.refreshes.fetch_add(1, Ordering::SeqCst);
        }
        sleep(Duration::from_millis(50)).await;
        match self.down.load(Ordering::SeqCst) {
            FAILING => Outcome::Fail("down"),
            REJECTING => Outcome::Reject("no such thing", Terms::ttl(secs(1))),
            REFUSING => Outcome::Personal(Err("not for you")),
            HANGING => std::future::pending().await,
            PANICKING => panic!("broken"),
            _ => Outcome::Keep(n, terms()),
        }
    }

    async fn ask(&self, front: &Front) -> Result {
        let upstream = self.clone();
        front.get(Request::new(b"k").limit(secs(5)), move |loading| upstream.load(loading)).await
    }
}

fn terms() -> Terms {
    Terms::new(Lifetime::new(secs(10)).stale(secs(20)).stale_if_error(secs(60)))
}

fn told(value: u64, source: Source) -> std::result::Result<(u64, Source), LoadError<&'static str>> {
    Ok((value, source))
}

fn got(result: Result) -> std::result::Result<(u64, Source), LoadError<&'static str>> {
    result.map(|answer| (answer.value, answer.source))
}

// Cache 9
#[tokio::test(start_paused = true)]
async fn a_thousand_questions_are_one_load() {
    let (front, upstream) = (front(), Upstream::default());
    let asking: Vec<_> = (0..1_000)
        .map(|_| {
            let (front, upstream) = (front.clone(), upstream.clone());
            tokio::spawn(async move { upstream.ask(&front).await })
        })
        .collect();
    let mut joined = 0;
    for asked in asking {
        let answer = asked.await.unwrap().unwrap();
        assert_eq!(answer.value, 1);
        joined += usize::from(answer.source == Source::Joined);
    }
    assert_eq!((upstream.calls(), joined), (1, 999));
    assert_eq!(front.cache().stats().joined, 999);
    assert_eq!(front.cache().stats().load_time, Duration::from_millis(50));
}

// Cache 9
#[tokio::test(start_paused = true)]
async fn the_first_caller_may_leave_at_any_await() {
    // The load of `ask` awaits once; whoever leaves before or after it, the others get their answer.
    for leave_after in [0, 10, 49, 50] {
        let (front, upstream) = (front(), Upstream::default());
        let first = {
            let (front, upstream) = (front.clone(), upstream.clone());
            tokio::spawn(async move { upstream.ask(&front).await })
        };
        tokio::task::yield_now().await;
        let second = {
            let (front, upstream) = (front.clone(), upstream.clone());
            tokio::spawn(async move { upstream.ask(&front).await })
        };
        tokio::task::yield_now().await;
        sleep(Duration::from_millis(leave_after)).await;
        first.abort();
        assert_eq!(second.await.unwrap().map(|answer| answer.value), Ok(1));
        assert_eq!(upstream.calls(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn at_expiry_everyone_is_served_at_once_and_one_refresh_runs() {
    let (front, upstream) = (front(), Upstream::default());
    assert_eq!(got(upstream.ask(&front).await), told(1, Source::Loaded));
    sleep(secs(10)).await;
    for _ in 0..100 {
        let mut asked = pin!(upstream.ask(&front));
        let first_poll = poll_fn(|cx| Poll::Ready(asked.as_mut().poll(cx))).await;
        assert!(matches!(first_poll, Poll::Ready(Ok(Answer { value: 1, source: Source::Stale, .. }))));
    }
    assert_eq!(front.in_background(), 1);
    sleep(secs(1)).await;
    assert_eq!((upstream.calls(), upstream.refreshes.load(Ordering::SeqCst)), (2, 1));
    assert_eq!(got(upstream.ask(&front).await), told(2, Source::Fresh));
    assert_eq!(front.cache().stats().refreshes, 1);
}

#[tokio::test(start_paused = true)]
async fn an_outage_inside_the_window_is_not_seen() {
    let (front, upstream) = (front(), Upstream::default());
    assert!(upstream.ask(&front).await.is_ok());
    upstream.set(FAILING);
    // Fresh for 10 s, of use for 60 s more.
    let began = tokio::time::Instant::now();
    while began.elapsed() < secs(69) {
        sleep(secs(1)).await;
        let answer = upstream.ask(&front).await;
        assert_eq!(answer.map(|answer| answer.value), Ok(1), "after {:?}", began.elapsed());
    }
    let refreshes = upstream.refreshes.load(Ordering::SeqCst);
    assert!(
        refreshes <= 20,
        "a failing upstream is asked at most once a second, not {refreshes} times in 20 s"
    );
    sleep(secs(2)).await;
    assert_eq!(got(upstream.ask(&front).await), Err(LoadError::Failed("down")));
    assert!(0 < front.cache().stats().error_hits);
    upstream.set(UP);
    assert!(upstream.ask(&front).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_a_hang_and_a_panic_are_covered_and_a_rejection_is_not() {
    for mood in [REFUSING, HANGING, PANICKING, REJECTING] {
        let (front, upstream) = (front(), Upstream::default());
        assert!(upstream.ask(&front).await.is_ok());
        sleep(secs(40)).await;
        upstream.set(mood);
        let expected = if mood == REJECTING {
            Err(LoadError::Rejected("no such thing"))
        } else {
            told(1, Source::StaleOnError)
        };
        assert_eq!(got(upstream.ask(&front).await), expected);
    }
}

// Cache 9, 15
#[tokio::test(start_paused = true)]
async fn failures_are_told_to_everyone_and_not_kept() {
    for (mood, expected) in [
        (FAILING, LoadError::Failed("down")),
        (HANGING, LoadError::TimedOut(secs(5))),
        (PANICKING, LoadError::Panicked),
    ] {
        let (front, upstream) = (front(), Upstream::default());
        upstream.set(mood);
        let (a, b) = tokio::join!(upstream.ask(&front), upstream.ask(&front));
        assert_eq!((got(a), got(b)), (Err(expected.clone()), Err(expected)));
        assert_eq!(upstream.calls(), 1);
        upstream.set(UP);
        assert_eq!(got(upstream.ask(&front).await), told(2, Source::Loaded));
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejection_is_kept_for_a_moment() {
    let (front, upstream) = (front(), Upstream::default());
    upstream.set(REJECTING);
    assert_eq!(got(upstream.ask(&front).await), Err(LoadError::Rejected("no such thing")));
    upstream.set(UP);
    assert_eq!(got(upstream.ask(&front).await), Err(LoadError::Rejected("no such thing")));
    assert_eq!(upstream.calls(), 1);
    sleep(secs(1)).await;
    assert_eq!(got(upstream.ask(&front).await), told(2, Source::Loaded));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_not_shared() {
    let (front, upstream) = (front(), Upstream::default());
    upstream.set(REFUSING);
    let (a, b) = tokio::join!(upstream.ask(&front), async {
        let answer = upstream.ask(&front);
        sleep(Duration::from_millis(10)).await;
        upstream.set(REFUSING);
        answer.await
    });
    assert_eq!(
        (got(a), got(b)),
        (Err(LoadError::Failed("not for you")), Err(LoadError::Failed("not for you")))
    );
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_caller_leaves_at_its_own_deadline_and_the_load_goes_on() {
    let (front, upstream) = (front(), Upstream::default());
    let hurried = tokio::time::timeout(Duration::from_millis(10), upstream.ask(&front));
    let (hurried, patient) = tokio::join!(hurried, upstream.ask(&front));
    assert!(hurried.is_err());
    assert_eq!(patient.map(|answer| answer.value), Ok(1));
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_the_refresh_and_lets_no_other_start() {
    let (front, upstream) = (front(), Upstream::default());
    assert!(upstream.ask(&front).await.is_ok());
    sleep(secs(10)).await;
    assert_eq!(got(upstream.ask(&front).await), told(1, Source::Stale));
    front.drain().await;
    assert_eq!((upstream.calls(), front.in_background()), (2, 0));
    sleep(secs(11)).await;
    assert_eq!(got(upstream.ask(&front).await), told(2, Source::Stale));
    assert_eq!((upstream.calls(), front.in_background()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_read_after_an_invalidation_never_joins_a_load_from_before() {
    let (front, upstream) = (front(), Upstream::default());
    let early = {
        let (front, upstream) = (front.clone(), upstream.clone());
        tokio::spawn(async move { upstream.ask(&front).await })
    };
    tokio::task::yield_now().await;
    front.cache().remove(b"k");
    assert_eq!(got(upstream.ask(&front).await), told(2, Source::Loaded));
    assert_eq!(early.await.unwrap().map(|answer| answer.value), Ok(1));
    assert_eq!(got(upstream.ask(&front).await), told(2, Source::Fresh));
}

/// A store that cannot be put into.
struct Broken;

impl<V> Store<V> for Broken {
    fn get(&self, _: KeyRef<'_>) -> Option<Arc<Entry<V>>> {
        None
    }

    fn put(&self, _: Key, _: Arc<Entry<V>>) -> std::result::Result<(), Oversized> {
        panic!("broken")
    }

    fn remove(&self, _: KeyRef<'_>) -> bool {
        false
    }

    fn remove_entry(&self, _: KeyRef<'_>, _: &Arc<Entry<V>>) -> bool {
        false
    }

    fn clear(&self) -> usize {
        0
    }

    fn usage(&self) -> Usage {
        Usage::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_leaves_nobody_waiting() {
    let (front, upstream) = (Front::new(Cache::new(Broken)), Upstream::default());
    for _ in 0..2 {
        let (one, other) = tokio::join!(upstream.ask(&front), upstream.ask(&front));
        assert_eq!((got(one), got(other)), (Err(LoadError::Panicked), Err(LoadError::Panicked)));
    }
    assert_eq!(upstream.calls(), 2, "one load for each two");
}

#[tokio::test(start_paused = true)]
async fn a_load_begins_when_it_is_polled() {
    let (front, began) = (front(), tokio::time::Instant::now());
    let load = move |loading: Loading| {
        assert_eq!(loading.began, (began + secs(3)).into_std());
        async { Outcome::Keep(1, terms()) }
    };
    let asked = for_a_task(front.get(Request::new(b"k"), load));
    drop(front);
    sleep(secs(3)).await;
    assert_eq!(got(asked.await), told(1, Source::Loaded));
}

/// What a task of its own may be given, and a `select!` may poll.
const fn for_a_task<F: Future + Send + Unpin + 'static>(future: F) -> F {
    future
}

//! The front on a paused clock.
#![cfg(feature = "tokio")]
#![expect(clippy::disallowed_methods, reason = "the clock of these tests is paused")]

use crate::support;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use support::secs;
use tokio::time::sleep;
use toolpost_cache::rt::{
    LoadContext, LoadError, LoadOptions, LoadOutcome, Loaded, RawKey, ReadThrough, Source,
};
use toolpost_cache::{
    Cache, CacheEntry, CacheKey, CacheStats, Capacity, EntryOptions, KeyRef, KeyWriter, Memory, PutError,
    Store,
};

type Front = ReadThrough<u64, &'static str>;
type Result = std::result::Result<Loaded<u64>, LoadError<&'static str>>;

fn front() -> Front {
    ReadThrough::new(Cache::new(Memory::new(Capacity::entries(1_000))))
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

    async fn load(self, context: LoadContext) -> LoadOutcome<u64, &'static str> {
        let n = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if context.is_refresh() {
            self.refreshes.fetch_add(1, Ordering::SeqCst);
        }
        sleep(Duration::from_millis(50)).await;
        match self.down.load(Ordering::SeqCst) {
            FAILING => LoadOutcome::Fail("down"),
            REJECTING => LoadOutcome::Reject("no such thing", EntryOptions::ttl(secs(1))),
            REFUSING => LoadOutcome::Personal(Err("not for you")),
            HANGING => std::future::pending().await,
            PANICKING => panic!("broken"),
            _ => LoadOutcome::Keep(n, options()),
        }
    }

    async fn ask(&self, front: &Front) -> Result {
        let upstream = self.clone();
        front
            .get((b"k").into(), LoadOptions::new().limit(secs(5)), move |context| upstream.load(context))
            .await
    }
}

fn options() -> EntryOptions {
    EntryOptions::ttl(secs(10)).stale(secs(20)).stale_if_error(secs(60))
}

fn told(value: u64, source: Source) -> std::result::Result<(u64, Source), LoadError<&'static str>> {
    Ok((value, source))
}

fn got(result: Result) -> std::result::Result<(u64, Source), LoadError<&'static str>> {
    result.map(|answer| (answer.value, answer.source))
}

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
        assert!(matches!(first_poll, Poll::Ready(Ok(Loaded { value: 1, source: Source::Stale, .. }))));
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
    fn get(&self, _: KeyRef<'_>) -> Option<Arc<CacheEntry<V>>> {
        None
    }

    fn put(&self, _: CacheKey, _: Arc<CacheEntry<V>>) -> std::result::Result<(), PutError> {
        panic!("broken")
    }

    fn remove(&self, _: KeyRef<'_>) -> bool {
        false
    }

    fn remove_entry(&self, _: KeyRef<'_>, _: &Arc<CacheEntry<V>>) -> bool {
        false
    }

    fn clear(&self) -> usize {
        0
    }

    fn usage(&self) -> CacheStats {
        CacheStats::default()
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
    let load = move |context: LoadContext| {
        assert_eq!(context.began(), (began + secs(3)).into_std());
        async { LoadOutcome::Keep(1, options()) }
    };
    let asked = for_a_task(front.get((b"k").into(), LoadOptions::new(), load));
    drop(front);
    sleep(secs(3)).await;
    assert_eq!(got(asked.await), told(1, Source::Loaded));
}

/// What a task of its own may be given, and a `select!` may poll.
const fn for_a_task<F: Future + Send + Unpin + 'static>(future: F) -> F {
    future
}

/// A load for many, that notes what it was asked for and takes 50 ms; `k1` is answered with 1, and so on.
fn many(
    asked: &Arc<std::sync::Mutex<Vec<Vec<CacheKey>>>>,
) -> impl Fn(Vec<CacheKey>) -> Many + Send + Sync + use<> {
    let asked = Arc::clone(asked);
    move |keys| {
        asked.lock().expect("whole").push(keys.clone());
        Box::pin(async move {
            sleep(Duration::from_millis(50)).await;
            let number = |key: &CacheKey| u64::from(key.as_bytes()[1] - b'0');
            keys.iter().map(|key| LoadOutcome::Keep(number(key), EntryOptions::ttl(secs(60)))).collect()
        })
    }
}

type Many = std::pin::Pin<Box<dyn Future<Output = Vec<LoadOutcome<u64, &'static str>>> + Send>>;

fn names(keys: &[Vec<CacheKey>]) -> Vec<Vec<String>> {
    let name = |key: &CacheKey| String::from_utf8(key.as_bytes().to_vec()).expect("text");
    keys.iter().map(|keys| keys.iter().map(name).collect()).collect()
}

#[tokio::test(start_paused = true)]
async fn many_questions_are_one_load_for_those_that_nobody_loads() {
    let front = front();
    let asked = Arc::default();
    assert_eq!(front.load_for("k1", secs(60), async { Ok(1) }).await, Ok(1));
    let mut other = Box::pin(front.get("k2".into(), LoadOptions::new(), |_| async {
        sleep(Duration::from_millis(10)).await;
        LoadOutcome::Keep(22, EntryOptions::ttl(secs(60)))
    }));
    assert!(poll_fn(|cx| Poll::Ready(other.as_mut().poll(cx).is_pending())).await);
    let mut batch = Box::pin(front.get_many(&["k1", "k2", "k3", "k4", "k3"], secs(10), many(&asked)));
    assert!(poll_fn(|cx| Poll::Ready(batch.as_mut().poll(cx).is_pending())).await);
    // Who asks for one of them alone waits for the batch.
    let one = front.get((&"k4".to_owned()).into(), LoadOptions::new(), |_| async { LoadOutcome::Pass(0) });
    let (other, batch, one) = tokio::join!(other, batch, one);
    let one = one.unwrap();
    assert_eq!((other.unwrap().value, one.value, one.source), (22, 4, Source::Joined));
    let answers: Vec<_> =
        batch.into_iter().map(|answer| answer.unwrap()).map(|it| (it.value, it.source)).collect();
    let (fresh, joined, loaded) = (Source::Fresh, Source::Joined, Source::Loaded);
    assert_eq!(answers, [(1, fresh), (22, joined), (3, loaded), (4, loaded), (3, joined)]);
    assert_eq!(names(&asked.lock().unwrap()), [["k3", "k4"]]);
    let again = front.get_many(&["k1", "k2", "k3", "k4"], secs(10), many(&asked)).await;
    assert!(again.iter().all(|answer| answer.as_ref().unwrap().source == fresh));
    assert!(front.get_many::<&str, _, _>(&[], secs(10), many(&asked)).await.is_empty());
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_batch_goes_on_as_long_as_anybody_waits_for_a_part_of_it() {
    let front = front();
    let asked = Arc::default();
    let mut batch = Box::pin(front.get_many(&["k1", "k2"], secs(10), many(&asked)));
    assert!(poll_fn(|cx| Poll::Ready(batch.as_mut().poll(cx).is_pending())).await);
    let mut one = Box::pin(front.get("k2".into(), LoadOptions::new(), |_| async { LoadOutcome::Pass(0) }));
    assert!(poll_fn(|cx| Poll::Ready(one.as_mut().poll(cx).is_pending())).await);
    drop(batch);
    let one = one.await.unwrap();
    assert_eq!((one.value, one.source), (2, Source::Joined));
    assert_eq!(names(&asked.lock().unwrap()).concat().last().unwrap(), "k2");
    let mut dropped = Box::pin(front.get_many(&["k5", "k6"], secs(10), many(&asked)));
    assert!(poll_fn(|cx| Poll::Ready(dropped.as_mut().poll(cx).is_pending())).await);
    drop(dropped);
    assert_eq!(Arc::strong_count(&asked), 1, "the last one is gone, and the load with it");
    // Fewer outcomes than keys, and a load that panics: every waiter hears of it, and nobody hangs.
    let loads = Arc::new(AtomicUsize::new(0));
    let count = || {
        let loads = Arc::clone(&loads);
        move || loads.fetch_add(1, Ordering::Relaxed)
    };
    let loaded = count();
    let fewer = front.get_many(&["k7", "k8", "k10"], secs(10), move |_| {
        loaded();
        async { vec![LoadOutcome::Pass(7)] }
    });
    assert_eq!(fewer.await, vec![Err(LoadError::Panicked); 3]);
    let loaded = count();
    let panics = front.get_many(&["k7", "k8", "k10"], secs(10), move |keys| {
        loaded();
        async move {
            assert!(keys.is_empty(), "a bug");
            Vec::new()
        }
    });
    assert_eq!(panics.await, vec![Err(LoadError::Panicked); 3]);
    assert_eq!(loads.load(Ordering::Relaxed), 2, "a load that breaks at once is not made for each key");
    let slow = front.get_many(&["k9"], Duration::from_millis(20), many(&asked)).await;
    assert_eq!(slow, [Err(LoadError::TimedOut(Duration::from_millis(20)))]);
}

// Random batches and single questions at once, on several threads: every answer is right, no key is loaded by two at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn batches_and_single_questions_share_their_loads() {
    let front: Front = ReadThrough::new(Cache::new(Memory::new(Capacity::entries(10))));
    let context: Arc<[AtomicUsize; 10]> = Arc::default();
    let mut tasks = tokio::task::JoinSet::new();
    for seed in 0..200_u64 {
        let (front, context) = (front.clone(), Arc::clone(&context));
        tasks.spawn(async move {
            let keys: Vec<String> =
                (0..4).map(|n| format!("k{}", (seed * 7 + n * (seed % 5 + 1)) % 10)).collect();
            let busy = Arc::clone(&context);
            let load = move |keys: Vec<CacheKey>| {
                let busy = Arc::clone(&busy);
                async move {
                    let digits: Vec<_> =
                        keys.iter().map(|key| usize::from(key.as_bytes()[1] - b'0')).collect();
                    for digit in &digits {
                        assert_eq!(
                            busy[*digit].fetch_add(1, Ordering::SeqCst),
                            0,
                            "one load of a key at a time"
                        );
                    }
                    tokio::task::yield_now().await;
                    digits.iter().for_each(|digit| {
                        busy[*digit].fetch_sub(1, Ordering::SeqCst);
                    });
                    digits.iter().map(|digit| LoadOutcome::Pass(*digit as u64)).collect::<Vec<_>>()
                }
            };
            let right = |key: &String, value: u64| key.as_bytes()[1] - b'0' == value as u8;
            if seed % 3 == 0 {
                let key = CacheKey::from(&keys[0]);
                let load = move |context: LoadContext| async move {
                    let _ = context;
                    load(vec![key]).await.remove(0)
                };
                front.get((&keys[0]).into(), LoadOptions::new(), load).await.map(drop)
            } else {
                let answers = front.get_many(&keys, secs(10), load).await;
                assert!(keys.iter().zip(&answers).all(|(key, it)| right(key, it.as_ref().unwrap().value)));
                Ok(())
            }
        });
    }
    let ended = tokio::time::timeout(secs(60), tasks.join_all()).await.expect("nobody hangs");
    assert!(ended.into_iter().all(|it| it.is_ok()));
}

#[test]
fn a_stale_answer_is_served_outside_a_runtime() {
    let front = front();
    let options = EntryOptions::ttl(Duration::ZERO).stale(secs(60));
    let cache = front.cache();
    let now = tokio::time::Instant::now().into_std();
    cache.put(&CacheKey::from("k"), Ok(1), &options, cache.epoch(), now).unwrap();
    let mut get = pin!(front.get("k".into(), LoadOptions::new(), |_| async { LoadOutcome::Pass(2) }));
    let polled = get.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Ok(Loaded { value: 1, source: Source::Stale, .. }))));
    assert_eq!(front.in_background(), 0);
}

// Between a look-up and the load that follows at once, a long key is written; a short one takes no time.
#[tokio::test(start_paused = true)]
async fn a_load_with_a_long_key_begins_when_it_begins() {
    let front = front();
    // Five of the bytes are the writer's.
    for (length, at_once) in [(4_091, true), (4_092, false)] {
        let key = vec![b'k'; length];
        let looked = tokio::time::Instant::now().into_std();
        tokio::time::advance(Duration::from_millis(5)).await;
        let load = move |context: LoadContext| async move {
            LoadOutcome::<u64, &str>::Pass(u64::from(context.began() == looked))
        };
        let raw = RawKey { function: 0, scope: b"", arguments: b"" };
        let write_key = |writer: &mut KeyWriter| {
            writer.encoded(|bytes| bytes.extend_from_slice(&key));
        };
        let Err(miss) = front.hit(raw, looked, write_key, |_| ()) else { panic!("nothing is there") };
        let started = front.load(miss, LoadOptions::new(), load).await;
        assert_eq!(started.unwrap().value, u64::from(at_once), "{length} bytes");
    }
}

//! The pool that connects, on a paused clock.

#![cfg(all(feature = "tokio", not(shuttle)))]
#![expect(clippy::disallowed_methods, reason = "tests on a paused clock read it, and spawn what they await")]

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::time::{Instant, advance, sleep};
use toolpost_pool::rt::{Connect, ConnectionPool};
use toolpost_pool::{PoolError, PoolOptions};

const SECOND: Duration = Duration::from_secs(1);

/// A server whose connections are counted, and which does as it is told.
#[derive(Clone, Debug, Default)]
struct Server(Arc<Told>);

#[derive(Debug, Default)]
struct Told {
    made: AtomicUsize,
    open: AtomicUsize,
    most: AtomicUsize,
    checks: AtomicUsize,
    /// Milliseconds.
    delay: AtomicUsize,
    check_delay: AtomicUsize,
    refuses: AtomicBool,
    panics: AtomicBool,
    dead: AtomicBool,
    /// Connections with a number up to this are closed by the server.
    closed: AtomicUsize,
}

#[derive(Debug)]
struct Wire {
    number: usize,
    key: String,
    server: Server,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.server.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Server {
    fn get(&self, what: impl Fn(&Told) -> &AtomicUsize) -> usize {
        what(&self.0).load(Ordering::SeqCst)
    }

    fn open(&self) -> usize {
        self.get(|told| &told.open)
    }

    fn delay(&self, millis: usize) {
        self.0.delay.store(millis, Ordering::SeqCst);
    }
}

impl Connect<String> for Server {
    type Connection = Wire;
    type Error = &'static str;

    async fn connect(&self, key: &String) -> Result<Wire, &'static str> {
        let told = &self.0;
        let delay = told.delay.load(Ordering::SeqCst);
        if delay != 0 {
            sleep(Duration::from_millis(delay as u64)).await;
        }
        assert!(!told.panics.load(Ordering::SeqCst), "told to");
        if told.refuses.load(Ordering::SeqCst) {
            return Err("refused");
        }
        let number = told.made.fetch_add(1, Ordering::SeqCst) + 1;
        let open = told.open.fetch_add(1, Ordering::SeqCst) + 1;
        told.most.fetch_max(open, Ordering::SeqCst);
        Ok(Wire { number, key: key.clone(), server: self.clone() })
    }

    fn is_open(&self, wire: &Wire) -> bool {
        self.0.closed.load(Ordering::SeqCst) < wire.number
    }

    async fn check(&self, _wire: &Wire) -> bool {
        self.0.checks.fetch_add(1, Ordering::SeqCst);
        sleep(Duration::from_millis(self.0.check_delay.load(Ordering::SeqCst) as u64)).await;
        !self.0.dead.load(Ordering::SeqCst)
    }
}

type Pool = ConnectionPool<String, Server>;

fn pool(options: PoolOptions) -> (Pool, Server) {
    let server = Server::default();
    (ConnectionPool::new(options, server.clone()), server)
}

/// Whether a future is not ready yet.
fn is_pending<F: Future>(future: std::pin::Pin<&mut F>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_made_once_and_handed_out_again() {
    let (pool, server) = pool(PoolOptions::new());
    let first = pool.get("a").await.unwrap();
    assert_eq!((first.number, &*first.key), (1, "a"));
    drop(first);
    let mut again = pool.get("a").await.unwrap();
    assert_eq!(again.number, 1);
    assert!(again.get_mut().is_some(), "nobody shares it");
    let other = pool.get("b").await.unwrap();
    assert_eq!((other.number, &*other.key), (2, "b"));
    again.discard();
    assert_eq!(server.open(), 1, "closed at once");
    assert_eq!(pool.get("a").await.unwrap().number, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_tasks_never_exceed_the_bounds() {
    let (pool, server) = pool(PoolOptions::new().total(9).per_key(4).waiting(1_000));
    let of_key: Arc<[AtomicUsize; 5]> = Arc::default();
    let tasks: Vec<_> = (0..1_000_usize)
        .map(|n| {
            let (pool, of_key) = (pool.clone(), Arc::clone(&of_key));
            tokio::spawn(async move {
                let connection = pool.get(&(n % 5).to_string()).await.unwrap();
                assert_eq!(connection.key, (n % 5).to_string());
                assert!(of_key[n % 5].fetch_add(1, Ordering::SeqCst) < 4);
                tokio::task::yield_now().await;
                of_key[n % 5].fetch_sub(1, Ordering::SeqCst);
                if n % 17 == 0 {
                    connection.discard();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(server.get(|told| &told.most) <= 9, "{server:?}");
    let stats = pool.stats();
    assert_eq!((stats.in_use, stats.waiting), (0, 0));
    assert_eq!(stats.hits + stats.misses, 1_000);
    pool.drain().await;
    assert_eq!(server.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn those_that_wait_are_served_in_order_and_until_their_deadline() {
    let (pool, _server) = pool(PoolOptions::new().total(1).get_timeout(SECOND));
    let connection = pool.get("a").await.unwrap();
    let mut late = pin!(pool.get("a"));
    let mut first = pin!(pool.get_by("a", (Instant::now() + SECOND * 9).into_std()));
    let mut second = pin!(pool.get_by("a", (Instant::now() + SECOND * 9).into_std()));
    assert!(is_pending(late.as_mut()) && is_pending(first.as_mut()) && is_pending(second.as_mut()));
    assert_eq!(late.await.unwrap_err(), PoolError::TimedOut);
    drop(connection);
    assert!(is_pending(second.as_mut()), "nobody passes who waits");
    drop(first.await.unwrap());
    drop(second.await.unwrap());
    assert_eq!((pool.stats().waits, pool.stats().timeouts), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_hundred_connects_that_fail_panic_hang_or_are_dropped_leak_no_slot() {
    let (pool, server) = pool(PoolOptions::new().total(1).connect_timeout(SECOND));
    for n in 0..100 {
        server.delay(if n % 2 == 0 { 10 } else { 0 });
        server.0.refuses.store(true, Ordering::SeqCst);
        assert_eq!(pool.get("a").await.unwrap_err(), PoolError::Connect("refused"));
        server.0.panics.store(true, Ordering::SeqCst);
        let (panicking, key) = (pool.clone(), n.to_string());
        tokio::spawn(async move { pool_get(&panicking, &key).await }).await.expect_err("it panics");
        server.0.panics.store(false, Ordering::SeqCst);
        server.0.refuses.store(false, Ordering::SeqCst);
        server.delay(10_000);
        assert_eq!(pool.get("b").await.unwrap_err(), PoolError::ConnectTimedOut(SECOND));
        let mut left = Box::pin(pool.get("c"));
        assert!(is_pending(left.as_mut()));
        drop(left);
        server.delay(0);
    }
    assert_eq!(pool.get("a").await.unwrap().number, 1);
    assert_eq!(pool.stats().in_use, 0);
}

async fn pool_get(pool: &Pool, key: &str) {
    drop(pool.get(key).await);
}

#[tokio::test(start_paused = true)]
async fn what_is_dead_closed_or_broken_is_handed_to_nobody() {
    let (pool, server) = pool(PoolOptions::new().check_after(SECOND * 10).check_timeout(SECOND));
    drop(pool.get("a").await.unwrap());
    advance(SECOND * 10).await;
    assert_eq!(pool.get("a").await.unwrap().number, 1, "it is alive");
    assert_eq!(server.get(|told| &told.checks), 1);
    drop(pool.get("a").await.unwrap());
    assert_eq!(server.get(|told| &told.checks), 1, "used just now, it is not asked");

    advance(SECOND * 10).await;
    server.0.dead.store(true, Ordering::SeqCst);
    assert_eq!(pool.get("a").await.unwrap().number, 2);
    server.0.dead.store(false, Ordering::SeqCst);

    // One that says nothing is dead too, after a second.
    advance(SECOND * 10).await;
    server.0.check_delay.store(60_000, Ordering::SeqCst);
    let began = Instant::now();
    assert_eq!(pool.get("a").await.unwrap().number, 3);
    assert_eq!(began.elapsed(), SECOND);

    // Closed while it was idle, and while it was out.
    server.0.closed.store(3, Ordering::SeqCst);
    let mut connection = pool.get("a").await.unwrap();
    assert_eq!(connection.number, 4);
    server.0.closed.store(4, Ordering::SeqCst);
    assert_eq!(server.open(), 1);
    connection.mark_broken();
    drop(connection);
    assert_eq!((server.open(), pool.stats().idle), (0, 0));
    assert_eq!(pool.stats().broken, 4);
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_keeps_its_turn_over_a_dead_connection() {
    let (pool, server) = pool(PoolOptions::new().total(1));
    let connection = pool.get("a").await.unwrap();
    let mut first = pin!(pool.get("a"));
    let mut second = pin!(pool.get("a"));
    assert!(is_pending(first.as_mut()) && is_pending(second.as_mut()));
    drop(connection);
    server.0.closed.store(1, Ordering::SeqCst);
    let connection = first.await.unwrap();
    assert_eq!(connection.number, 2);
    assert!(is_pending(second.as_mut()));
    drop(connection);
    assert_eq!(second.await.unwrap().number, 2);
}

#[test]
fn a_guard_dropped_outside_a_runtime_goes_back_without_a_panic() {
    let (pool, server) = pool(PoolOptions::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (kept, broken) =
        runtime.block_on(async { (pool.get("a").await.unwrap(), pool.get("a").await.unwrap()) });
    drop(runtime);
    drop(kept);
    std::thread::scope(|scope| drop(scope.spawn(|| broken.discard())));
    assert_eq!((pool.stats().idle, pool.stats().in_use, server.open()), (1, 0, 1));
    pool.close();
    assert_eq!(server.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_hot_key_takes_the_place_of_an_idle_cold_one_after_that_is_closed() {
    let (pool, server) = pool(PoolOptions::new().total(2));
    drop(pool.get("cold").await.unwrap());
    let _hot = pool.get("hot").await.unwrap();
    let _hotter = pool.get("hot").await.unwrap();
    assert_eq!((server.get(|told| &told.most), server.open()), (2, 2), "never three at once");
    assert_eq!(pool.stats().evictions, 1);
}

#[tokio::test(start_paused = true)]
async fn a_drain_refuses_waits_and_closes_all() {
    let (pool, server) = pool(PoolOptions::new().total(2));
    drop(pool.get("idle").await.unwrap());
    let out = pool.get("out").await.unwrap();
    let other = pool.get("out").await.unwrap();
    let mut waits = pin!(pool.get("out"));
    assert!(is_pending(waits.as_mut()));
    let mut drain = pin!(pool.drain());
    assert!(is_pending(drain.as_mut()));
    assert_eq!(waits.await.unwrap_err(), PoolError::Closed);
    assert_eq!(pool.get("new").await.unwrap_err(), PoolError::Closed);
    drop(out);
    assert!(is_pending(drain.as_mut()));
    let elsewhere = tokio::spawn(async move {
        sleep(SECOND).await;
        drop(other);
    });
    drain.await;
    assert_eq!((server.open(), pool.stats().idle, pool.stats().in_use), (0, 0, 0));
    elsewhere.await.unwrap();
    pool.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_shared_connection_is_made_once_for_all_who_ask_at_once() {
    let (pool, server) = pool(PoolOptions::new().per_key(1).shared_by(100));
    server.delay(100);
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let mut connection = pool.get("a").await.unwrap();
                sleep(SECOND).await;
                assert!(connection.get_mut().is_none(), "others share it");
                connection.number
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 1);
    }
    assert_eq!((server.get(|told| &told.made), pool.stats().idle), (1, 1));
    assert!(pool.get("a").await.unwrap().get_mut().is_none(), "others may share it");

    // One of several finds it broken: they go on, and it is closed with the last of them.
    let mut one = pool.get("a").await.unwrap();
    let other = pool.get("a").await.unwrap();
    one.mark_broken();
    let mut next = pin!(pool.get("a"));
    assert!(is_pending(next.as_mut()), "one connection of a key, and others are still using it");
    drop(one);
    assert_eq!(server.open(), 1);
    drop(other);
    assert_eq!(server.open(), 0);
    assert_eq!(next.await.unwrap().number, 2);
}

/// Asked for in every way in which it has to be waited for, and dropped at each await of it.
#[tokio::test(start_paused = true)]
async fn whoever_leaves_at_any_await_leaves_nothing_behind() {
    for shared_by in [1, 3] {
        let options = PoolOptions::new().total(1).check_after(Duration::ZERO).shared_by(shared_by);
        let (pool, server) = pool(options);
        server.delay(5);
        server.0.check_delay.store(5, Ordering::SeqCst);
        for point in 0..40 {
            // A holder that comes back after 20 ms, so that the waiting, the check and the making each take a while.
            let holder = pool.get(if point % 2 == 0 { "a" } else { "b" }).await.unwrap();
            let holds = tokio::spawn(async move {
                sleep(Duration::from_millis(20)).await;
                drop(holder);
            });
            let leaver = tokio::time::timeout(Duration::from_millis(point), pool.get("a")).await;
            drop(leaver);
            holds.await.unwrap();
            let stats = pool.stats();
            assert_eq!((stats.in_use, stats.waiting), (0, 0), "left after {point} ms");
            assert_eq!(stats.idle, server.open(), "left after {point} ms");
            drop(pool.get("c").await.unwrap());
        }
    }
}

/// Granted, and dropped before it looked: the connection is as it was, and goes to the next.
#[tokio::test(start_paused = true)]
async fn a_turn_that_nobody_takes_goes_to_the_next() {
    let (pool, server) = pool(PoolOptions::new().total(1));
    let connection = pool.get("a").await.unwrap();
    let mut leaver = Box::pin(pool.get("a"));
    let mut next = pin!(pool.get("a"));
    let mut cold = pin!(pool.get("b"));
    assert!(is_pending(leaver.as_mut()) && is_pending(next.as_mut()) && is_pending(cold.as_mut()));
    drop(connection);
    drop(leaver);
    let connection = next.await.unwrap();
    assert_eq!(connection.number, 1);
    drop(connection);
    assert_eq!(cold.await.unwrap().number, 2, "what was idle gave way to it");
    assert_eq!((pool.stats().hits, server.open()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_idle_for_too_long_is_closed_by_who_maintains_the_pool_and_by_who_uses_it() {
    let (pool, server) = pool(PoolOptions::new().idle_time(SECOND * 10));
    let one = pool.get("a").await.unwrap();
    let other = pool.get("b").await.unwrap();
    drop((one, other));
    let maintains = tokio::spawn(pool.maintain());
    sleep(SECOND * 9).await;
    drop(pool.get("a").await.unwrap());
    sleep(Duration::from_millis(1_001)).await;
    assert_eq!(server.open(), 1, "the one that was used just now");
    sleep(SECOND * 20).await;
    assert_eq!(server.open(), 0);
    assert!(!maintains.is_finished());
    drop(pool);
    maintains.await.unwrap();

    // Without that, each that comes back closes one.
    let (pool, server) = self::pool(PoolOptions::new().idle_time(SECOND * 10));
    drop((pool.get("a").await.unwrap(), pool.get("a").await.unwrap()));
    let out = pool.get("b").await.unwrap();
    advance(SECOND * 10).await;
    assert_eq!(server.open(), 3);
    drop(out);
    assert_eq!(server.open(), 2);
    let maintains = tokio::spawn(pool.maintain());
    tokio::task::yield_now().await;
    pool.drain().await;
    maintains.await.unwrap();
    assert_eq!(server.open(), 0);
}

/// A connection whose `is_open` or `drop` panics is closed like any other that is broken.
#[tokio::test(start_paused = true)]
async fn what_panics_where_a_connection_comes_back_costs_nobody_else_anything() {
    struct Panics;
    #[derive(Debug)]
    struct Explosive;
    impl Drop for Explosive {
        fn drop(&mut self) {
            panic!("told to");
        }
    }
    impl Connect<u8> for Panics {
        type Connection = Explosive;
        type Error = &'static str;

        async fn connect(&self, _key: &u8) -> Result<Explosive, &'static str> {
            Ok(Explosive)
        }

        fn is_open(&self, _connection: &Explosive) -> bool {
            panic!("told to");
        }
    }
    let pool = ConnectionPool::new(PoolOptions::new().total(1), Panics);
    let connection = pool.get(&1).await.unwrap();
    let dropped = std::panic::catch_unwind(AssertUnwindSafe(|| drop(connection)));
    assert!(dropped.is_ok());
    assert_eq!((pool.stats().in_use, pool.stats().broken), (0, 1));
    drop(pool.get(&2).await.unwrap());
    pool.drain().await;
}

#[tokio::test(start_paused = true)]
async fn credentials_that_changed_end_the_connections_of_one_key() {
    let (pool, server) = pool(PoolOptions::new());
    let out = pool.get("alice").await.unwrap();
    drop(pool.get("alice").await.unwrap());
    drop(pool.get("bob").await.unwrap());
    assert_eq!(pool.clear_key("alice"), 1);
    assert_eq!(server.open(), 2);
    drop(out);
    assert_eq!(server.open(), 1);
    assert_eq!(pool.get("bob").await.unwrap().number, 3);
    assert_eq!(pool.clear(), 1);
    assert_eq!(pool.get("alice").await.unwrap().number, 4);
}

//! The pool under a random scheduler of threads: no lost wake-up (it would hang), no leaked slot, never beyond the bounds.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p toolpost-pool --features tokio --test shuttle --release`;
//! `TOOLPOST_SCHEDULES` raises the number of schedules.

#![cfg(all(shuttle, feature = "tokio"))]

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use shuttle::future::{block_on, yield_now};
use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::thread;
use toolpost_pool::rt::{Connect, ConnectionPool};
use toolpost_pool::{PoolError, PoolOptions};

fn schedules() -> usize {
    std::env::var("TOOLPOST_SCHEDULES").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000)
}

fn check(test: impl Fn() + Send + Sync + 'static + Clone) {
    shuttle::check_random(test.clone(), schedules());
    shuttle::check_pct(test, schedules(), 3);
}

/// Counts what is open, against the bound.
struct Server {
    open: Arc<AtomicUsize>,
    most: usize,
}

struct Wire {
    key: u8,
    users: AtomicUsize,
    open: Arc<AtomicUsize>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Connect<u8> for Server {
    type Connection = Wire;
    type Error = Infallible;

    async fn connect(&self, key: &u8) -> Result<Wire, Infallible> {
        yield_now().await;
        assert!(self.open.fetch_add(1, Ordering::SeqCst) < self.most, "more open than slots");
        Ok(Wire { key: *key, users: AtomicUsize::new(0), open: self.open.clone() })
    }
}

fn pool(total: usize, shared_by: u32) -> (ConnectionPool<u8, Server>, Arc<AtomicUsize>) {
    let open = Arc::new(AtomicUsize::new(0));
    let server = Server { open: open.clone(), most: total };
    (ConnectionPool::new(PoolOptions::new().total(total).shared_by(shared_by), server), open)
}

fn contend(total: usize, shared_by: u32, threads: u8) {
    let (pool, open) = pool(total, shared_by);
    let threads: Vec<_> = (0..threads)
        .map(|n| {
            let pool = pool.clone();
            thread::spawn(move || {
                let key = n % 2;
                let mut get = pin!(pool.get(&key));
                // Leaves after one look, with or without a connection.
                if n % 4 == 3 {
                    let _looked = get.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                    return;
                }
                let connection = block_on(get).expect("there is room");
                assert_eq!(connection.key, key);
                assert!(connection.users.fetch_add(1, Ordering::SeqCst) < shared_by as usize);
                thread::yield_now();
                connection.users.fetch_sub(1, Ordering::SeqCst);
                if n % 4 == 2 {
                    connection.discard();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no thread panics");
    }
    let stats = pool.stats();
    assert_eq!((stats.in_use, stats.waiting), (0, 0), "every slot is back");
    assert_eq!(stats.idle, open.load(Ordering::SeqCst));
}

#[test]
fn one_slot_for_five_of_two_keys() {
    check(|| contend(1, 1, 5));
}

#[test]
fn two_slots_for_six_of_two_keys() {
    check(|| contend(2, 1, 6));
}

#[test]
fn two_slots_shared_by_two() {
    check(|| contend(2, 2, 6));
}

#[test]
fn a_drain_hears_of_the_last_connection_and_leaves_nobody_waiting() {
    check(|| {
        let (pool, open) = pool(1, 1);
        let users: Vec<_> = (0..2)
            .map(|_| {
                let pool = pool.clone();
                thread::spawn(move || match block_on(pool.get(&1)) {
                    Ok(connection) => drop(connection),
                    Err(refusal) => assert!(matches!(refusal, PoolError::Closed)),
                })
            })
            .collect();
        // One that gives up waiting takes nobody's place.
        let looker = {
            let pool = pool.clone();
            thread::spawn(move || {
                let mut drain = pin!(pool.drain());
                matches!(drain.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()))
            })
        };
        block_on(pool.drain());
        let _looked = looker.join().expect("no thread panics");
        for user in users {
            user.join().expect("no thread panics");
        }
        assert_eq!(open.load(Ordering::SeqCst), 0);
    });
}

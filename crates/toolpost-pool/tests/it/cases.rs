//! The named cases that every pool has to get right, without a runtime.

#![expect(clippy::disallowed_methods, reason = "any moment will do as the zero of virtual time")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use toolpost_pool::{Checkout, KeyedPool, Lease, PoolError, PoolOptions};

type Pool = KeyedPool<String, u32, u32>;

const SECOND: Duration = Duration::from_secs(1);

fn pool(options: PoolOptions) -> (Pool, Instant) {
    (KeyedPool::new(options), Instant::now())
}

/// The slot of a connection to be made; nothing gave way for it.
fn connects(checkout: Option<Checkout<u32>>) -> Lease {
    match checkout {
        Some(Checkout::Connect { lease, replaced: None }) => lease,
        other => panic!("a slot, rather than {other:?}"),
    }
}

/// A connection that is there.
fn ready(checkout: Option<Checkout<u32>>) -> (Lease, u32) {
    match checkout {
        Some(Checkout::Ready { lease, connection, .. }) => (lease, connection),
        other => panic!("a connection, rather than {other:?}"),
    }
}

#[test]
fn a_miss_then_hits_and_what_is_out_is_not_there() {
    let (mut pool, now) = pool(PoolOptions::new().per_key(1));
    assert_eq!(pool.stats().hit_rate(), None, "nobody has asked");
    let lease = connects(pool.try_acquire("a", now));
    assert!(pool.try_acquire("a", now).is_none(), "removed while it is out");
    pool.give_back(lease, 1, now).unwrap();
    for _ in 0..3 {
        let (lease, connection) = ready(pool.try_acquire("a", now));
        assert_eq!(connection, 1);
        pool.give_back(lease, connection, now).unwrap();
        if pool.stats().hits == 1 {
            assert_eq!(pool.stats().hit_rate(), Some(0.5));
        }
    }
    assert_eq!(pool.stats().hit_rate(), Some(0.75));
    assert_eq!((pool.stats().idle, pool.stats().in_use), (1, 0));
}

#[test]
fn over_capacity_is_no_slot_and_the_line_has_an_end() {
    let (mut pool, now) = pool(PoolOptions::new().total(2).waiting(1));
    let _one = connects(pool.try_acquire("a", now));
    let _two = connects(pool.try_acquire("b", now));
    assert!(pool.try_acquire("c", now).is_none());
    pool.wait("c", 1, None, now).unwrap();
    assert_eq!(pool.wait("d", 2, None, now), Err((2, PoolError::Full { waiting: 1 })));
    assert_eq!((pool.stats().waits, pool.stats().refused), (1, 1));
}

#[test]
fn clear_says_how_many_were_idle_and_closes_those_out_when_they_come_back() {
    let (mut pool, now) = pool(PoolOptions::new());
    let leases: Vec<_> = (0..3).map(|_| connects(pool.try_acquire("a", now))).collect();
    let out = connects(pool.try_acquire("b", now));
    for (lease, connection) in leases.into_iter().zip(1..) {
        pool.give_back(lease, connection, now).unwrap();
    }
    assert_eq!(pool.clear(now), 3);
    let mut closed = Vec::new();
    while let Some((lease, connection)) = pool.expire(now) {
        closed.push(connection);
        pool.release(lease);
    }
    assert_eq!(closed, [1, 2, 3]);
    let (lease, connection) = pool.give_back(out, 4, now).expect_err("it was cleared while it was out");
    assert_eq!(connection, 4);
    pool.release(lease);
    let lease = connects(pool.try_acquire("b", now));
    pool.give_back(lease, 5, now).expect("made after the clearing");
    assert_eq!((pool.clear_key("a", now), pool.clear_key("b", now)), (0, 1));
}

#[test]
fn the_bounds_hold_and_those_that_wait_are_served_first_come_first_served() {
    let (mut pool, now) = pool(PoolOptions::new().total(7).per_key(3).waiting(1_000));
    let key = |n: u32| (n % 5).to_string();
    let mut out: Vec<(Lease, u32, String)> = Vec::new();
    let (mut made, mut served) = (0, BTreeMap::<String, Vec<u32>>::new());
    let mut take = |checkout: Checkout<u32>, key: String, out: &mut Vec<_>| {
        let (lease, connection) = match checkout {
            Checkout::Ready { lease, connection, .. } => (lease, connection),
            Checkout::Connect { lease, .. } => {
                made += 1;
                (lease, made)
            }
        };
        out.push((lease, connection, key));
    };
    for n in 0..1_000 {
        match pool.try_acquire(&key(n), now) {
            Some(checkout) => {
                served.entry(key(n)).or_default().push(n);
                take(checkout, key(n), &mut out);
            }
            None => drop(pool.wait(&key(n), n, None, now).unwrap()),
        }
        assert!(out.len() <= 7);
    }
    let mut all = Vec::new();
    while !out.is_empty() {
        let (lease, connection, _) = out.remove(out.len() / 2);
        pool.give_back(lease, connection, now).unwrap();
        while let Some((_, n, checkout)) = pool.next(now) {
            served.entry(key(n)).or_default().push(n);
            all.push(n);
            take(checkout.unwrap(), key(n), &mut out);
        }
        assert!(pool.stats().idle + pool.stats().in_use <= 7);
        assert!((0..5).all(|n| out.iter().filter(|(.., of)| *of == n.to_string()).count() <= 3));
    }
    assert_eq!(served.values().map(Vec::len).sum::<usize>(), 1_000);
    assert!(served.values().all(|of_key| of_key.is_sorted()), "of each key in order");
    // In all, too, but for those whose own key was at its bound while others were let by.
    let late = all.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert!(late < 100, "{late} of a thousand were let by");
}

#[test]
fn whoever_waits_too_long_is_told_so_and_holds_up_nobody() {
    let (mut pool, now) = pool(PoolOptions::new().total(1));
    let lease = connects(pool.try_acquire("a", now));
    pool.wait("a", 1, Some(now + SECOND), now).unwrap();
    pool.wait("a", 2, Some(now + SECOND * 3), now).unwrap();
    assert_eq!(pool.wait("a", 3, Some(now), now), Err((3, PoolError::TimedOut)));
    assert_eq!(pool.next_timeout(), Some(now + SECOND));
    assert!(pool.next(now).is_none());
    let later = now + SECOND * 2;
    assert!(matches!(pool.next(later), Some((_, 1, Err(PoolError::TimedOut)))));
    pool.give_back(lease, 7, later).unwrap();
    assert!(matches!(pool.next(later), Some((_, 2, Ok(Checkout::Ready { connection: 7, .. })))));
    assert_eq!(pool.stats().timeouts, 2);
}

#[test]
fn a_hundred_failed_connects_leak_no_slot() {
    let (mut pool, now) = pool(PoolOptions::new().total(1));
    for _ in 0..100 {
        let lease = connects(pool.try_acquire("a", now));
        assert!(pool.try_acquire("a", now).is_none());
        pool.release(lease);
    }
    let lease = connects(pool.try_acquire("b", now));
    pool.give_back(lease, 1, now).unwrap();
    assert_eq!((pool.stats().idle, pool.stats().in_use), (1, 0));
}

#[test]
fn what_is_idle_for_too_long_over_its_life_or_broken_is_handed_to_nobody() {
    let options = PoolOptions::new().idle_time(SECOND * 10).life(SECOND * 100).seed(1);
    let (mut pool, now) = pool(options);
    let lease = connects(pool.try_acquire("a", now));
    pool.give_back(lease, 1, now).unwrap();
    let later = now + SECOND * 10;
    let Some(Checkout::Connect { lease, replaced: None }) = pool.try_acquire("a", later) else {
        panic!("it was idle for too long")
    };
    let (over, connection) = pool.expire(later).expect("it is to be closed");
    assert_eq!(connection, 1);
    pool.release(over);
    pool.give_back(lease, 2, later).unwrap();

    // Used all the time, it ends with its life: at most a tenth early.
    let mut at = later;
    while at < later + SECOND * 90 {
        at += SECOND * 9;
        let (lease, connection) = ready(pool.try_acquire("a", at));
        assert_eq!(connection, 2);
        if at < later + SECOND * 90 {
            pool.give_back(lease, connection, at).unwrap();
        } else {
            let end = later + SECOND * 100;
            let (lease, _) = pool.give_back(lease, connection, end).expect_err("its life is over");
            pool.release(lease);
        }
    }

    let lease = connects(pool.try_acquire("a", at));
    assert_eq!(pool.mark_broken(&lease), None);
    pool.release(lease);
    let _lease = connects(pool.try_acquire("a", at));
    assert_eq!((pool.stats().expired, pool.stats().broken), (2, 1));
}

#[test]
fn lives_differ_by_a_tenth_at_most_and_none_is_for_ever_but_where_told() {
    let (mut pool, now) = pool(PoolOptions::new().per_key(100).life(SECOND * 1_000).seed(3));
    let leases: Vec<_> = (0..100).map(|_| connects(pool.try_acquire("a", now))).collect();
    for (lease, connection) in leases.into_iter().zip(0..) {
        pool.give_back(lease, connection, now + SECOND * 899).unwrap();
    }
    let count = |pool: &mut Pool, at: Instant| std::iter::from_fn(|| pool.expire(at)).count();
    assert_eq!(count(&mut pool, now + SECOND * 899), 0);
    let half = count(&mut pool, now + SECOND * 950);
    assert!((25..75).contains(&half), "{half} of a hundred in the first half of the tenth");
    assert_eq!(half + count(&mut pool, now + SECOND * 1_000), 100);

    let forever = PoolOptions::new().life(Duration::MAX).idle_time(Duration::MAX).check_after(Duration::MAX);
    let (mut pool, now) = self::pool(forever);
    let lease = connects(pool.try_acquire("a", now));
    pool.give_back(lease, 1, now).unwrap();
    assert_eq!(pool.next_timeout(), None);
    let later = now + SECOND * 1_000_000_000;
    assert!(pool.expire(later).is_none());
    assert!(matches!(pool.try_acquire("a", later), Some(Checkout::Ready { check: false, .. })));
}

#[test]
fn a_hot_key_displaces_a_cold_one_and_not_the_other_way_round() {
    let (mut pool, now) = pool(PoolOptions::new().total(3));
    let at = |n: u32| now + SECOND * n;
    for (connection, key) in ["cold", "cool", "hot"].into_iter().enumerate() {
        let lease = connects(pool.try_acquire(key, at(connection as u32)));
        pool.give_back(lease, connection as u32, at(connection as u32)).unwrap();
    }
    let (first, _) = ready(pool.try_acquire("hot", at(3)));
    let Some(Checkout::Connect { lease: second, replaced: Some(0) }) = pool.try_acquire("hot", at(3)) else {
        panic!("the coldest gives way")
    };
    pool.give_back(first, 2, at(4)).unwrap();
    pool.give_back(second, 3, at(4)).unwrap();
    // And of the hot key what it does not need, once that was idle for longest.
    let (lease, connection) = ready(pool.try_acquire("cool", at(5)));
    pool.give_back(lease, connection, at(5)).unwrap();
    assert!(matches!(pool.try_acquire("new", at(6)), Some(Checkout::Connect { replaced: Some(2), .. })));
    assert_eq!(pool.stats().evictions, 2);
}

#[test]
fn the_connection_used_last_is_handed_out_first() {
    let (mut pool, now) = pool(PoolOptions::new().check_after(SECOND * 5));
    let leases: Vec<_> = (0..3).map(|_| connects(pool.try_acquire("a", now))).collect();
    for (lease, connection) in leases.into_iter().zip(0..) {
        pool.give_back(lease, connection, now + SECOND * connection).unwrap();
    }
    let checks = |checkout| match checkout {
        Some(Checkout::Ready { connection, check, .. }) => (connection, check),
        other => panic!("a connection, rather than {other:?}"),
    };
    assert_eq!(checks(pool.try_acquire("a", now + SECOND * 6)), (2, false));
    assert_eq!(
        checks(pool.try_acquire("a", now + SECOND * 6)),
        (1, true),
        "idle for five seconds: asked first"
    );
}

#[test]
fn of_dead_connections_one_is_asked_and_then_one_is_made() {
    let (mut pool, now) = pool(PoolOptions::new().check_after(SECOND));
    let leases: Vec<_> = (0..3).map(|_| connects(pool.try_acquire("a", now))).collect();
    for (lease, connection) in leases.into_iter().zip(0..) {
        pool.give_back(lease, connection, now).unwrap();
    }
    let later = now + SECOND;
    let Some(Checkout::Ready { lease, check: true, .. }) = pool.try_acquire("a", later) else {
        panic!("asked first")
    };
    pool.mark_broken(&lease);
    let Some(Checkout::Connect { lease, replaced: None }) = pool.replace(lease, later) else {
        panic!("the others are as likely dead")
    };
    pool.give_back(lease, 9, later).unwrap();
    let (lease, connection) = ready(pool.try_acquire("a", later));
    assert_eq!(connection, 9);

    // One that turns out closed without being asked is replaced by what needs no asking either.
    let other = connects_or_asks(pool.try_acquire("a", later));
    pool.give_back(other, 1, later).unwrap();
    pool.mark_broken(&lease);
    assert_eq!(ready(pool.replace(lease, later)).1, 1);
}

fn connects_or_asks(checkout: Option<Checkout<u32>>) -> Lease {
    match checkout {
        Some(Checkout::Ready { lease, .. } | Checkout::Connect { lease, .. }) => lease,
        None => panic!("there is room"),
    }
}

#[test]
fn a_shared_connection_serves_several_and_the_first_makes_it_for_all() {
    let (mut pool, now) = pool(PoolOptions::new().per_key(1).shared_by(3));
    let first = connects(pool.try_acquire("a", now));
    for n in 0..3 {
        assert!(pool.try_acquire("a", now).is_none(), "it is being made");
        pool.wait("a", n, None, now).unwrap();
    }
    assert!(pool.next(now).is_none());
    pool.connected(&first, &7, now);
    let mut leases: Vec<_> = std::iter::from_fn(|| pool.next(now))
        .map(|(_, _, checkout)| ready(Some(checkout.unwrap())))
        .collect();
    assert_eq!(leases.iter().map(|(_, connection)| *connection).collect::<Vec<_>>(), [7, 7]);
    assert_eq!((pool.stats().waiting, pool.stats().in_use), (1, 1));
    pool.give_back(first, 7, now).unwrap();
    leases.extend(pool.next(now).map(|(_, _, checkout)| ready(Some(checkout.unwrap()))));
    assert_eq!(leases.len(), 3);

    // One of them finds it broken: nobody gets it any more, and the slot is free with the last of them.
    let (lease, _) = leases.remove(0);
    assert_eq!(pool.mark_broken(&lease), Some(7));
    pool.release(lease);
    assert!(pool.try_acquire("a", now).is_none());
    for (lease, connection) in leases {
        let (lease, _) = pool.give_back(lease, connection, now).expect_err("it is broken");
        pool.release(lease);
    }
    let _lease = connects(pool.try_acquire("a", now));
}

#[test]
fn a_connection_whose_making_failed_is_made_by_the_next_in_line() {
    let (mut pool, now) = pool(PoolOptions::new().per_key(1).shared_by(3));
    let first = connects(pool.try_acquire("a", now));
    pool.wait("a", 1, None, now).unwrap();
    pool.wait("a", 2, None, now).unwrap();
    pool.release(first);
    let Some((_, 1, Ok(Checkout::Connect { lease, .. }))) = pool.next(now) else { panic!("its turn") };
    assert!(pool.next(now).is_none());
    pool.connected(&lease, &1, now);
    assert!(matches!(pool.next(now), Some((_, 2, Ok(Checkout::Ready { connection: 1, .. })))));
}

#[test]
fn a_closed_pool_refuses_and_lets_go() {
    let (mut pool, now) = pool(PoolOptions::new().total(2));
    let one = connects(pool.try_acquire("a", now));
    let two = connects(pool.try_acquire("b", now));
    pool.give_back(two, 2, now).unwrap();
    pool.wait("a", 1, None, now).unwrap();
    while pool.next(now).is_some() {}
    pool.wait("c", 2, None, now).unwrap();
    assert_eq!(pool.close(now), 0, "what was idle gave way to the one that waited");
    assert!(matches!(pool.next(now), Some((_, 2, Err(PoolError::Closed)))));
    assert_eq!(pool.wait("a", 3, None, now), Err((3, PoolError::Closed)));
    assert!(pool.try_acquire("a", now).is_none());
    let (lease, _) = pool.give_back(one, 1, now).expect_err("closed");
    pool.release(lease);
    assert_eq!(pool.in_use(), 1, "the one that is being made");
}

#[test]
#[should_panic(expected = "at least one connection of a key")]
fn a_pool_without_connections_is_none() {
    let _options = PoolOptions::new().per_key(0);
}

/// Every row of this crate in `docs/bounds.md`.
#[test]
fn every_bounded_thing_is_listed_and_filled() {
    let rows = [
        ("connections", "`PoolOptions::total`", bound_total as fn()),
        ("connections of one key", "`PoolOptions::per_key`", bound_per_key),
        ("those that wait", "`PoolOptions::waiting`", bound_waiting),
        ("users of one connection", "`PoolOptions::shared_by`", bound_shared),
        ("keys", "", bound_keys),
    ];
    let page = include_str!("../../../../docs/bounds.md");
    let section = page.split("## toolpost-pool").nth(1).unwrap().split("\n## ").next().unwrap();
    for (what, setting, fill) in rows {
        let row = section.lines().find(|line| line.starts_with(&format!("| {what} |")));
        assert!(row.unwrap_or_else(|| panic!("{what} is not listed")).contains(setting));
        fill();
    }
    assert_eq!(section.lines().filter(|line| line.starts_with("| ")).count(), rows.len() + 1);
}

fn bound_total() {
    let (mut pool, now) = pool(PoolOptions::new());
    let mut keys = 0..;
    let leases: Vec<_> = std::iter::from_fn(|| pool.try_acquire(&keys.next()?.to_string(), now)).collect();
    assert_eq!(leases.len(), 100);
}

fn bound_per_key() {
    let (mut pool, now) = pool(PoolOptions::new());
    assert_eq!(std::iter::from_fn(|| pool.try_acquire("a", now)).count(), 10);
}

fn bound_waiting() {
    let (mut pool, now) = pool(PoolOptions::new().total(1));
    let _lease = connects(pool.try_acquire("a", now));
    for n in 0..1_000 {
        pool.wait(&n.to_string(), n, None, now).expect("there is room to wait");
    }
    assert_eq!(pool.wait("a", 0, None, now), Err((0, PoolError::Full { waiting: 1_000 })));
}

fn bound_shared() {
    let (mut pool, now) = pool(PoolOptions::new().per_key(1).shared_by(4));
    let lease = connects(pool.try_acquire("a", now));
    pool.connected(&lease, &1, now);
    assert_eq!(std::iter::from_fn(|| pool.try_acquire("a", now)).count(), 3);
}

/// A key is remembered while it has a connection or somebody waits for one.
fn bound_keys() {
    let (mut pool, now) = pool(PoolOptions::new().total(2).waiting(2));
    for n in 0..100_000_u32 {
        let key = n.to_string();
        match pool.try_acquire(&key, now) {
            Some(Checkout::Connect { lease, .. } | Checkout::Ready { lease, .. }) => {
                pool.give_back(lease, n, now).expect("it is kept");
            }
            None => panic!("there is room"),
        }
    }
    let stats = pool.stats();
    assert_eq!((stats.idle, stats.evictions), (2, 99_998));
}

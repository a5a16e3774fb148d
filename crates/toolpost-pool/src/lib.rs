//! Keeps connections open between uses, by key, within bounds.
//!
//! A key names what a connection leads to, or whose it is: a host, a database, a user at a server. Whoever wants a
//! connection of a key gets an idle one, or room to make a new one, or a place in a line that is served first come, first
//! served. When the pool is full, the connection that has been idle for longest makes room, whatever its key.
//!
//! The one idea: **a slot belongs to a connection from before it is made until after it is closed.** Whoever has taken a slot
//! holds its [`Lease`], and nothing but giving the lease back frees the slot: so a connect that fails, a connection that is
//! broken, and one that is still being closed can neither leak a slot nor be counted as none.
//!
//! ```
//! use std::time::Instant;
//! use toolpost_pool::{Checkout, KeyedPool, PoolOptions};
//!
//! # #[expect(clippy::disallowed_methods, reason = "an example has to start somewhere")]
//! let now = Instant::now();
//! let mut pool: KeyedPool<String, u32> = KeyedPool::new(PoolOptions::new().total(1));
//!
//! let Some(Checkout::Connect { lease, .. }) = pool.try_acquire("alice", now) else { panic!("the pool is empty") };
//! let connection = 7; // Whatever a connection is; it is made here, by whoever asked.
//! assert!(pool.try_acquire("bob", now).is_none(), "the pool is full, and nothing is idle");
//! pool.give_back(lease, connection, now).expect("it is kept");
//!
//! let Some(Checkout::Ready { lease, connection, .. }) = pool.try_acquire("alice", now) else { panic!("it is idle") };
//! assert_eq!(connection, 7);
//! pool.give_back(lease, connection, now).expect("it is kept");
//!
//! // What has been idle for longest gives way; it is closed before another is made in its place.
//! let Some(Checkout::Connect { replaced, .. }) = pool.try_acquire("bob", now) else { panic!("there is room") };
//! assert_eq!(replaced, Some(7));
//! assert_eq!(pool.stats().hit_rate(), Some(1.0 / 3.0));
//! ```
//!
//! [`KeyedPool`] is the whole of it without input or output: it opens and closes nothing, and is told the time. The feature
//! `tokio` adds `rt`: a pool that connects, checks and waits, and hands connections out as guards, on tokio's clock.
//!
//! A connection is lent to one at a time, or to several where it carries several at once
//! ([`PoolOptions::shared_by`]): requests of HTTP/2, of MCP, of anything that tells answers apart.
//!
//! Not for: bounding calls (a gate does, by tenant and priority), choosing between servers that are alike (that is a
//! balancer's), or leaving alone what is down (a circuit breaker's).
#![cfg_attr(docsrs, feature(doc_cfg))]

mod error;
mod idle;
mod keyed_pool;
mod keys;
mod line;
mod options;
#[cfg(feature = "tokio")]
pub mod rt;
mod slots;
mod stats;

pub use self::error::PoolError;
pub use self::keyed_pool::{Checkout, KeyedPool, Lease};
pub use self::line::WaitId;
pub use self::options::PoolOptions;
pub use self::stats::PoolStats;

/// The examples of the crate's README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

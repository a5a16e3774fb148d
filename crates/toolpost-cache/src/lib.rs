//! Caches results with single-flight loads: callers that ask for the same key at the same time wait for one load.
//!
//! An entry is fresh, then stale (served while one caller refreshes it), then kept in case loading it again fails, then
//! expired. Its key is the whole question as bytes, so that nobody is ever served the answer to another. The loads of one key
//! that wait for each other are a *flight*.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use toolpost_cache::{Cache, Capacity, EntryOptions, KeyWriter, Lookup, Memory};
//!
//! let prices: Cache<u32> = Cache::new(Memory::new(Capacity::entries(10_000)));
//! let mut writer = KeyWriter::new();
//! let key = writer.text("price").text("EUR").int(7).key();
//!
//! let now = Instant::now(); // time is an argument: nothing here reads a clock
//! let options = EntryOptions::ttl(Duration::from_secs(60)).stale(Duration::from_secs(30)).tagged(["article 7"]);
//! prices.put(&key, 1_250, &options, prices.epoch(), now)?;
//!
//! let Lookup::Fresh(entry) = prices.get(&key, now) else { panic!("just stored") };
//! assert_eq!(*entry.value(), 1_250);
//! assert!(matches!(prices.get(&key, now + Duration::from_secs(60)), Lookup::Stale(_)));
//!
//! prices.invalidate("article 7"); // costs the same for one entry and for a million
//! assert!(matches!(prices.get(&key, now), Lookup::Miss));
//! # Ok::<(), toolpost_cache::PutError>(())
//! ```
//!
//! [`Cache`] judges what a [`Store`] holds; `rt::ReadThrough` (feature `tokio`) loads what is missing, with time limits and
//! background refreshes. Stores: [`Memory`], [`Lru`], `moka` (feature `moka`) and, below one of these, `Disk` (feature
//! `disk`) or a [`SlowStore`] of your own.
//!
//! The core knows neither clocks nor runtimes, and nothing here knows tools, wires, breakers or queues.
#![cfg_attr(feature = "tokio", doc = "")]
#![cfg_attr(feature = "tokio", doc = include_str!("../docs/guide.md"))]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(test)]
extern crate self as toolpost_cache;

mod cache;
mod counters;
mod entry;
mod generations;
mod key;
mod options;
#[cfg(feature = "tokio")]
mod recent_keys;
#[cfg(feature = "tokio")]
pub mod rt;
#[cfg(feature = "tokio")]
mod single_flight;
mod store;
#[cfg(all(test, feature = "tokio"))]
#[path = "../tests/it/support/mod.rs"]
mod support;
#[cfg(feature = "tokio")]
mod sync;
mod tags;

pub use cache::{Cache, Lookup, PutError};
pub use counters::CacheStats;
pub use entry::CacheEntry;
pub use generations::Epoch;
pub use key::{CacheKey, KeyRef, KeyWriter};
pub use options::EntryOptions;
#[cfg(feature = "disk")]
pub use store::Disk;
#[cfg(feature = "moka")]
pub use store::moka;
pub use store::{Capacity, Codec, Lru, Memory, SlowStore, Store, StoreError, StoredEntry};

/// The examples of the crate's README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

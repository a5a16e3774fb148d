//! Remembers results, and asks each question once.
//!
//! An answer is stored with its windows: fresh, then stale (served while one caller has it refreshed),
//! then kept in case asking again fails, then dead. Its key is the whole question as bytes, so that
//! nobody is ever served the answer to another. Callers that ask the same thing at the same time wait
//! for one load.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use toolpost_cache::{Bounds, Cache, KeyWriter, Lifetime, Look, Memory, Terms};
//!
//! let prices: Cache<u32> = Cache::new(Memory::new(Bounds::entries(10_000)));
//! let mut writer = KeyWriter::new();
//! let key = writer.text("price").text("EUR").int(7).key();
//!
//! let now = Instant::now(); // time is an argument: nothing here reads a clock
//! let terms = Terms::new(Lifetime::new(Duration::from_secs(60)).stale(Duration::from_secs(30)))
//!     .tagged(["article 7"]);
//! prices.put(&key, 1_250, &terms, prices.epoch(), now)?;
//!
//! let Look::Fresh(entry) = prices.look(&key, now) else { panic!("just stored") };
//! assert_eq!(*entry.value(), 1_250);
//! assert!(matches!(prices.look(&key, now + Duration::from_secs(60)), Look::Stale(_)));
//!
//! prices.invalidate("article 7"); // costs the same for one entry and for a million
//! assert!(matches!(prices.look(&key, now), Look::Miss));
//! # Ok::<(), toolpost_cache::NotKept>(())
//! ```
//!
//! [`Cache`] is the envelope over a [`Store`]; [`Flights`] joins callers into one load; `rt::ReadThrough`
//! (feature `tokio`) is both together, with time limits and background refreshes. Stores: [`Memory`],
//! [`Lru`], `Moka` (feature `moka`) and, below another through [`Tiered`], `Disk` (feature `disk`).
//!
//! It knows nothing of tools, of wires, of breakers or queues, and the core of it of clocks and runtimes.
#![cfg_attr(feature = "tokio", doc = "")]
#![cfg_attr(feature = "tokio", doc = include_str!("../docs/guide.md"))]

mod alias;
mod cache;
mod counters;
mod entry;
mod flight;
mod generations;
mod key;
mod lifetime;
#[cfg(feature = "tokio")]
pub mod rt;
mod store;
mod sync;
mod tags;

pub use alias::{Alias, Words};
pub use cache::{Cache, Look, NotKept};
pub use counters::Stats;
pub use entry::Entry;
pub use flight::{Arrival, Boarding, Flights, Join, Landing, Lift, Panicked};
pub use generations::Epoch;
pub use key::{Key, KeyRef, KeyWriter, Text};
pub use lifetime::{Lifetime, State, Terms, Windows};
#[cfg(feature = "moka")]
pub use store::Moka;
pub use store::{Bounds, Lru, Memory, Oversized, Recalled, Seeded, SlowStore, Store, Tiered, Usage};
#[cfg(feature = "disk")]
pub use store::{Codec, Disk, DiskError, Own, Persist};
pub use tags::Tags;

/// The examples of the crate's README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

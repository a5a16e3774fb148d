//! Decides who runs next, and who is refused.
//!
//! The one idea: **schedule admission, not polling.** An executor has no priorities, so a job asks for a permit before it
//! is first polled; who gets the next free permit, and who is told early that none will come in time, is decided here.
//! Urgent work goes first, every tenant gets its fair part, nobody waits for ever, and no permit is spent on a result
//! that would come too late.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use toolpost_scheduler::{JobRequest, Limit, Priority, Scheduler, Tenant};
//!
//! # #[expect(clippy::disallowed_methods, reason = "an example has to start somewhere")]
//! let now = Instant::now();
//! let mut scheduler = Scheduler::new(Limit::fixed(1));
//! let alice = JobRequest::new(Tenant::named("alice"));
//! scheduler.submit(alice.priority(Priority::Background), "index", now).unwrap();
//! scheduler.submit(alice.priority(Priority::Urgent), "answer", now).unwrap();
//!
//! let Some((_, "answer", Ok(permit))) = scheduler.next(now) else { panic!("urgent work goes first") };
//! assert!(scheduler.next(now).is_none(), "one permit, one job");
//!
//! let later = now + Duration::from_millis(20);
//! scheduler.settle(permit, later, Duration::from_millis(20));
//! assert!(matches!(scheduler.next(later), Some((_, "index", Ok(_permit)))));
//! ```
//!
//! [`Scheduler`] is the whole of it without input or output: it performs nothing, and is told the time. The feature
//! `tokio` adds `rt`: a gate that hands out permits as guards, a worker pool and a blocking pool, on tokio's clock.
//! The order of service is a [`Discipline`]: [`Fair`] unless told otherwise, or [`Ordered`] (first in first
//! out, strict priority, earliest deadline), or one's own.
//!
//! Not for: running things at a rate (it counts what runs, not what starts), keeping jobs beyond the process, or taking the
//! processor from a job that runs.
//!
//! It does not know what a job is, nor what anybody may do: it knows whose a job is, how urgent, by when, and what
//! the like of it has cost.
#![cfg_attr(feature = "tokio", doc = "")]
#![cfg_attr(docsrs, feature(doc_cfg))]
// The pictures first: where a reference is defined twice, the first counts.
#![cfg_attr(feature = "tokio", doc = include_str!("../docs/pictures.md"))]
#![cfg_attr(feature = "tokio", doc = include_str!("../docs/guide.md"))]

mod delay;
pub mod discipline;
mod fair;
mod flows;
mod heap;
#[cfg(feature = "tokio")]
mod inherit;
mod jobs;
mod limit;
mod ordered;
mod priority;
mod queue;
mod refusal;
mod request;
#[cfg(feature = "tokio")]
pub mod rt;
mod scheduler;
mod service;
mod slots;
mod stats;
mod turns;

pub use self::discipline::Discipline;
pub use self::fair::Fair;
pub use self::limit::Limit;
pub use self::ordered::Ordered;
pub use self::priority::{Priority, Urgency};
pub use self::queue::QueueLimits;
pub use self::refusal::QueueError;
pub use self::request::{JobRequest, Tenant};
pub use self::scheduler::{PermitToken, Scheduler};
pub use self::slots::JobId;
pub use self::stats::QueueStats;

/// The examples of the crate's README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! The layers: each is a policy that can be put around any tool, and the result is a tool.
//!
//! A policy is a plain value ([`TimeLimit`], [`Retry`], ...) and a [`Layer`]: [`Layered`] is a tool with one around it.
//! That is what people compose by hand, with [`ToolExt`](crate::ToolExt). A runtime takes the same policies by their
//! steps (admit, poll, settle), with those that a tool does not declare left out, so that its whole pipeline is one
//! future and one allocation.
#![doc = include_str!("../docs/order_of_policies.md")]
#![doc = include_str!("../docs/cached_tool.md")]
#![doc = include_str!("../docs/repeated_calls.md")]

mod blocking;
mod cache_keys;
mod caching;
mod circuit_breaker;
mod concurrency;
mod fallback;
mod hedge;
mod idempotency;
mod invalidation;
mod layer;
#[cfg(feature = "disk")]
mod on_disk;
mod rate_limit;
mod retry;
mod stored_result;
mod time_limit;
mod verdict;

pub use crate::inheritance::SharedWork;
pub use blocking::BlockingThreads;
pub use caching::{Caching, ResultCache};
pub(crate) use caching::{Looked, marked_hit};
pub(crate) use circuit_breaker::BreakerGuard;
pub use circuit_breaker::CircuitBreaker;
pub use concurrency::ConcurrencyLimit;
pub(crate) use concurrency::{RetainedPermits, class, urgency};
pub use fallback::Fallback;
pub use hedge::Hedge;
pub use idempotency::MemoryIdempotencyStore;
#[cfg(feature = "plan")]
pub(crate) use idempotency::recorded;
pub(crate) use idempotency::{Idempotency, KeyStore, MarksBegin};
pub use invalidation::Invalidation;
pub use layer::{Layer, Layered};
#[cfg(feature = "disk")]
pub use on_disk::{ResultDisk, Results};
pub use rate_limit::{Rate, RateLimit};
pub use retry::Retry;
pub(crate) use time_limit::TimeLeft;
pub use time_limit::TimeLimit;
pub use verdict::Verdict;

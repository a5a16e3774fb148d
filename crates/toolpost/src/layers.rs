//! The layers: each takes a tool, and is one.
//!
//! A layer is two things. Its *policy* is a plain value (`TimeLimit`, ...) with one method,
//! `around(call, next)`, that runs `next` zero, one or more times under that policy. Its *wrapper*
//! (`Timed<T>`, ...) holds a tool and a policy, and is a [`Tool`](toolpost_tool::Tool). The wrapper
//! is what people compose by hand; the runtime takes the same policies by their steps (admit, poll,
//! settle), with those a tool does not declare left out, so that its whole pipeline is one future and
//! one allocation.
#![doc = include_str!("../docs/order_of_policies.md")]
#![doc = include_str!("../docs/cached_tool.md")]

mod cache_keys;
mod cached;
mod fallback;
mod guarded;
mod hedged;
mod invalidating;
mod limited;
#[cfg(feature = "disk")]
mod on_disk;
mod retried;
mod scheduled;
mod threaded;
mod timed;
mod verdict;

pub use crate::lift::{Lent, Lifted};
pub use cached::{Cached, Caching, ResultCache};
pub(crate) use cached::{Looked, marked_hit};
pub use fallback::{Backed, Fallback};
pub(crate) use guarded::Held;
pub use guarded::{Guard, Guarded};
pub use hedged::{Hedge, Hedged};
pub use invalidating::{Invalidating, Invalidation};
pub use limited::{Limited, Rate, RateLimit};
#[cfg(feature = "disk")]
pub use on_disk::{ResultDisk, Results};
pub use retried::{Retried, Retry};
pub(crate) use scheduled::{RetainedPermits, class, urgency};
pub use scheduled::{Scheduled, Seats};
pub use threaded::Threaded;
pub(crate) use threaded::Threads;
pub(crate) use timed::TimeLeft;
pub use timed::{TimeLimit, Timed};
pub use verdict::Verdict;

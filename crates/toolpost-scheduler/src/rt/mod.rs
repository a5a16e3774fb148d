//! Hands out permits as guards, and runs jobs under them: the front for tokio.
//!
//! ```
//! use toolpost_scheduler::rt::Gate;
//! use toolpost_scheduler::{Limit, Priority, JobRequest, Tenant};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let gate = Gate::new(Limit::fixed(2));
//! let request = JobRequest::new(Tenant::named("alice")).priority(Priority::Urgent);
//! let permit = gate.acquire(request).await?;
//! // ... the work ...
//! permit.settle();
//! assert_eq!(gate.in_flight(), 0);
//! # Ok::<(), toolpost_scheduler::QueueError>(())
//! # }).unwrap();
//! ```

mod blocking;
mod clock;
mod gate;
mod line;
mod permit;
mod pool;
mod priority_handle;
mod sync;
mod waiting;
mod word;

pub use self::gate::Gate;
pub use self::permit::Permit;
pub use self::pool::{JobError, JobHandle, Pool, PoolCounts};
pub use self::priority_handle::PriorityHandle;
pub use self::waiting::Waiting;

//! The async front: a gate that hands out permits as guards, a worker pool, a blocking pool.
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

pub use self::blocking::BlockingPool;
pub use self::gate::Gate;
pub use self::permit::Permit;
pub use self::pool::{Ended, JobHandle, Pool, PoolCounts};
pub use self::priority_handle::{Donation, PriorityGraph, PriorityHandle};
pub use self::waiting::Waiting;

//! The async front: a gate that hands out seats as guards, a worker pool, a blocking pool.
//!
//! ```
//! use toolpost_scheduler::rt::Gate;
//! use toolpost_scheduler::{Limit, Priority, Request, Tenant};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let gate = Gate::new(Limit::fixed(2));
//! let request = Request::new(Tenant::named("alice")).priority(Priority::Urgent);
//! let seat = gate.seat(request).await?;
//! // ... the work ...
//! seat.settle();
//! assert_eq!(gate.in_flight(), 0);
//! # Ok::<(), toolpost_scheduler::Refusal>(())
//! # }).unwrap();
//! ```

mod blocking;
mod clock;
mod gate;
mod lift;
mod line;
mod pool;
mod seat;
mod sync;
mod waiting;
mod word;

pub use self::blocking::Blocking;
pub use self::gate::{Drained, Gate};
pub use self::lift::{Lift, Lifts, Loan};
pub use self::pool::{Counts, Ended, Handle, Pool};
pub use self::seat::Seat;
pub use self::waiting::Waiting;

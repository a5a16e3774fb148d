//! Stops calling what keeps failing.
//!
//! A [`Breaker`] stands in front of something that can fail. Before each call it is asked for a [`Permit`];
//! after it, the permit is told how the call went. When a [`FailurePolicy`] finds that too much went wrong,
//! the breaker *opens*: it refuses at once, and says when to come back. After a while it lets a few *probes*
//! through, then more, and closes when they went well.
//!
//! The one idea: **while all is well, a breaker writes nothing.** A window full of successes is not changed by
//! another success, so admitting is one load, and so is reporting a success.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use toolpost_breaker::{Breaker, BreakerSettings, BreakerState, Consecutive};
//!
//! fn divide(by: i32) -> Result<i32, &'static str> {
//!     10_i32.checked_div(by).ok_or("division by zero")
//! }
//!
//! let start = Instant::now();
//! let settings = BreakerSettings::new(start).open_time(Duration::from_secs(30), Duration::from_secs(300)).without_jitter().probes(1).ramp(1);
//! let breaker = Breaker::with_settings(Consecutive::new(2), settings);
//!
//! for _ in 0..2 {
//!     let permit = breaker.admit(start).expect("closed");
//!     match divide(0) {
//!         Ok(_) => permit.success(start),
//!         Err(_) => permit.failure(start),
//!     }
//! }
//! let refused = breaker.admit(start).expect_err("two failures in a row opened it");
//! assert_eq!(refused.retry_after(), Duration::from_secs(30));
//!
//! let later = start + refused.retry_after();
//! let probe = breaker.admit(later).expect("one probe is let through");
//! assert!(breaker.admit(later).is_err(), "and no second one");
//! assert_eq!(divide(5), Ok(2));
//! probe.success(later);
//! assert_eq!(breaker.state(), BreakerState::Closed);
//! ```
//!
//! The policies shipped are lock-free: [`Consecutive`], [`CountWindow`] and [`TimeWindow`] (failure rate and
//! slow-call rate). A pair of policies is a policy that opens when either would. [`Breakers`] keeps one breaker
//! per key, within a bound.
//!
//! Not for: bounding how many calls run (that is a gate's), trying again, or what does not get better by being left alone.
//! It is of one process: two servers find out each for itself.
//!
//! It knows nothing of what it guards, of async, of clocks and of logs: every method that needs the time is given
//! it, and the same reports at the same times give the same answers.

mod breaker;
mod consecutive;
mod count_window;
mod open_time;
mod permit;
mod policy;
mod refusal;
mod registry;
mod settings;
mod sync;
mod time_window;
mod transition;
mod word;

pub use breaker::Breaker;
pub use consecutive::Consecutive;
pub use count_window::CountWindow;
pub use permit::{OwnedPermit, Permit};
pub use policy::{CallOutcome, CallReport, FailurePolicy, Tally};
pub use refusal::Rejected;
pub use registry::Breakers;
pub use settings::BreakerSettings;
pub use time_window::TimeWindow;
pub use transition::{BreakerState, Snapshot, Transition};

/// The examples of the crate's README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

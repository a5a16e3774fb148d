//! Computes when to retry, how much to retry, and when to hedge.
//!
//! [`Backoff`] gives the wait before each attempt, spread by a [`Jitter`]. [`RetryBudget`] limits retries to a share of the
//! calls, so that an outage is not made worse by those who try again. [`LatencyHistogram`] gives the quantile after which a
//! second, hedged request is worth sending.
//!
//! Not for: deciding whether a call may be made again (only whoever made it knows if that does harm), or leaving alone what is
//! down (that is a circuit breaker's).
//!
//! The one idea: **it is arithmetic.** No clock, no randomness, no sleep, no runtime: the loop around an attempt is the
//! caller's, synchronous or not, and the same inputs give the same waits.
//!
//! ```
//! use std::time::Duration;
//! use toolpost_retry::{Backoff, RetryBudget};
//!
//! fn flaky(attempt: u32) -> Result<&'static str, &'static str> {
//!     if attempt < 2 { Err("not yet") } else { Ok("done") }
//! }
//!
//! let backoff = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(10));
//! let budget = RetryBudget::new(10, 10); // a tenth of the calls, and ten to begin with
//! let seed = 7; // drawn at random, once a call
//!
//! budget.deposit();
//! let mut attempt = 0;
//! let answer = loop {
//!     match flaky(attempt) {
//!         Err(_) if attempt < 3 && budget.withdraw() => {
//!             let wait = backoff.delay(attempt, seed);
//!             assert!(wait <= Duration::from_secs(10)); // sleep for that long
//!             attempt += 1;
//!         }
//!         answer => break answer,
//!     }
//! };
//! assert_eq!((answer, budget.balance()), (Ok("done"), 8));
//! ```

mod backoff;
mod budget;
mod latency;
mod sync;

pub use backoff::{Backoff, Jitter};
pub use budget::RetryBudget;
pub use latency::LatencyHistogram;

/// The examples of the crate's README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! Measures beside a peer in one run, and says of each goal whether it was met.
//!
//! A bench is a binary with named cases. [`Cases::main`] times every case in interleaved rounds and
//! reports the best round (the least disturbed one), counts heap allocations, and counts
//! instructions with callgrind where valgrind is installed: the binary runs itself once more per
//! case under valgrind, with two iteration counts, and takes the slope, so start-up drops out.
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

mod alloc;
mod cases;
mod goals;
mod process;
mod results;

pub use alloc::{Counting, allocations};
pub use cases::{Cases, Figures, callgrind, counted_in};
pub use goals::Goals;
pub use process::{Process, median};
pub use results::{machine, record};

//! What toolpost-upstream promises, seen from outside of it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]
#![expect(
    clippy::disallowed_methods,
    reason = "a paused clock is moved by waiting; servers in memory are tasks; children run in the time of the machine"
)]

mod balanced;
#[cfg(target_os = "linux")]
mod children;
mod common;
mod lost;
#[cfg(feature = "http")]
mod over_http;
mod per_caller;
mod questions;
mod served;

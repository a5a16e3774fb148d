//! What a host adds to a runtime from outside of it, one file each: `cargo test -p seams`.
//!
//! * [`background`]: child processes that outlive their calls, and that a drain waits for.
//! * [`layer`]: a policy around every tool.

pub mod background;
pub mod layer;

//! What a host adds to a runtime from outside of it, one file each: `cargo test -p seams`.
//!
//! * [`background`]: child processes that outlive their calls, and that a drain waits for.
//! * [`layer`]: a policy around every tool.
//! * [`source`]: tools that come and go.
//! * [`slow_store`]: a store below the caches of several runtimes.
//! * [`surface`]: what clients see in place of a long list of tools.

pub mod background;
pub mod layer;
pub mod slow_store;
pub mod source;
pub mod surface;

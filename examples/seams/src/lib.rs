//! What a host adds to a runtime from outside of it, one file each: `cargo test -p seams`.
//!
//! * [`background`]: child processes that outlive their calls, and that a drain waits for.
//! * [`layer`]: a policy around every tool.
//! * [`source`]: tools that come and go.
//! * [`surface`]: what clients see in place of a long list of tools.

pub mod background;
pub mod layer;
pub mod source;
pub mod surface;

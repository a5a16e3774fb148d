//! What the seams promise, seen through examples of their use.
#![expect(clippy::unwrap_used, reason = "a test unwraps")]

mod background;
mod layer;
mod slow_store;
mod source;
mod surface;

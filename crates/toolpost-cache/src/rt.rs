//! The async front: a cache that makes what it does not have.

mod answer;
mod read_through;
mod tasks;

pub use answer::{Answer, LoadError, Loading, Outcome, Purpose, Request, Source};
pub use read_through::{Hit, Missed, ReadThrough};

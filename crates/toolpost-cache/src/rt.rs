//! The async front: a cache that makes what it does not have.

mod read_through;
mod tasks;

pub use read_through::{Answer, LoadError, Loading, Outcome, Purpose, ReadThrough, Request, Source};

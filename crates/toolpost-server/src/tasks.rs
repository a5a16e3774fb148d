//! Calls that outlive their requests: where they are kept, and how long.

mod limits;
mod memory;
mod store;
mod stored;

pub use limits::TaskLimits;
pub use memory::MemoryTasks;
pub use store::{TaskStore, TaskStoreError};
pub use stored::StoredTask;
pub(crate) use stored::{Answered, Question, Stored};

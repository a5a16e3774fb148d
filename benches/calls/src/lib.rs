//! The calls that all servers of the benches answer: messages, the types of their arguments, and the limit.

pub mod limit;
pub mod messages;

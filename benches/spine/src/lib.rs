//! One call from bytes to bytes: ours, the limit, and rmcp's model types.

pub use calls::{limit, messages};

pub mod connections;
pub mod ours;
pub mod rmcp_types;

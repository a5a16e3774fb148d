//! One call from bytes to bytes: ours, the limit, and rmcp's model types.

pub mod limit;
pub mod messages;
pub mod ours;
pub mod rmcp_types;

//! The servers that are compared, the load, and what both transports' benches share.
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock, and spawns its connections")]

pub mod load;
pub mod requests;
pub mod servers;

//! The gateway, from the outside.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod check;
mod commands;
mod fixture;
mod http;
mod page;
mod reload;
mod upstreams;

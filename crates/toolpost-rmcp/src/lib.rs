//! A toolpost runtime inside an rmcp server, and rmcp's tools as toolpost tools.
//!
//! The one idea: an rmcp server that exists stays as it is, and its tools are called through a
//! [`Runtime`](toolpost::Runtime). [`tools`] makes toolpost tools of a [`ToolRouter`] as rmcp's macros
//! build it; [`Tools`] answers `tools/list` and `tools/call` from a runtime, or turns the runtime back
//! into a [`ToolRouter`]. So each `#[tool]` gains time limits, retries, a breaker, permits and a cache,
//! and can be a step of a workflow, without a change to the tool.
//!
//! What this crate does not know: the transport (rmcp has that) and the policies (the runtime does).
//!
//! [`ToolRouter`]: rmcp::handler::server::tool::ToolRouter
#![doc = include_str!("../docs/embed.md")]

mod answer;
mod describe;
mod listed;
mod notices;
mod received;
mod round;
mod routed;
mod sealed;
mod tools;
mod unconnected;

pub use routed::{tools, tools_declared};
pub use tools::{InvalidStateKey, Tools};

/// The programs of `docs/coming_from.md` compile and run.
#[cfg(doctest)]
#[doc = include_str!("../docs/coming_from.md")]
struct ComingFrom;

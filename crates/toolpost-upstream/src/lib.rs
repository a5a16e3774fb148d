//! Tools of other MCP servers: read from their bytes, cleaned, bounded, and pinned.
//!
//! [`Pins`] are a lock file of what the tools of a server say of themselves: one that says something else is refused until
//! somebody accepts the [`PinChange`].
#![cfg_attr(docsrs, feature(doc_cfg))]
#![allow(dead_code, reason = "what connects a server comes next")]

mod clean;
mod declared;
mod pins;

pub use declared::RefusedTool;
pub use pins::{InvalidPins, PinChange, Pins};

/// The examples of the crate's README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

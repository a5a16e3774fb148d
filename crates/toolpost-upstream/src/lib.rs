//! Other MCP servers as tools: kept connected, pinned, and isolated from each other.
//!
//! An [`Upstream`] is one server, at an [`Endpoint`]: a program that is started, a URL, or streams of the host's own. Its tools
//! are tools like any other, to be put behind a runtime's policies.
//!
//! [`Pins`] are a lock file of what the tools of a server say of themselves: one that says something else is refused until
//! somebody accepts the [`PinChange`].
#![cfg_attr(docsrs, feature(doc_cfg))]

mod ask;
mod asker;
mod attempts;
mod balance;
mod clean;
mod clock;
mod connection;
mod declared;
mod endpoint;
mod keeper;
mod lists;
mod offers;
mod options;
mod parked;
mod per_caller;
mod pins;
mod provide;
mod replica;
mod status;
mod tool;
mod upstream;

pub use declared::RefusedTool;
pub use endpoint::Endpoint;
pub use options::UpstreamOptions;
pub use per_caller::PerCaller;
pub use pins::{InvalidPins, PinChange, Pins};
pub use status::{UpstreamState, UpstreamStatus};
pub use upstream::Upstream;

/// The examples of the crate's README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

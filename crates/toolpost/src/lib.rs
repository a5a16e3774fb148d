//! A fast, hard-to-kill runtime for MCP tools: the crate you add.
//!
//! This crate joins the family's parts. [`Runtime`] applies policies from what a tool declares about itself, in
//! [one order](layers#the-order-of-policies); [`ToolExt`] wraps a tool in the same [layers] by hand. The rest of this page
//! is the project's README.
//!
#![cfg_attr(feature = "server", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "server"),
    doc = "(Without the feature `server`, whose code it shows, the README is not on this page.)"
)]
#![doc = include_str!("../docs/seams.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod approvals;
mod background;
mod behind;
mod build_error;
mod categories;
mod clock;
mod ext;
mod host_layers;
mod inheritance;
pub mod layers;
pub mod observers;
mod parallel;
mod peers;
mod pipeline;
#[cfg(feature = "plan")]
mod plans;
mod prefixed;
mod registered;
mod runtime;
mod schema_rules;
mod settings;
mod surface;
#[cfg(feature = "tower")]
pub mod tower;
#[cfg(feature = "upstream")]
mod upstreams;
mod warnings;
mod workflow_tool;

pub use approvals::{ApprovalRequest, ApprovalState, ApprovalStore, Approvals};
pub use background::Background;
pub use build_error::BuildError;
pub use categories::{Categories, Category};
pub use ext::ToolExt;
pub use host_layers::Position;
pub use parallel::{Parallel, parallel};
pub use peers::Peers;
#[cfg(feature = "plan")]
#[cfg_attr(docsrs, doc(cfg(feature = "plan")))]
pub use plans::PlanRunner;
pub use runtime::{Remaining, Runtime, RuntimeBuilder, ToolSource};
pub use settings::Settings;
pub use surface::{Flat, Surface};
#[cfg(feature = "auth")]
pub use toolpost_auth as auth;
pub use toolpost_breaker as breaker;
pub use toolpost_cache as cache;
pub use toolpost_dispatch as dispatch;
#[cfg(feature = "audit")]
#[cfg_attr(docsrs, doc(cfg(feature = "audit")))]
pub use toolpost_journal as journal;
pub use toolpost_json as json;
#[cfg(feature = "plan")]
#[cfg_attr(docsrs, doc(cfg(feature = "plan")))]
pub use toolpost_plan as plan;
#[cfg(feature = "upstream")]
#[cfg_attr(docsrs, doc(cfg(feature = "upstream")))]
pub use toolpost_pool as pool;
#[cfg(all(unix, feature = "process"))]
#[cfg_attr(docsrs, doc(cfg(feature = "process")))]
pub use toolpost_process as process;
pub use toolpost_protocol as protocol;
pub use toolpost_retry as retry;
#[cfg(feature = "file-journal")]
#[cfg_attr(docsrs, doc(cfg(feature = "file-journal")))]
pub use toolpost_runs as runs;
pub use toolpost_scheduler as scheduler;
#[cfg(feature = "connection")]
pub use toolpost_server as server;
pub use toolpost_tool as tool;
#[cfg(feature = "upstream")]
#[cfg_attr(docsrs, doc(cfg(feature = "upstream")))]
pub use toolpost_upstream as upstream;
pub use toolpost_workflow as workflow;
#[cfg(feature = "upstream")]
#[cfg_attr(docsrs, doc(cfg(feature = "upstream")))]
pub use upstreams::Upstreams;
pub use workflow_tool::{CallStep, WorkflowTool};

//! Workflows of MCP tools as JSON documents, checked whole before their first step runs.
//!
//! A [`PlanDocument`] comes from a stranger: a model, a client, a file. [`PlanDocument::compile`] holds it against the
//! tools that its caller may use ([`PlanTools`]) and answers with a [`CompiledPlan`], or with everything that is wrong
//! with it: unknown tools with near names, references to what is not there, steps that wait for each other, arguments
//! that cannot fit a tool's schema, tools that the caller may not use, and whatever exceeds a limit ([`PlanLimits`]).
//! A plan that is refused has called nothing.
//!
//! A plan runs on `toolpost-workflow`, and calls its tools through a [`StepCaller`], so that each step meets the host's
//! whole pipeline under the caller's own rights. Values go from step to step as the bytes they came as.
//!
//! A [`Template`] is a plan with parameters; a [`TemplateRegistry`] keeps them by name and version, puts them together, and
//! makes documents of them.
//!
//! What it does not know: who may call what, where documents come from, and how a run's end is shown.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod cel;
mod compile;
mod document;
mod expression;
mod fault;
mod limits;
mod path;
mod plan;
mod run;
#[cfg(feature = "journal")]
mod runs;
mod shape;
mod template;
mod tools;
mod value;

pub use document::PlanDocument;
pub use fault::{PlanFault, PlanFaultKind, RefusedPlan};
pub use limits::PlanLimits;
pub use plan::CompiledPlan;
pub use run::{PlanInput, StepCall, StepCaller};
#[cfg(feature = "journal")]
pub use runs::{PlanRun, PlanRunState, PlanRuns};
pub use template::{Template, TemplateRegistry};
pub use tools::{PlanTool, PlanTools};
pub use value::PlanValue;

/// The examples of the crate's README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

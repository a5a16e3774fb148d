//! Runs steps in dependency order, each as soon as what it needs is there.
//!
//! The one idea: a [`Plan`] is compiled once and never changes, and a [`Run`] walks it. The plan says
//! who waits for whom; the run says who may start now. Neither awaits, spawns or reads a clock, so
//! any number of runs walk one plan at once, and the same calls at the same times give the same run.
//!
//! With the `tokio` feature, [`Plan::start`] drives a run: a ready step is polled where it stands,
//! and only one that is not ready is kept for later. There is no barrier between levels.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use toolpost_workflow::{StepPolicy, StepError, Workflow};
//!
//! async fn fetch_price(item: Arc<u64>) -> Result<u64, StepError> {
//!     Ok(*item * 10)
//! }
//!
//! # #[cfg(feature = "tokio")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut w = Workflow::<u64>::new("quote");
//! let item = w.input();
//! let price = w.step("price").policy(StepPolicy::new().time_limit(Duration::from_secs(1))).run(item, fetch_price);
//! let stock = w.step("stock").run(item, |_| async { Ok(3) });
//! let quote = w.step("quote").compute((price, stock), |(price, stock)| format!("{stock} at {price}"));
//! let plan = w.build(quote)?;
//!
//! let report = plan.run(7).await;
//! assert_eq!(*report.into_result()?, "3 at 70");
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "tokio"))]
//! # fn main() {}
//! ```
//!
//! A step ends exactly once: with a value, failed, skipped, cancelled, or unknown after a crash. A
//! failure blocks what depends on it and nothing else, unless a [`StepPolicy`] says otherwise. Dropping a
//! run cancels it. With a [`Journal`], a run that was dropped or killed goes on where it stopped.
//!
//! Not for: one step after another, which is what `async` functions are for; work spread over machines; what must be undone
//! when a later step fails (there is no compensation: make it a step of your own, with [`StepHandle::optional`]); or loops,
//! for a graph has none.
//!
//! It knows nothing of tools, of messages, or of where values come from.

#![cfg_attr(not(feature = "tokio"), expect(dead_code, reason = "the driver is what calls the steps"))]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod compile;
mod compiled;
mod draw;
mod each;
mod error;
mod event;
mod graph;
mod journal;
mod memory;
mod needs;
mod plan;
mod policy;
mod pool;
mod ready;
mod record;
mod rules;
mod run;
mod state;
mod timeline;
mod value;
mod workflow;

#[cfg(feature = "tokio")]
pub mod rt;

pub use compiled::{CompiledGraph, Need, StepId};
pub use each::MapOptions;
pub use error::{Fault, InvalidPlan, StepError};
pub use event::{EventKind, RunEvent};
pub use graph::{Graph, GraphStep, StepInputs};
pub use journal::{Journal, JournalEntry};
pub use needs::{Needs, StepHandle, all, any};
pub use plan::Plan;
pub use policy::{OnFailure, OnUnknown, StepPolicy};
pub use record::Record;
pub use rules::RunOptions;
pub use run::{AfterFailure, Run};
pub use state::{Cause, RunOutcome, StepState};
pub use value::StepContext;
pub use workflow::{Step, Workflow};

/// The examples of the crate's README compile and run.
#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct Readme;

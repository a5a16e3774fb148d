//! Finds the tool a request names, authorizes, checks its arguments and runs it.
//!
//! A [`Registry`] is an immutable [`Catalog`] behind an atomic pointer: looking a tool up takes no
//! lock, and a reload while serving loses no call. A [`Dispatcher`] takes a call through fixed
//! steps, and each call ends exactly once:
//!
//! ```text
//! find > authorize > validate arguments > run (a panic is an answer) > count
//! ```
//!
//! ```
//! use toolpost_dispatch::{Dispatcher, Registry, CallRequest};
//! use toolpost_tool::{ErrorKind, NoArgs, tool_fn};
//!
//! let registry = Registry::builder()
//!     .tool(tool_fn("ping", |_: NoArgs, _| async { Ok("pong") }))
//!     .build()
//!     .unwrap();
//! let dispatcher = Dispatcher::builder(registry).build();
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let output = dispatcher.call(CallRequest::new("ping")).await.unwrap();
//! assert_eq!(output.as_text(), Some("pong"));
//!
//! let error = dispatcher.call(CallRequest::new("pong")).await.unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::Protocol);
//! assert_eq!(error.to_string(), "unknown tool `pong`; did you mean `ping`?");
//! # });
//! ```
//!
//! Arguments and results are checked against the tool's schemas by the feature `validate`, which brings a validator of 3 MB
//! and is off by default. Without it the type of the arguments decides what it reads, as in other Rust servers: an argument
//! that the schema does not name is refused, errors name the first argument that is wrong and not all, and bounds that only a
//! schema has (a range, a pattern, anything in a schema that was written by hand) are listed and not enforced
//! ([`Catalog::warnings`] says of which tool).
//!
//! What this crate does not know: transports, wire revisions, and every policy around a tool: a
//! policy is a layer, and a wrapped tool is a tool.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer;
mod authorize;
mod catalog;
mod clock;
mod dispatcher;
mod ending;
mod in_flight;
mod nearest;
mod observe;
mod provider_calls;
mod providers;
mod registry;
mod request;
mod run;
mod schema;
#[cfg(not(feature = "validate"))]
#[path = "unvalidated.rs"]
mod validate;
#[cfg(feature = "validate")]
mod validate;

pub use answer::Answer;
pub use authorize::{Access, Authorize, Decision, Target};
pub use catalog::{Catalog, Entry, RegistrationError};
pub use dispatcher::{Dispatcher, DispatcherBuilder, WeakDispatcher};
pub use in_flight::CallKey;
pub use nearest::nearest;
pub use observe::{Event, Observe, Outcome};
pub use providers::{Change, Changes, Completing, Completions, PromptSet, Prompts, ResourceSet, Resources};
pub use registry::{Registry, RegistryBuilder};
pub use request::CallRequest;
#[cfg(feature = "validate")]
pub use validate::Schema;

/// The examples of the crate's README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

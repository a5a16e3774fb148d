//! Mock tools, scripted faults and assertions for tests of tools.
//!
//! Three stand-ins for a tool, from the most to the least controlled: a [`mock`], whose every call
//! waits for the test to answer it; a [`Script`], which answers by itself, call by call; and
//! [`Faulty`], a real tool that fails now and then, the same way for the same seed.
//!
//! ```
//! use toolpost_test::{mock, run};
//! use toolpost_tool::{Call, Output, Tool};
//!
//! # run(async {
//! let (tool, mut handle) = mock("search");
//! let call = Call::new(&serde_json::json!({"query": "lathe"})).unwrap();
//! let (result, ()) = tokio::join!(tool.call(call), async {
//!     let received = handle.next().await;
//!     assert_eq!(received.call().arguments().member("query").unwrap().as_str().unwrap(), "lathe");
//!     received.respond(Output::text("one hit"));
//! });
//! assert_eq!(result.unwrap().as_text(), Some("one hit"));
//! # });
//! ```
//!
//! [`run`] runs a test on a paused clock, so that a day of waiting takes no time; [`cancel_at_each_await`]
//! drops a future at each of its await points in turn. [`call`] makes a call with whatever else a call has: a principal,
//! answers of a user, somebody who listens to its progress. With the feature `client`, `client` is a client in memory that
//! speaks MCP of any revision to the tools of a dispatcher or a runtime; with `stores`, `check_event_store` and
//! `check_task_store` hold a store of yours to its trait.
#![doc = include_str!("../docs/test_your_tool.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod assert;
mod call;
mod cancel;
#[cfg(feature = "client")]
mod client;
#[cfg(feature = "stores")]
mod event_store;
mod faulty;
mod idempotency;
mod mock;
mod run;
mod script;
#[cfg(feature = "stores")]
mod task_store;

#[cfg(feature = "client")]
pub use assert::assert_promised;
pub use assert::{assert_kind, assert_text};
pub use call::{CallBuilder, Progress, Recording, call};
pub use cancel::{cancel_at_each_await, poll_once};
#[cfg(feature = "client")]
pub use client::{Client, ClientBuilder, client};
#[cfg(feature = "stores")]
pub use event_store::check_event_store;
pub use faulty::Faulty;
pub use idempotency::assert_idempotency_store;
pub use mock::{Handle, Mock, Received, mock};
pub use run::run;
pub use script::Script;
#[cfg(feature = "stores")]
pub use task_store::check_task_store;
#[cfg(feature = "client")]
pub use toolpost_protocol::{Error as RpcError, Version};

/// The examples of the crate's README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

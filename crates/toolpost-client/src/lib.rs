//! MCP client: asks servers of every published revision, bounds what they may cost, and hands results out as bytes.
//!
//! [`McpClient`] is a handle to one server, cheap to clone. It is there at once: which revision the server speaks is found
//! out in the background (`server/discover`, then `initialize`), and [`ready`](McpClient::ready) waits for it. Requests made
//! before wait too, within their own time limit.
//!
//! ```
//! use serde_json::json;
//! use toolpost_client::{ClientOptions, Frame, McpClient, RequestOptions};
//! # use toolpost_dispatch::{Dispatcher, Registry};
//! # use toolpost_server::Server;
//! # use toolpost_tool::tool_fn;
//! # #[derive(serde::Deserialize, schemars::JsonSchema)]
//! # struct Sum { a: u32, b: u32 }
//! # let add = tool_fn("add", |sum: Sum, _| async move { Ok((sum.a + sum.b).to_string()) });
//! # let server = Server::builder(Dispatcher::builder(Registry::builder().tool(add).build().unwrap()).build()).build();
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! # let (ours, theirs) = tokio::io::duplex(1 << 16);
//! # let (reader, writer) = tokio::io::split(theirs);
//! # tokio::spawn(async move { server.serve_io(reader, writer).await });
//! # let (stdout, stdin) = tokio::io::split(ours);
//! let client = McpClient::over_stdio(stdout, stdin, ClientOptions::new("my-host", "1.0.0"));
//!
//! let tools = client.list_tools(RequestOptions::new()).await?;
//! assert!(tools[0].contains(r#""name":"add""#));
//!
//! let arguments = Frame::from_serialize(&json!({ "a": 2, "b": 3 }))?;
//! let result = client.call_tool("add", arguments.root(), RequestOptions::new()).await?;
//! assert_eq!(result.node().pointer("/content/0/text").unwrap().as_str().unwrap(), "5");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # How a request ends
//!
//! Exactly once: by its result, by a [`ClientError`], or by dropping its future, which cancels it at the server and leaves
//! every other request alone. [`ClientError::is_outcome_unknown`] tells a request that may have run from one that did not.
//!
//! # What a server may cost
//!
//! Answers that are late, doubled or to nothing are counted ([`ignored`](McpClient::ignored)) and dropped. Lines that are no
//! message (a server that prints to its stdout) are skipped until there are too many in a row. Messages, requests in flight,
//! open questions, rounds of questions, pages and items of a list, and events nobody has taken yet have bounds: `docs/bounds.md`
//! of the repository lists them.

mod client;
mod clock;
mod core;
mod error;
mod events;
#[cfg(feature = "http")]
mod http;
mod list;
mod mailbox;
mod options;
mod params;
mod profile;
mod questions;
mod respond;
mod result;
mod rounds;
mod session;
mod shared;
#[cfg(feature = "stdio")]
mod stdio;

pub use client::McpClient;
pub use error::ClientError;
pub use events::{ClientEvent, Events};
#[cfg(feature = "http")]
pub use http::{Credentials, HttpTarget};
pub use options::{ClientOptions, RequestOptions};
pub use profile::ServerProfile;
pub use respond::{Question, Respond};
pub use result::RawResult;

// What the signatures above name.
pub use toolpost_protocol::model::{
    ClientCapabilities, Implementation, LoggingLevel, RawJson, ServerCapabilities,
};
pub use toolpost_protocol::{Error as RpcError, Frame, Node, Version};

/// The examples of the crate's README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! Serves MCP on stdio and Streamable HTTP.
//!
//! **The request says what it is.** Each message is read once, its era is chosen from the message
//! itself, and both eras are served side by side on the same stream or path: 2026-07-28, in which
//! every request stands alone, and the revisions up to 2025-11-25, which start with `initialize`.
//!
//! ```
//! use toolpost_dispatch::{Dispatcher, Registry};
//! use toolpost_json::{Frame, Limits};
//! use toolpost_server::Server;
//! use toolpost_tool::{NoArgs, Principal, tool_fn};
//!
//! let ping = tool_fn("ping", |_: NoArgs, _| async { Ok("pong") });
//! let dispatcher = Dispatcher::builder(Registry::builder().tool(ping).build().unwrap()).build();
//! let server = Server::builder(dispatcher).name("example").version("1.0.0").build();
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! // server.stdio().await, server.http("127.0.0.1:8080").await, or one message at a time:
//! let request = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ping","_meta":{
//!     "io.modelcontextprotocol/protocolVersion":"2026-07-28",
//!     "io.modelcontextprotocol/clientCapabilities":{}}}}"#;
//! let frame = Frame::parse(request.into(), &Limits::new()).unwrap();
//! let reply = server.handle(frame, Principal::anonymous()).await;
//! let text = String::from_utf8(reply.unwrap()).unwrap();
//! assert!(text.contains(r#""content":[{"type":"text","text":"pong"}]"#), "{text}");
//! # });
//! ```
//!
//! A call runs in the task of its connection: nothing is spawned for it, and a client that goes away
//! (where its era says that this cancels) drops the tool's future. Everything a client can make the
//! server keep is bounded.
//!
//! Each transport is a feature, and both are on by default: `http` is [`Server::http`] and what belongs to it, `stdio` is
//! [`Server::stdio`]. Without either there is [`Server::connection`], on which a transport of
//! your own stands: messages in, messages out, and no I/O.
//!
//! With the feature `tracing`, it says what is served and where, and what is turned away (at the level debug).
//!
//! What this crate does not know: what a tool does, any policy around it, TLS, and how a client
//! proves who it is (an [`Authenticate`] of yours does).
#![doc = include_str!("../docs/tasks.md")]
#![cfg_attr(
    not(all(feature = "http", feature = "stdio")),
    allow(rustdoc::broken_intra_doc_links, reason = "the pages name both transports")
)]
#![cfg_attr(
    not(any(feature = "http", feature = "stdio")),
    allow(dead_code, reason = "sessions and streams belong to transports, and here is none")
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "http")]
mod authenticate;
mod builder;
mod clock;
mod connection;
mod error;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod log;
mod server;
mod service;
mod shutdown;
#[cfg(feature = "http")]
mod static_tokens;
#[cfg(feature = "stdio")]
mod stdio;
mod tasks;

#[cfg(feature = "http")]
pub use authenticate::{Authenticate, Unauthenticated, bearer_token};
pub use builder::ServerBuilder;
pub use connection::{Connection, ConnectionLimits};
pub use error::ServeError;
#[cfg(feature = "http")]
pub use http::{
    Body, EventLimits, EventStore, HttpLimits, HttpService, MemoryEventStore, ProtectedResource, StreamEvents,
};
pub use server::Server;
pub use service::listen_limits::ListenLimits;
pub(crate) use service::peer::Peer;
pub(crate) use service::reply::{Disposition, Reply};
pub use shutdown::terminated;
#[cfg(feature = "http")]
pub use static_tokens::StaticTokens;
pub use tasks::{MemoryTasks, StoredTask, TaskLimits, TaskStore, TaskStoreError};

/// The examples of the crate's README compile and run.
#[cfg(all(doctest, feature = "http", feature = "stdio"))]
#[doc = include_str!("../README.md")]
struct Readme;

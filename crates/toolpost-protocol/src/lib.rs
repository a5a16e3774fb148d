//! MCP messages: JSON-RPC envelopes, answers and the types of every published revision, bytes to types and back.
//!
//! Received bytes become a [`Frame`] in one pass ([`receive`]), and a [`Message`] is read from the frame without
//! checking anything again. The frame is [`toolpost_json`]'s, which knows the JSON and no MCP.
//!
//! ```
//! use toolpost_json::Limits;
//! use toolpost_protocol::{Message, receive, reply};
//!
//! let body = r#"{"jsonrpc":"2.0","id":9007199254740993,"method":"add","params":{"terms":[1,2]}}"#;
//! let frame = receive(&body.into(), &Limits::new()).map_err(|m| m.error)?;
//! let Message::Request { id, method, params } = Message::read(&frame).map_err(|m| m.error)? else {
//!     panic!("not a request");
//! };
//! assert_eq!(method, "add");
//! let terms: Vec<i64> = params.unwrap().member("terms").unwrap().decode()?;
//!
//! let mut out = Vec::new();
//! let sum: i64 = terms.iter().sum();
//! reply::result(&mut out, &id, |out| out.extend_from_slice(sum.to_string().as_bytes()));
//! assert_eq!(out, br#"{"jsonrpc":"2.0","id":9007199254740993,"result":3}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The types of MCP's own messages are in [`model`]: what a method's params decode into, what it answers, and what both
//! are made of. A server that passes JSON on, as above, needs few of them. What a request is and may be answered with
//! follows from its [`MetaIndex`], [`Era`] and [`Version`].
//!
//! It does no I/O, and knows neither tools nor sessions.

#[macro_use]
pub mod model;

mod error;
mod gist;
mod header_param;
mod id;
mod lines;
mod message;
mod meta_index;
pub mod reply;
mod version;

pub use error::{Code, Error};
pub use gist::{Gist, Meant};
pub use header_param::HeaderParam;
pub use id::Id;
pub use lines::{Line, LineBuffer};
pub use message::{Malformed, Message, receive};
pub use meta_index::MetaIndex;
pub use version::{Era, Version, meta};

// What the signatures above name.
pub use toolpost_json::{Frame, Limits, Node, Violation};

/// The examples of the crate's README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

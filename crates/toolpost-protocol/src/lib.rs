//! MCP messages: bytes to types and back, and the guard over untrusted bytes.
//!
//! The one idea: received bytes are read once. [`Frame::parse`] proves in one pass that they are
//! one JSON value within [`Limits`], and leaves an index behind; whatever comes after (the
//! envelope, schema validation, typed decoding) walks that index and checks nothing again.
//!
//! ```
//! use toolpost_protocol::{Frame, Limits, Message, reply};
//!
//! let body = r#"{"jsonrpc":"2.0","id":9007199254740993,"method":"add","params":{"terms":[1,2]}}"#;
//! let frame = Frame::parse(body.into(), &Limits::new())?;
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
//! It does no I/O, and knows neither tools nor sessions.

mod canonical;
mod decode;
mod decode_error;
mod decode_key;
mod error;
mod frame;
mod gist;
mod guard;
mod id;
mod index;
mod limits;
mod message;
pub mod model;
mod names;
mod node;
mod number;
mod quick;
pub mod reply;
mod room;
mod scan;
mod text;
mod version;
mod violation;

pub use decode_error::DecodeError;
pub use error::{Code, Error};
pub use frame::{Frame, Refused};
pub use gist::{Gist, Meant};
pub use id::Id;
pub use index::Kind;
pub use limits::Limits;
pub use message::{Malformed, Message, Outcome};
pub use node::{Items, Key, Members, Node, NodeId};
pub use number::Number;
pub use version::{Version, meta};
pub use violation::{Violation, ViolationKind};

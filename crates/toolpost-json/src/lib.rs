//! Strict JSON for untrusted bytes: one pass checks a text, and whatever reads it afterwards checks nothing again.
//!
//! [`Frame::parse`] proves that received bytes are one JSON value within [`Limits`] of size, depth and number, without
//! two members of one name in an object, and leaves an index behind. Walking ([`Node`]), typed decoding
//! ([`Node::decode`]) and the canonical text ([`Node::write_canonical`]) read that index; numbers keep all their digits.
//!
//! ```
//! use toolpost_json::{Frame, Limits, ViolationKind};
//!
//! let limits = Limits::new().depth(8);
//! let frame = Frame::parse(r#"{"id": 9007199254740993, "terms": [1, 2]}"#.into(), &limits)?;
//! assert_eq!(frame.root().member("id").unwrap().raw(), "9007199254740993");
//! let terms: Vec<i64> = frame.root().member("terms").unwrap().decode()?;
//! assert_eq!(terms, [1, 2]);
//!
//! let refused = Frame::parse(r#"{"admin": false, "admin": true}"#.into(), &limits).unwrap_err();
//! assert_eq!(refused.kind(), ViolationKind::DuplicateName);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It does no I/O.

mod canonical;
mod decode;
mod decode_error;
mod decode_key;
mod frame;
mod guard;
mod index;
mod limits;
mod names;
mod node;
mod number;
mod quick;
mod room;
mod scan;
mod text;
mod violation;
pub mod write;

pub use decode_error::DecodeError;
pub use frame::Frame;
pub use index::Kind;
pub use limits::Limits;
pub use node::{Items, Key, Members, Node, NodeId};
pub use number::Number;
pub use violation::{Violation, ViolationKind};

/// The examples of the crate's README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

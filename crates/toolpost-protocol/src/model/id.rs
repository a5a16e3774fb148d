//! The id of a request, and the token of its progress.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::json::{RawJson, RawNumber, kind};
use crate::Id;

/// The id of a request: a string, or an integer of any size, echoed exactly as it came.
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestId {
    /// A string.
    String(String),
    /// An integer, kept digit for digit.
    Integer(RawNumber),
}

/// What ties a progress notification to its request; has the shape of a [`RequestId`].
pub type ProgressToken = RequestId;

impl From<&str> for RequestId {
    fn from(id: &str) -> Self {
        Self::String(id.to_owned())
    }
}

impl From<String> for RequestId {
    fn from(id: String) -> Self {
        Self::String(id)
    }
}

impl From<i64> for RequestId {
    fn from(id: i64) -> Self {
        Self::Integer(id.into())
    }
}

impl From<u64> for RequestId {
    fn from(id: u64) -> Self {
        Self::Integer(id.into())
    }
}

impl TryFrom<&Id> for RequestId {
    type Error = serde_json::Error;

    /// Reads the id of a received request; fails on none of those.
    fn try_from(id: &Id) -> Result<Self, Self::Error> {
        serde_json::from_str(id.raw())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(id) => write!(f, "{id:?}"),
            Self::Integer(id) => write!(f, "{id:?}"),
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(id) => f.write_str(id),
            Self::Integer(id) => id.fmt(f),
        }
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::String(id) => serializer.serialize_str(id),
            Self::Integer(id) => id.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = RawJson::deserialize(deserializer)?;
        match json.as_str().as_bytes() {
            [b'"', ..] => json.decode().map(Self::String).map_err(D::Error::custom),
            [b'-' | b'0'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit) => {
                json.decode().map(Self::Integer).map_err(D::Error::custom)
            }
            [b'-' | b'0'..=b'9', ..] => {
                Err(D::Error::custom(format_args!("an id is a string or an integer, found {json}")))
            }
            _ => Err(D::Error::custom(format_args!(
                "an id is a string or an integer, found {}",
                kind(json.as_str())
            ))),
        }
    }
}

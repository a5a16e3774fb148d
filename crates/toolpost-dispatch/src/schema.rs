//! What is said of a schema, and of a value that does not fit it, whether or not schemas are enforced.

use std::fmt;

/// Where a schema comes from, and what follows for how it is read.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Reading {
    /// It was written by hand: it may be wrong.
    AsItIs,
    /// It was derived from what a type is written as.
    Result,
    /// It was derived from what a type reads: a member that may be left out may also be `null`.
    Arguments,
}

/// Why a value was not accepted.
#[cfg_attr(not(feature = "validate"), expect(dead_code, reason = "everything fits"))]
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Unfit {
    /// It does not fit, or could not be held against the schema: what to say of it.
    Told(String),
    /// The deadline passed before it was known.
    Overdue,
}

/// A schema that cannot be compiled.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct InvalidSchema {
    reason: String,
}

impl InvalidSchema {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }

    pub(crate) fn not_an_object() -> Self {
        Self::new(
            "must have `\"type\": \"object\"` at its root: take the arguments as a struct, or as `NoArgs` if there are none",
        )
    }
}

impl fmt::Display for InvalidSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for InvalidSchema {}

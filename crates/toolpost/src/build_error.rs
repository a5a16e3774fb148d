//! Why a runtime could not be built.

use std::error::Error;
use std::fmt;

/// Why a runtime could not be built or changed, or its settings not read: every fault.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BuildError {
    pub(crate) faults: Vec<String>,
}

impl BuildError {
    pub(crate) const fn new(faults: Vec<String>) -> Self {
        Self { faults }
    }

    /// The one fault that `error` says.
    pub(crate) fn of(error: impl fmt::Display) -> Self {
        Self { faults: vec![error.to_string()] }
    }

    /// One line per fault.
    pub fn faults(&self) -> impl Iterator<Item = &str> {
        self.faults.iter().map(String::as_str)
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.faults.join("; "))
    }
}

impl Error for BuildError {}

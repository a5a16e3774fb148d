//! What is wrong with declared programs.

use std::error::Error;
use std::fmt;

/// Why declared programs cannot be tools: all that is wrong with them at once, each fault with its place and its cure.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InvalidProgram(Vec<String>);

impl InvalidProgram {
    pub(crate) const fn new(faults: Vec<String>) -> Self {
        Self(faults)
    }

    /// The faults; at least one.
    #[must_use]
    pub fn faults(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for InvalidProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl Error for InvalidProgram {}

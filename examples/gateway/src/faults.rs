//! What is wrong with a configuration: every fault with its file, its path, and what would be right.

use std::error::Error;
use std::fmt;
use std::path::Path;

/// Collects faults, so that all are told at once.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Faults(Vec<String>);

impl Faults {
    /// Adds what is wrong at `at`, a path within `file`.
    pub(crate) fn add(&mut self, file: &Path, at: &str, fault: impl fmt::Display) {
        let file = file.display();
        self.0.push(match at.is_empty() {
            true => format!("{file}: {fault}"),
            false => format!("{file}: {at}: {fault}"),
        });
    }

    pub(crate) fn one(file: &Path, fault: impl fmt::Display) -> Self {
        let mut faults = Self::default();
        faults.add(file, "", fault);
        faults
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl Error for Faults {}

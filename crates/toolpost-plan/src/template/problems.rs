//! What is wrong with templates, on its way into a refusal.

use std::fmt::Write as _;

use crate::fault::{Faults, PlanFaultKind, RefusedPlan};

/// What was found wrong so far, of one kind.
#[derive(Debug)]
pub(super) struct Problems {
    kind: PlanFaultKind,
    found: Vec<Problem>,
}

#[derive(Debug)]
struct Problem {
    path: String,
    message: String,
    /// Empty where there is none.
    hint: String,
}

impl Problems {
    pub(super) const fn new(kind: PlanFaultKind) -> Self {
        Self { kind, found: Vec::new() }
    }

    /// Adds what is wrong at `path`; an empty hint is none.
    pub(super) fn add(&mut self, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.found.push(Problem { path: path.to_owned(), message: message.into(), hint: hint.into() });
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Takes over what was found in a document that stands at `path` in this one.
    pub(super) fn extend_below(&mut self, path: &str, inner: Self) {
        self.found.extend(
            inner.found.into_iter().map(|one| Problem { path: format!("{path}{}", one.path), ..one }),
        );
    }

    /// Takes over what was found, with `said` before each.
    pub(super) fn extend_saying(&mut self, said: &str, inner: Self) {
        self.found.extend(
            inner.found.into_iter().map(|one| Problem { message: format!("{said}{}", one.message), ..one }),
        );
    }

    /// The value, unless something was found.
    pub(super) fn unless<T>(self, value: T) -> Result<T, RefusedPlan> {
        match self.is_empty() {
            true => Ok(value),
            false => Err(self.refused()),
        }
    }

    /// The refusal; to be called when something was found.
    pub(super) fn refused(self) -> RefusedPlan {
        let mut faults = Faults::default();
        for Problem { path, message, hint } in self.found {
            match hint.is_empty() {
                true => faults.add(self.kind, path, message),
                false => faults.hinted(self.kind, path, message, hint),
            }
        }
        faults.refused()
    }
}

/// The refusal for one reason.
pub(super) fn refused(kind: PlanFaultKind, path: &str, message: String, hint: &str) -> RefusedPlan {
    let mut problems = Problems::new(kind);
    problems.add(path, message, hint);
    problems.refused()
}

/// The pointer to the member `name` of what is at `path`.
pub(super) fn child(path: &str, name: &str) -> String {
    let mut out = String::with_capacity(path.len() + name.len() + 1);
    let _ = write!(out, "{path}/");
    // A name may be as long as the document.
    for c in name.chars().take(200) {
        match c {
            '~' => out.push_str("~0"),
            '/' => out.push_str("~1"),
            c => out.push(c),
        }
    }
    out
}

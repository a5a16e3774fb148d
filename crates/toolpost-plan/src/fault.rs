//! What is wrong with a document: where, what, and how to mend it.

use std::error::Error;
use std::fmt;

use serde::Serialize;
use serde::ser::SerializeStruct;

use crate::limits::FAULTS;

/// Says one thing that is wrong with a document: where it stands, what is wrong, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanFault {
    path: String,
    kind: PlanFaultKind,
    message: String,
    hint: Option<String>,
}

/// Tells kinds of faults apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PlanFaultKind {
    /// The text is not JSON, or has two members of one name in an object.
    Json,
    /// A member is missing, unknown, or of the wrong type.
    Shape,
    /// The document asks for more than a limit allows.
    Limit,
    /// A step names a tool that does not exist.
    UnknownTool,
    /// A step names a tool that the caller may not use.
    Denied,
    /// A step waits for, or refers to, a step that does not exist.
    MissingStep,
    /// A reference leads to what does not come before the step, or cannot be seen from it.
    NotAncestor,
    /// Steps wait for each other.
    Cycle,
    /// A reference leads to what the tool's output schema does not have.
    Reference,
    /// Arguments cannot satisfy the tool's input schema.
    Arguments,
    /// A CEL expression cannot be read.
    Expression,
    /// A template is not there, is there already, or includes what does not fit.
    Template,
}

impl PlanFaultKind {
    /// A short name, stable, for logs and for clients.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Shape => "shape",
            Self::Limit => "limit",
            Self::UnknownTool => "unknown_tool",
            Self::Denied => "denied",
            Self::MissingStep => "missing_step",
            Self::NotAncestor => "not_ancestor",
            Self::Cycle => "cycle",
            Self::Reference => "reference",
            Self::Arguments => "arguments",
            Self::Expression => "expression",
            Self::Template => "template",
        }
    }
}

impl PlanFault {
    /// The JSON Pointer (RFC 6901) of the place in the document; empty for the whole document.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What kind of fault this is.
    #[must_use]
    pub const fn kind(&self) -> PlanFaultKind {
        self.kind
    }

    /// What is wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// How to mend it, where anyone can say.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for PlanFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.path {
            "" => f.write_str("the document")?,
            path => f.write_str(path)?,
        }
        write!(f, ": {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl Serialize for PlanFault {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fault = serializer.serialize_struct("PlanFault", 4)?;
        fault.serialize_field("path", &self.path)?;
        fault.serialize_field("kind", self.kind.as_str())?;
        fault.serialize_field("message", &self.message)?;
        fault.serialize_field("hint", &self.hint)?;
        fault.end()
    }
}

/// Says why a document was refused: every fault in it, in the order in which they stand in the document; the first
/// hundred, if there are more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedPlan {
    faults: Vec<PlanFault>,
}

impl RefusedPlan {
    /// What is wrong; never empty.
    #[must_use]
    pub fn faults(&self) -> &[PlanFault] {
        &self.faults
    }
}

/// Faults that the text of a refusal shows.
const SHOWN: usize = 20;

impl fmt::Display for RefusedPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, fault) in self.faults.iter().take(SHOWN).enumerate() {
            let between = if n == 0 { "" } else { "; " };
            write!(f, "{between}{fault}")?;
        }
        match self.faults.len().checked_sub(SHOWN) {
            Some(more @ 1..) => write!(f, "; and {more} more"),
            _ => Ok(()),
        }
    }
}

impl Error for RefusedPlan {}

/// Faults on their way into a refusal.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<PlanFault>);

impl Faults {
    pub(crate) fn add(&mut self, kind: PlanFaultKind, path: impl fmt::Display, message: impl Into<String>) {
        self.push(kind, &path, message.into(), None);
    }

    pub(crate) fn hinted(
        &mut self,
        kind: PlanFaultKind,
        path: impl fmt::Display,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push(kind, &path, message.into(), Some(hint.into()));
    }

    /// What a limit refuses: its name, its value, and what was asked for.
    pub(crate) fn limit(&mut self, path: impl fmt::Display, limit: &str, most: impl fmt::Display, got: &str) {
        let message = format!("{got}; the limit `{limit}` is {most}");
        self.add(PlanFaultKind::Limit, path, message);
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether no more are collected.
    pub(crate) const fn is_full(&self) -> bool {
        FAULTS <= self.0.len()
    }

    /// The refusal. To be called when there are some.
    pub(crate) fn refused(self) -> RefusedPlan {
        RefusedPlan { faults: self.0 }
    }

    fn push(&mut self, kind: PlanFaultKind, path: &dyn fmt::Display, message: String, hint: Option<String>) {
        if !self.is_full() {
            self.0.push(PlanFault { path: path.to_string(), kind, message, hint });
        }
    }
}

/// The refusal of a document for one reason.
pub(crate) fn refused(kind: PlanFaultKind, path: &str, message: String) -> RefusedPlan {
    let mut faults = Faults::default();
    faults.add(kind, path, message);
    faults.refused()
}

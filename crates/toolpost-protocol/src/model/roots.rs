//! The directories that a client lets a server work in. Deprecated in 2026-07-28.

use super::Object;

/// A directory or file that a server may work in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Root {
    /// What the root says about itself.
    pub meta: Option<Object>,
    /// A `file:` URI.
    pub uri: String,
    /// The name for people.
    pub name: Option<String>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { Root { meta: optional "_meta", uri: required "uri", name: optional "name" } }

impl Root {
    /// Points to a directory or file.
    #[must_use]
    pub fn new(uri: impl Into<String>) -> Self {
        Self { meta: None, uri: uri.into(), name: None, extra: Object::new() }
    }
}

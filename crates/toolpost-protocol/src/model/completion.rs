//! Suggestions for an argument that a person is typing.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::content::type_of;
use super::{Meta, Object, RawJson, RawNumber, ResultType};

/// What an argument belongs to, decoded by its `type`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompletionReference {
    /// A prompt.
    Prompt {
        /// The name for programs.
        name: String,
        /// The name for people.
        title: Option<String>,
        /// Fields that no revision names.
        extra: Object,
    },
    /// A resource template, or a resource.
    ResourceTemplate {
        /// The URI template (RFC 6570), or the URI.
        uri: String,
        /// Fields that no revision names.
        extra: Object,
    },
    /// A reference of a type that no revision names, kept verbatim.
    Unknown(RawJson),
}

variants! { CompletionReference {
    "ref/prompt" => Prompt tagged "type" = "ref/prompt" { name: required "name", title: optional "title" }
    "ref/resource" => ResourceTemplate tagged "type" = "ref/resource" { uri: required "uri" }
} }

impl<'de> Deserialize<'de> for CompletionReference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = RawJson::deserialize(deserializer)?;
        Self::read(&type_of(&json)?, json).map_err(D::Error::custom)
    }
}

impl CompletionReference {
    /// Names a prompt.
    #[must_use]
    pub fn prompt(name: impl Into<String>) -> Self {
        Self::Prompt { name: name.into(), title: None, extra: Object::new() }
    }

    /// Names a resource template.
    #[must_use]
    pub fn resource_template(uri: impl Into<String>) -> Self {
        Self::ResourceTemplate { uri: uri.into(), extra: Object::new() }
    }
}

/// An argument that is being typed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompletionArgument {
    /// Its name.
    pub name: String,
    /// What has been typed so far.
    pub value: String,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { CompletionArgument { name: required "name", value: required "value" } }

impl CompletionArgument {
    /// Names an argument, and says what has been typed so far.
    #[must_use]
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into(), extra: Object::new() }
    }
}

/// What is known when an argument is being typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompletionContext {
    /// The arguments given so far, by name.
    pub arguments: Option<BTreeMap<String, String>>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { CompletionContext { arguments: optional "arguments" } }

/// The result of `completion/complete`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompleteResult {
    /// What the result says about itself.
    pub meta: Option<Meta>,
    /// Required in 2026-07-28, absent before.
    pub result_type: Option<ResultType>,
    /// The suggestions.
    pub completion: Completion,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { CompleteResult {
    meta: optional "_meta",
    result_type: optional "resultType",
    completion: required "completion",
} }

impl CompleteResult {
    /// Holds suggestions.
    #[must_use]
    pub fn new(completion: Completion) -> Self {
        Self { completion, ..Self::default() }
    }

    /// Adds what 2026-07-28 requires: the result is complete.
    #[must_use]
    pub fn complete(mut self) -> Self {
        self.result_type = Some(ResultType::Complete);
        self
    }
}

/// Suggestions for an argument.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Completion {
    /// The suggestions, the best first; at most 100.
    pub values: Vec<String>,
    /// How many there are in all.
    pub total: Option<RawNumber>,
    /// Whether there are more than these.
    pub has_more: Option<bool>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { Completion { values: required "values", total: optional "total", has_more: optional "hasMore" } }

impl Completion {
    /// Suggests these values.
    #[must_use]
    pub fn new(values: Vec<String>) -> Self {
        Self { values, ..Self::default() }
    }
}

//! Suggestions for an argument that a person is typing.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::content::type_of;
use super::{Meta, Object, RawJson, RawNumber, RequestMeta, ResultType};

/// The params of `completion/complete`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompleteRequestParams {
    /// Required in 2026-07-28.
    pub meta: Option<Box<RequestMeta>>,
    /// What the argument belongs to.
    pub reference: CompletionReference,
    /// The argument so far.
    pub argument: CompletionArgument,
    /// The arguments before it.
    pub context: Option<CompletionContext>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { CompleteRequestParams {
    meta: optional "_meta",
    reference: required "ref",
    argument: required "argument",
    context: optional "context",
} }

impl CompleteRequestParams {
    /// Asks for suggestions for an argument of a prompt or a resource template.
    #[must_use]
    pub fn new(reference: impl Into<CompletionReference>, argument: CompletionArgument) -> Self {
        Self { meta: None, reference: reference.into(), argument, context: None, extra: Object::new() }
    }
}

/// What an argument belongs to, decoded by its `type`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompletionReference {
    /// A prompt.
    Prompt(PromptReference),
    /// A resource template.
    ResourceTemplate(ResourceTemplateReference),
    /// A reference of a type that no revision names, kept verbatim.
    Unknown(RawJson),
}

impl From<PromptReference> for CompletionReference {
    fn from(reference: PromptReference) -> Self {
        Self::Prompt(reference)
    }
}

impl From<ResourceTemplateReference> for CompletionReference {
    fn from(reference: ResourceTemplateReference) -> Self {
        Self::ResourceTemplate(reference)
    }
}

impl Serialize for CompletionReference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Prompt(reference) => reference.serialize(serializer),
            Self::ResourceTemplate(reference) => reference.serialize(serializer),
            Self::Unknown(reference) => reference.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for CompletionReference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = RawJson::deserialize(deserializer)?;
        match &*type_of(&json)? {
            "ref/prompt" => json.decode().map(Self::Prompt),
            "ref/resource" => json.decode().map(Self::ResourceTemplate),
            _ => Ok(Self::Unknown(json)),
        }
        .map_err(D::Error::custom)
    }
}

/// Names a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PromptReference {
    /// The name for programs.
    pub name: String,
    /// The name for people.
    pub title: Option<String>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { PromptReference tagged "type" = "ref/prompt" { name: required "name", title: optional "title" } }

impl PromptReference {
    /// Names a prompt.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), title: None, extra: Object::new() }
    }
}

/// Names a resource template, or a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourceTemplateReference {
    /// The URI template (RFC 6570), or the URI.
    pub uri: String,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ResourceTemplateReference tagged "type" = "ref/resource" { uri: required "uri" } }

impl ResourceTemplateReference {
    /// Names a resource template.
    #[must_use]
    pub fn new(uri: impl Into<String>) -> Self {
        Self { uri: uri.into(), extra: Object::new() }
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

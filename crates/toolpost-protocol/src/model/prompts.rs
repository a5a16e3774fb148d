//! Messages that a server has written for a person to start from.

use super::{ContentBlock, Icon, Meta, Object, ResultType, Role};

/// A prompt as `prompts/list` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Prompt {
    /// What the prompt says about itself.
    pub meta: Option<Object>,
    /// The name for programs.
    pub name: String,
    /// The name for people.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// What it takes.
    pub arguments: Option<Vec<PromptArgument>>,
    /// Icons, in any number of sizes.
    pub icons: Option<Vec<Icon>>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { Prompt {
    meta: optional "_meta",
    name: required "name",
    title: optional "title",
    description: optional "description",
    arguments: optional "arguments",
    icons: optional "icons",
} }

impl Prompt {
    /// Names a prompt.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            meta: None,
            name: name.into(),
            title: None,
            description: None,
            arguments: None,
            icons: None,
            extra: Object::new(),
        }
    }

    /// Adds an argument.
    ///
    /// ```
    /// use toolpost_protocol::model::{Prompt, PromptArgument};
    ///
    /// let prompt = Prompt::new("describe")
    ///     .with_description("Describes a part.")
    ///     .with_argument(PromptArgument::new("sku").with_description("Its number.").required());
    /// assert_eq!(prompt.arguments.unwrap()[0].required, Some(true));
    /// ```
    #[must_use]
    pub fn with_argument(mut self, argument: PromptArgument) -> Self {
        self.arguments.get_or_insert_default().push(argument);
        self
    }
}

/// An argument of a prompt; always a string.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PromptArgument {
    /// The name for programs.
    pub name: String,
    /// The name for people.
    pub title: Option<String>,
    /// What to give.
    pub description: Option<String>,
    /// Whether it must be given. Absent means false.
    pub required: Option<bool>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { PromptArgument {
    name: required "name",
    title: optional "title",
    description: optional "description",
    required: optional "required",
} }

impl PromptArgument {
    /// Names an argument.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), title: None, description: None, required: None, extra: Object::new() }
    }

    /// Says that it must be given.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = Some(true);
        self
    }
}

/// The result of `prompts/get`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GetPromptResult {
    /// What the result says about itself.
    pub meta: Option<Meta>,
    /// Required in 2026-07-28, absent before.
    pub result_type: Option<ResultType>,
    /// What the prompt is for.
    pub description: Option<String>,
    /// The prompt.
    pub messages: Vec<PromptMessage>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { GetPromptResult {
    meta: optional "_meta",
    result_type: optional "resultType",
    description: optional "description",
    messages: required "messages",
} }

impl GetPromptResult {
    /// Holds a prompt.
    #[must_use]
    pub fn new(messages: Vec<PromptMessage>) -> Self {
        Self { messages, ..Self::default() }
    }

    /// Adds what 2026-07-28 requires: the result is complete.
    #[must_use]
    pub fn complete(mut self) -> Self {
        self.result_type = Some(ResultType::Complete);
        self
    }
}

/// A message of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PromptMessage {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: ContentBlock,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { PromptMessage { role: required "role", content: required "content" } }

impl PromptMessage {
    /// Holds what `role` says.
    #[must_use]
    pub fn new(role: Role, content: impl Into<ContentBlock>) -> Self {
        Self { role, content: content.into(), extra: Object::new() }
    }
}

//! Messages that a server has written for a person to start from.

use std::collections::BTreeMap;
use std::time::Duration;

use super::result::milliseconds;
use super::{
    CacheScope, ContentBlock, Icon, InputResponses, Meta, Object, RawNumber, RequestMeta, ResultType, Role,
};

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

    /// Sets the name for people.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets what it is for.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Adds an argument.
    ///
    /// ```
    /// use toolpost_protocol::model::{Prompt, PromptArgument};
    ///
    /// let prompt = Prompt::new("describe")
    ///     .description("Describes a part.")
    ///     .argument(PromptArgument::new("sku").description("Its number.").required());
    /// assert_eq!(prompt.arguments.unwrap()[0].required, Some(true));
    /// ```
    #[must_use]
    pub fn argument(mut self, argument: PromptArgument) -> Self {
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

    /// Sets the name for people.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets what to give.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Says that it must be given.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = Some(true);
        self
    }
}

/// The result of `prompts/list`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListPromptsResult {
    /// What the result says about itself.
    pub meta: Option<Meta>,
    /// Required in 2026-07-28, absent before.
    pub result_type: Option<ResultType>,
    /// The prompts of this page.
    pub prompts: Vec<Prompt>,
    /// Where the next page starts; absent on the last.
    pub next_cursor: Option<String>,
    /// For how many milliseconds the page may be reused. Required in 2026-07-28, absent before.
    pub ttl_ms: Option<RawNumber>,
    /// Who may reuse it. Required in 2026-07-28, absent before.
    pub cache_scope: Option<CacheScope>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ListPromptsResult {
    meta: optional "_meta",
    result_type: optional "resultType",
    prompts: required "prompts",
    next_cursor: optional "nextCursor",
    ttl_ms: optional "ttlMs",
    cache_scope: optional "cacheScope",
} }

impl ListPromptsResult {
    /// Lists prompts.
    #[must_use]
    pub fn new(prompts: Vec<Prompt>) -> Self {
        Self { prompts, ..Self::default() }
    }

    /// Adds what 2026-07-28 requires: the result is complete, and may be reused by `scope` for `ttl`.
    #[must_use]
    pub fn reusable(mut self, ttl: Duration, scope: CacheScope) -> Self {
        self.result_type = Some(ResultType::Complete);
        self.ttl_ms = Some(milliseconds(ttl));
        self.cache_scope = Some(scope);
        self
    }
}

/// The params of `prompts/get`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GetPromptRequestParams {
    /// Required in 2026-07-28.
    pub meta: Option<Box<RequestMeta>>,
    /// The prompt.
    pub name: String,
    /// Its arguments, by name.
    pub arguments: Option<BTreeMap<String, String>>,
    /// Answers to what the server asked. 2026-07-28 only.
    pub input_responses: Option<InputResponses>,
    /// What the server wanted back with the answers, opaque. 2026-07-28 only.
    pub request_state: Option<String>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { GetPromptRequestParams {
    meta: optional "_meta",
    name: required "name",
    arguments: optional "arguments",
    input_responses: optional "inputResponses",
    request_state: optional "requestState",
} }

impl GetPromptRequestParams {
    /// Asks for a prompt, without arguments so far.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            meta: None,
            name: name.into(),
            arguments: None,
            input_responses: None,
            request_state: None,
            extra: Object::new(),
        }
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

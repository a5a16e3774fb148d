//! A server's questions to the client's language model. Deprecated in 2026-07-28.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ContentBlock, Meta, Object, RawJson, RawNumber, Request, RequestMeta, Role, TaskMetadata, Tool};

/// The params of `sampling/createMessage`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreateMessageRequestParams {
    /// What the request says about itself. 2025-11-25 only.
    pub meta: Option<Box<RequestMeta>>,
    /// The conversation so far.
    pub messages: Vec<SamplingMessage>,
    /// Which model to prefer.
    pub model_preferences: Option<ModelPreferences>,
    /// What the model is told first.
    pub system_prompt: Option<String>,
    /// Which of the servers' contexts to add: `none`, which is what an absent word says, `thisServer` or `allServers`.
    pub include_context: Option<String>,
    /// How much chance to let in, on the model's own scale.
    pub temperature: Option<RawNumber>,
    /// The longest answer, in tokens.
    pub max_tokens: RawNumber,
    /// Texts that end the answer.
    pub stop_sequences: Option<Vec<String>>,
    /// What to pass on to the model's provider.
    pub metadata: Option<Object>,
    /// The tools that the model may ask for.
    pub tools: Option<Vec<Tool>>,
    /// Whether it may, or must.
    pub tool_choice: Option<ToolChoice>,
    /// Asks for a task instead of a result. 2025-11-25 only.
    pub task: Option<TaskMetadata>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { CreateMessageRequestParams {
    meta: optional "_meta",
    messages: required "messages",
    model_preferences: optional "modelPreferences",
    system_prompt: optional "systemPrompt",
    include_context: optional "includeContext",
    temperature: optional "temperature",
    max_tokens: required "maxTokens",
    stop_sequences: optional "stopSequences",
    metadata: optional "metadata",
    tools: optional "tools",
    tool_choice: optional "toolChoice",
    task: optional "task",
} }

impl CreateMessageRequestParams {
    /// Asks for the message that follows `messages`, of at most `max_tokens` tokens.
    #[must_use]
    pub fn new(messages: Vec<SamplingMessage>, max_tokens: impl Into<RawNumber>) -> Self {
        Self {
            meta: None,
            messages,
            model_preferences: None,
            system_prompt: None,
            include_context: None,
            temperature: None,
            max_tokens: max_tokens.into(),
            stop_sequences: None,
            metadata: None,
            tools: None,
            tool_choice: None,
            task: None,
            extra: Object::new(),
        }
    }
}

impl From<CreateMessageRequestParams> for Request {
    fn from(params: CreateMessageRequestParams) -> Self {
        Self::CreateMessage(Box::new(params))
    }
}

/// The result of `sampling/createMessage`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreateMessageResult {
    /// What the result says about itself.
    pub meta: Option<Meta>,
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: SamplingContent,
    /// The model that was asked.
    pub model: String,
    /// Why it stopped, if known.
    pub stop_reason: Option<StopReason>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { CreateMessageResult {
    meta: optional "_meta",
    role: required "role",
    content: required "content",
    model: required "model",
    stop_reason: optional "stopReason",
} }

impl CreateMessageResult {
    /// Holds what `model` said as the assistant.
    #[must_use]
    pub fn new(content: impl Into<SamplingContent>, model: impl Into<String>) -> Self {
        Self {
            meta: None,
            role: Role::Assistant,
            content: content.into(),
            model: model.into(),
            stop_reason: None,
            extra: Object::new(),
        }
    }
}

/// Why a language model stopped.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum StopReason {
    /// It had said what it had to say.
    EndTurn,
    /// It said one of the stop sequences.
    StopSequence,
    /// The answer was getting too long.
    MaxTokens,
    /// It wants to use a tool.
    ToolUse,
    /// A reason of the model's provider.
    Other(String),
}

names! { StopReason {
    EndTurn = "endTurn",
    StopSequence = "stopSequence",
    MaxTokens = "maxTokens",
    ToolUse = "toolUse",
} }

/// A message in a conversation with a language model.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SamplingMessage {
    /// What the message says about itself.
    pub meta: Option<Object>,
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: SamplingContent,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { SamplingMessage { meta: optional "_meta", role: required "role", content: required "content" } }

impl SamplingMessage {
    /// Holds what `role` says.
    #[must_use]
    pub fn new(role: Role, content: impl Into<SamplingContent>) -> Self {
        Self { meta: None, role, content: content.into(), extra: Object::new() }
    }
}

/// What is said in a message: one block, or an array of blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SamplingContent {
    /// A block by itself.
    One(Box<ContentBlock>),
    /// An array of blocks, of any length.
    Many(Vec<ContentBlock>),
}

impl SamplingContent {
    /// The blocks, whichever way they were written.
    #[must_use]
    pub fn blocks(&self) -> &[ContentBlock] {
        match self {
            Self::One(block) => std::slice::from_ref(&**block),
            Self::Many(blocks) => blocks,
        }
    }
}

impl<T: Into<ContentBlock>> From<T> for SamplingContent {
    fn from(block: T) -> Self {
        Self::One(Box::new(block.into()))
    }
}

impl From<Vec<ContentBlock>> for SamplingContent {
    fn from(blocks: Vec<ContentBlock>) -> Self {
        Self::Many(blocks)
    }
}

impl Serialize for SamplingContent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(block) => block.serialize(serializer),
            Self::Many(blocks) => blocks.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for SamplingContent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = RawJson::deserialize(deserializer)?;
        if json.as_str().starts_with('[') {
            json.decode().map(Self::Many)
        } else {
            json.decode().map(Self::One)
        }
        .map_err(D::Error::custom)
    }
}

/// Which model a server prefers; the client decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelPreferences {
    /// Models to prefer, the best first.
    pub hints: Option<Vec<ModelHint>>,
    /// How much a low price matters, from 0 (not) to 1 (most).
    pub cost_priority: Option<RawNumber>,
    /// How much speed matters, from 0 (not) to 1 (most).
    pub speed_priority: Option<RawNumber>,
    /// How much ability matters, from 0 (not) to 1 (most).
    pub intelligence_priority: Option<RawNumber>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ModelPreferences {
    hints: optional "hints",
    cost_priority: optional "costPriority",
    speed_priority: optional "speedPriority",
    intelligence_priority: optional "intelligencePriority",
} }

/// A model to prefer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelHint {
    /// A part of its name.
    pub name: Option<String>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ModelHint { name: optional "name" } }

/// Whether a language model may use tools, or must.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolChoice {
    /// `auto`: the model decides; `required`: it must use one at least; `none`: it must not. Absent means `auto`.
    pub mode: Option<String>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ToolChoice { mode: optional "mode" } }

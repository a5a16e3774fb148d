//! A server's questions to the person using the client.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{FormSchema, Meta, Object, RawJson, RequestMeta, TaskMetadata};

/// The params of `elicitation/create`, decoded by their `mode`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ElicitRequestParams {
    /// A form to fill in; an absent mode means this one.
    Form(ElicitRequestFormParams),
    /// A page to visit.
    Url(ElicitRequestUrlParams),
    /// A mode that no revision names, kept verbatim.
    Unknown(RawJson),
}

impl From<ElicitRequestFormParams> for ElicitRequestParams {
    fn from(params: ElicitRequestFormParams) -> Self {
        Self::Form(params)
    }
}

impl From<ElicitRequestUrlParams> for ElicitRequestParams {
    fn from(params: ElicitRequestUrlParams) -> Self {
        Self::Url(params)
    }
}

impl Serialize for ElicitRequestParams {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Form(params) => params.serialize(serializer),
            Self::Url(params) => params.serialize(serializer),
            Self::Unknown(params) => params.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ElicitRequestParams {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Probe {
            mode: Option<String>,
        }
        let json = RawJson::deserialize(deserializer)?;
        let Probe { mode } = json.decode().map_err(D::Error::custom)?;
        match mode.as_deref() {
            None | Some("form") => json.decode().map(Self::Form),
            Some("url") => json.decode().map(Self::Url),
            Some(_) => Ok(Self::Unknown(json)),
        }
        .map_err(D::Error::custom)
    }
}

/// Asks the person to fill in a form.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ElicitRequestFormParams {
    /// What the request says about itself. 2025-11-25 only.
    pub meta: Option<Box<RequestMeta>>,
    /// What kind of question this is.
    pub mode: Option<FormMode>,
    /// The question.
    pub message: String,
    /// The form.
    pub requested_schema: FormSchema,
    /// Asks for a task instead of a result. 2025-11-25 only.
    pub task: Option<TaskMetadata>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ElicitRequestFormParams {
    meta: optional "_meta",
    mode: optional "mode",
    message: required "message",
    requested_schema: required "requestedSchema",
    task: optional "task",
} }

impl ElicitRequestFormParams {
    /// Asks a question by a form.
    #[must_use]
    pub fn new(message: impl Into<String>, requested_schema: FormSchema) -> Self {
        Self {
            meta: None,
            mode: Some(FormMode),
            message: message.into(),
            requested_schema,
            task: None,
            extra: Object::new(),
        }
    }
}

/// The word `form`, which may be left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub struct FormMode;

impl From<FormMode> for &'static str {
    fn from(FormMode: FormMode) -> Self {
        "form"
    }
}

impl TryFrom<String> for FormMode {
    type Error = &'static str;

    fn try_from(mode: String) -> Result<Self, Self::Error> {
        if mode == "form" { Ok(Self) } else { Err("`mode` must be \"form\"") }
    }
}

/// Asks the person to visit a page.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ElicitRequestUrlParams {
    /// What the request says about itself. 2025-11-25 only.
    pub meta: Option<Box<RequestMeta>>,
    /// Why.
    pub message: String,
    /// The page.
    pub url: String,
    /// The name of this question, for the notification of its end. Required in 2025-11-25, absent from 2026-07-28.
    pub elicitation_id: Option<String>,
    /// Asks for a task instead of a result. 2025-11-25 only.
    pub task: Option<TaskMetadata>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ElicitRequestUrlParams tagged "mode" = "url" {
    meta: optional "_meta",
    message: required "message",
    url: required "url",
    elicitation_id: optional "elicitationId",
    task: optional "task",
} }

impl ElicitRequestUrlParams {
    /// Asks to visit a page, and says why.
    #[must_use]
    pub fn new(message: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            meta: None,
            message: message.into(),
            url: url.into(),
            elicitation_id: None,
            task: None,
            extra: Object::new(),
        }
    }
}

/// The result of `elicitation/create`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ElicitResult {
    /// What the result says about itself.
    pub meta: Option<Meta>,
    /// What the person decided.
    pub action: ElicitAction,
    /// What the person entered, by field: strings, numbers, booleans and arrays of strings.
    pub content: Option<Object>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ElicitResult { meta: optional "_meta", action: required "action", content: optional "content" } }

impl ElicitResult {
    /// Holds what the person decided, without anything entered so far.
    #[must_use]
    pub fn new(action: ElicitAction) -> Self {
        Self { meta: None, action, content: None, extra: Object::new() }
    }
}

/// What the person decided.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ElicitAction {
    /// To answer.
    Accept,
    /// Not to answer.
    Decline,
    /// Nothing: the question was dismissed.
    Cancel,
    /// A word that no revision names.
    Other(String),
}

names! { ElicitAction { Accept = "accept", Decline = "decline", Cancel = "cancel" } }

/// The params of `notifications/elicitation/complete`. 2025-11-25 only.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ElicitationCompleteNotificationParams {
    /// What the notification says about itself.
    pub meta: Option<Object>,
    /// The question that was answered elsewhere.
    pub elicitation_id: String,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ElicitationCompleteNotificationParams {
    meta: optional "_meta",
    elicitation_id: required "elicitationId",
} }

impl ElicitationCompleteNotificationParams {
    /// Says which question was answered.
    #[must_use]
    pub fn new(elicitation_id: impl Into<String>) -> Self {
        Self { meta: None, elicitation_id: elicitation_id.into(), extra: Object::new() }
    }
}

//! What a client and a server can do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Object, RawJson};

/// What a client can do.
///
/// Declared with each request in 2026-07-28, once by `initialize` in 2025-11-25. A capability that is absent is not
/// there.
///
/// ```
/// use toolpost_protocol::model::{Capability, ClientCapabilities};
///
/// let client: ClientCapabilities = serde_json::from_str(r#"{"elicitation":{"url":{}}}"#)?;
/// assert!(client.elicitation.is_some_and(|elicitation| elicitation.has("url") && !elicitation.has("form")));
/// assert_eq!(serde_json::to_string(&Capability::new().with("listChanged"))?, r#"{"listChanged":true}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientCapabilities {
    /// Capabilities outside the specification, by name.
    pub experimental: Option<BTreeMap<String, Object>>,
    /// It can list its roots; with `listChanged` it tells when they change (2025-11-25 only). Deprecated in 2026-07-28.
    pub roots: Option<Capability>,
    /// It can ask a language model; with `context` it honors `includeContext`, with `tools` `tools` and `toolChoice`.
    /// Deprecated in 2026-07-28.
    pub sampling: Option<Capability>,
    /// It can ask the person using it: with `form` by a form, with `url` by a page to visit. Neither means forms.
    pub elicitation: Option<Capability>,
    /// Extensions it speaks, by identifier, with their settings. 2026-07-28 only.
    pub extensions: Option<BTreeMap<String, Object>>,
    /// Its requests can become tasks: those under `requests`, such as `requests.sampling.createMessage`; with `list`
    /// and `cancel` tasks can be listed and cancelled. 2025-11-25 only.
    pub tasks: Option<Capability>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ClientCapabilities {
    experimental: optional "experimental",
    roots: optional "roots",
    sampling: optional "sampling",
    elicitation: optional "elicitation",
    extensions: optional "extensions",
    tasks: optional "tasks",
} }

/// What a server can do. A capability that is absent is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerCapabilities {
    /// Capabilities outside the specification, by name.
    pub experimental: Option<BTreeMap<String, Object>>,
    /// It sends log messages. Deprecated in 2026-07-28.
    pub logging: Option<Capability>,
    /// It completes arguments.
    pub completions: Option<Capability>,
    /// It offers prompts; with `listChanged` it tells when the list changes.
    pub prompts: Option<Capability>,
    /// It offers resources; with `listChanged` it tells when the list changes, with `subscribe` when a resource does
    /// that a client asked about.
    pub resources: Option<Capability>,
    /// It offers tools; with `listChanged` it tells when the list changes.
    pub tools: Option<Capability>,
    /// Extensions it speaks, by identifier, with their settings. 2026-07-28 only.
    pub extensions: Option<BTreeMap<String, Object>>,
    /// Its requests can become tasks: those under `requests`, such as `requests.tools.call`; with `list` and `cancel`
    /// tasks can be listed and cancelled. 2025-11-25 only.
    pub tasks: Option<Capability>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ServerCapabilities {
    experimental: optional "experimental",
    logging: optional "logging",
    completions: optional "completions",
    prompts: optional "prompts",
    resources: optional "resources",
    tools: optional "tools",
    extensions: optional "extensions",
    tasks: optional "tasks",
} }

/// A capability that is there, with the features that it names: `{}`, `{"listChanged":true}`, `{"url":{}}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Capability {
    /// The features by name, and whatever else the capability says.
    pub features: Object,
}

impl Capability {
    /// Declares the capability itself.
    #[must_use]
    pub const fn new() -> Self {
        Self { features: Object::new() }
    }

    /// Adds a feature: `true` for `listChanged` and `subscribe`, which are flags, and for any other an empty object,
    /// which a client or a server may fill.
    #[must_use]
    pub fn with(mut self, feature: &str) -> Self {
        let value = match feature {
            "listChanged" | "subscribe" => RawJson::from(true),
            _ => RawJson::empty_object(),
        };
        self.features.insert(feature.to_owned(), value);
        self
    }

    /// Whether it has a feature: it names it, and neither as `false` nor as `null`. Dots lead into the feature, as in
    /// `requests.tools.call`.
    #[must_use]
    pub fn has(&self, feature: &str) -> bool {
        let (name, rest) = feature.split_once('.').map_or((feature, None), |(name, rest)| (name, Some(rest)));
        match (self.features.get(name), rest) {
            (Some(value), None) => !matches!(value.as_str(), "false" | "null"),
            (Some(value), Some(rest)) => value.decode::<Self>().is_ok_and(|inner| inner.has(rest)),
            (None, _) => false,
        }
    }
}

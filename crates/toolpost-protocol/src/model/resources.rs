//! What a server lets its clients read.

use std::time::Duration;

use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::result::milliseconds;
use super::{
    Annotations, CacheScope, Icon, InputResponses, Meta, Object, RawJson, RawNumber, RequestMeta, ResultType,
};

/// Something a client can read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resource {
    /// What the resource says about itself.
    pub meta: Option<Object>,
    /// For whom it is, and how much it matters.
    pub annotations: Option<Annotations>,
    /// Where it is.
    pub uri: String,
    /// The name for programs.
    pub name: String,
    /// The name for people.
    pub title: Option<String>,
    /// What it is, for a language model.
    pub description: Option<String>,
    /// Its media type.
    pub mime_type: Option<String>,
    /// Its size in bytes, before any encoding.
    pub size: Option<RawNumber>,
    /// Icons, in any number of sizes.
    pub icons: Option<Vec<Icon>>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { Resource {
    meta: optional "_meta",
    annotations: optional "annotations",
    uri: required "uri",
    name: required "name",
    title: optional "title",
    description: optional "description",
    mime_type: optional "mimeType",
    size: optional "size",
    icons: optional "icons",
} }

impl Resource {
    /// Names a resource and its place.
    #[must_use]
    pub fn new(uri: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            meta: None,
            annotations: None,
            uri: uri.into(),
            name: name.into(),
            title: None,
            description: None,
            mime_type: None,
            size: None,
            icons: None,
            extra: Object::new(),
        }
    }
}

/// A family of resources whose URIs follow a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourceTemplate {
    /// What the template says about itself.
    pub meta: Option<Object>,
    /// For whom the resources are, and how much they matter.
    pub annotations: Option<Annotations>,
    /// The pattern (RFC 6570).
    pub uri_template: String,
    /// The name for programs.
    pub name: String,
    /// The name for people.
    pub title: Option<String>,
    /// What the resources are, for a language model.
    pub description: Option<String>,
    /// Their media type, where they share one.
    pub mime_type: Option<String>,
    /// Icons, in any number of sizes.
    pub icons: Option<Vec<Icon>>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ResourceTemplate {
    meta: optional "_meta",
    annotations: optional "annotations",
    uri_template: required "uriTemplate",
    name: required "name",
    title: optional "title",
    description: optional "description",
    mime_type: optional "mimeType",
    icons: optional "icons",
} }

impl ResourceTemplate {
    /// Names a family of resources and its pattern.
    #[must_use]
    pub fn new(uri_template: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            meta: None,
            annotations: None,
            uri_template: uri_template.into(),
            name: name.into(),
            title: None,
            description: None,
            mime_type: None,
            icons: None,
            extra: Object::new(),
        }
    }
}

/// What a resource holds: text where it has a `text`, bytes where it has a `blob`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResourceContents {
    /// Text.
    Text(TextResourceContents),
    /// Bytes.
    Blob(BlobResourceContents),
    /// Something that is neither, kept verbatim.
    Unknown(RawJson),
}

impl From<TextResourceContents> for ResourceContents {
    fn from(contents: TextResourceContents) -> Self {
        Self::Text(contents)
    }
}

impl From<BlobResourceContents> for ResourceContents {
    fn from(contents: BlobResourceContents) -> Self {
        Self::Blob(contents)
    }
}

impl Serialize for ResourceContents {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(contents) => contents.serialize(serializer),
            Self::Blob(contents) => contents.serialize(serializer),
            Self::Unknown(contents) => contents.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ResourceContents {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Probe {
            text: Option<IgnoredAny>,
            blob: Option<IgnoredAny>,
        }
        let json = RawJson::deserialize(deserializer)?;
        match json.decode().map_err(D::Error::custom)? {
            Probe { text: Some(_), .. } => json.decode().map(Self::Text),
            Probe { blob: Some(_), .. } => json.decode().map(Self::Blob),
            Probe { .. } => Ok(Self::Unknown(json)),
        }
        .map_err(D::Error::custom)
    }
}

/// A resource that is text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextResourceContents {
    /// What the contents say about themselves.
    pub meta: Option<Object>,
    /// Where the resource is.
    pub uri: String,
    /// Its media type.
    pub mime_type: Option<String>,
    /// The text.
    pub text: String,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { TextResourceContents {
    meta: optional "_meta",
    uri: required "uri",
    mime_type: optional "mimeType",
    text: required "text",
} }

impl TextResourceContents {
    /// Holds the text of the resource at `uri`.
    #[must_use]
    pub fn new(uri: impl Into<String>, text: impl Into<String>) -> Self {
        Self { meta: None, uri: uri.into(), mime_type: None, text: text.into(), extra: Object::new() }
    }
}

/// A resource that is bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobResourceContents {
    /// What the contents say about themselves.
    pub meta: Option<Object>,
    /// Where the resource is.
    pub uri: String,
    /// Its media type.
    pub mime_type: Option<String>,
    /// The bytes in base64.
    pub blob: String,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { BlobResourceContents {
    meta: optional "_meta",
    uri: required "uri",
    mime_type: optional "mimeType",
    blob: required "blob",
} }

impl BlobResourceContents {
    /// Holds the bytes, in base64, of the resource at `uri`.
    #[must_use]
    pub fn new(uri: impl Into<String>, blob: impl Into<String>) -> Self {
        Self { meta: None, uri: uri.into(), mime_type: None, blob: blob.into(), extra: Object::new() }
    }
}

/// The result of `resources/list`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListResourcesResult {
    /// What the result says about itself.
    pub meta: Option<Meta>,
    /// Required in 2026-07-28, absent before.
    pub result_type: Option<ResultType>,
    /// The resources of this page.
    pub resources: Vec<Resource>,
    /// Where the next page starts; absent on the last.
    pub next_cursor: Option<String>,
    /// For how many milliseconds the page may be reused. Required in 2026-07-28, absent before.
    pub ttl_ms: Option<RawNumber>,
    /// Who may reuse it. Required in 2026-07-28, absent before.
    pub cache_scope: Option<CacheScope>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ListResourcesResult {
    meta: optional "_meta",
    result_type: optional "resultType",
    resources: required "resources",
    next_cursor: optional "nextCursor",
    ttl_ms: optional "ttlMs",
    cache_scope: optional "cacheScope",
} }

impl ListResourcesResult {
    /// Lists resources.
    #[must_use]
    pub fn new(resources: Vec<Resource>) -> Self {
        Self { resources, ..Self::default() }
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

/// The result of `resources/templates/list`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListResourceTemplatesResult {
    /// What the result says about itself.
    pub meta: Option<Meta>,
    /// Required in 2026-07-28, absent before.
    pub result_type: Option<ResultType>,
    /// The templates of this page.
    pub resource_templates: Vec<ResourceTemplate>,
    /// Where the next page starts; absent on the last.
    pub next_cursor: Option<String>,
    /// For how many milliseconds the page may be reused. Required in 2026-07-28, absent before.
    pub ttl_ms: Option<RawNumber>,
    /// Who may reuse it. Required in 2026-07-28, absent before.
    pub cache_scope: Option<CacheScope>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ListResourceTemplatesResult {
    meta: optional "_meta",
    result_type: optional "resultType",
    resource_templates: required "resourceTemplates",
    next_cursor: optional "nextCursor",
    ttl_ms: optional "ttlMs",
    cache_scope: optional "cacheScope",
} }

impl ListResourceTemplatesResult {
    /// Lists templates.
    #[must_use]
    pub fn new(resource_templates: Vec<ResourceTemplate>) -> Self {
        Self { resource_templates, ..Self::default() }
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

/// The params of `resources/read`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadResourceRequestParams {
    /// Required in 2026-07-28.
    pub meta: Option<Box<RequestMeta>>,
    /// What to read.
    pub uri: String,
    /// Answers to what the server asked. 2026-07-28 only.
    pub input_responses: Option<InputResponses>,
    /// What the server wanted back with the answers, opaque. 2026-07-28 only.
    pub request_state: Option<String>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ReadResourceRequestParams {
    meta: optional "_meta",
    uri: required "uri",
    input_responses: optional "inputResponses",
    request_state: optional "requestState",
} }

impl ReadResourceRequestParams {
    /// Reads the resource at `uri`.
    #[must_use]
    pub fn new(uri: impl Into<String>) -> Self {
        Self { meta: None, uri: uri.into(), input_responses: None, request_state: None, extra: Object::new() }
    }
}

/// The result of `resources/read`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadResourceResult {
    /// What the result says about itself.
    pub meta: Option<Meta>,
    /// Required in 2026-07-28, absent before.
    pub result_type: Option<ResultType>,
    /// The resource, or its parts.
    pub contents: Vec<ResourceContents>,
    /// For how many milliseconds the contents may be reused. Required in 2026-07-28, absent before.
    pub ttl_ms: Option<RawNumber>,
    /// Who may reuse them. Required in 2026-07-28, absent before.
    pub cache_scope: Option<CacheScope>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ReadResourceResult {
    meta: optional "_meta",
    result_type: optional "resultType",
    contents: required "contents",
    ttl_ms: optional "ttlMs",
    cache_scope: optional "cacheScope",
} }

impl ReadResourceResult {
    /// Holds the contents of a resource.
    #[must_use]
    pub fn new(contents: Vec<ResourceContents>) -> Self {
        Self { contents, ..Self::default() }
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

/// The params of `resources/subscribe` and `resources/unsubscribe`. 2025-11-25 only.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourceRequestParams {
    /// What the request says about itself.
    pub meta: Option<Box<RequestMeta>>,
    /// The resource to watch, or to watch no longer.
    pub uri: String,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ResourceRequestParams { meta: optional "_meta", uri: required "uri" } }

impl ResourceRequestParams {
    /// Names the resource at `uri`.
    #[must_use]
    pub fn new(uri: impl Into<String>) -> Self {
        Self { meta: None, uri: uri.into(), extra: Object::new() }
    }
}

/// The params of `notifications/resources/updated`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourceUpdatedNotificationParams {
    /// What the notification says about itself.
    pub meta: Option<Meta>,
    /// The resource that changed, or one below a resource that was asked about.
    pub uri: String,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ResourceUpdatedNotificationParams { meta: optional "_meta", uri: required "uri" } }

impl ResourceUpdatedNotificationParams {
    /// Says that the resource at `uri` changed.
    #[must_use]
    pub fn new(uri: impl Into<String>) -> Self {
        Self { meta: None, uri: uri.into(), extra: Object::new() }
    }
}

//! What a server lets its clients read.

use std::time::Duration;

use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};

use super::result::milliseconds;
use super::{Annotations, CacheScope, Icon, Meta, Object, RawJson, RawNumber, ResultType};

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
    Text {
        /// What the contents say about themselves.
        meta: Option<Object>,
        /// Where the resource is.
        uri: String,
        /// Its media type.
        mime_type: Option<String>,
        /// The text.
        text: String,
        /// Fields that no revision names.
        extra: Object,
    },
    /// Bytes.
    Blob {
        /// What the contents say about themselves.
        meta: Option<Object>,
        /// Where the resource is.
        uri: String,
        /// Its media type.
        mime_type: Option<String>,
        /// The bytes in base64.
        blob: String,
        /// Fields that no revision names.
        extra: Object,
    },
    /// Something that is neither, kept verbatim.
    Unknown(RawJson),
}

variants! { ResourceContents {
    "text" => Text {
        meta: optional "_meta",
        uri: required "uri",
        mime_type: optional "mimeType",
        text: required "text",
    }
    "blob" => Blob {
        meta: optional "_meta",
        uri: required "uri",
        mime_type: optional "mimeType",
        blob: required "blob",
    }
} }

impl<'de> Deserialize<'de> for ResourceContents {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Probe {
            text: Option<IgnoredAny>,
            blob: Option<IgnoredAny>,
        }
        let json = RawJson::deserialize(deserializer)?;
        let label = match json.decode().map_err(D::Error::custom)? {
            Probe { text: Some(_), .. } => "text",
            Probe { blob: Some(_), .. } => "blob",
            Probe { .. } => "",
        };
        Self::read(label, json).map_err(D::Error::custom)
    }
}

impl ResourceContents {
    /// Holds the text of the resource at `uri`.
    #[must_use]
    pub fn text(uri: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Text { meta: None, uri: uri.into(), mime_type: None, text: text.into(), extra: Object::new() }
    }

    /// Holds the bytes, in base64, of the resource at `uri`.
    #[must_use]
    pub fn blob(uri: impl Into<String>, blob: impl Into<String>) -> Self {
        Self::Blob { meta: None, uri: uri.into(), mime_type: None, blob: blob.into(), extra: Object::new() }
    }

    /// Says the media type, or takes it back. What is neither text nor bytes stays as it is.
    #[must_use]
    pub fn with_mime_type(mut self, said: impl Into<Option<String>>) -> Self {
        match &mut self {
            Self::Text { mime_type, .. } | Self::Blob { mime_type, .. } => *mime_type = said.into(),
            Self::Unknown(_) => {}
        }
        self
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

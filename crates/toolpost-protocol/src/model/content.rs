//! The blocks that tools and prompts are made of.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Icon, Object, RawJson, RawNumber, ResourceContents};
use crate::Version;

/// A block of content, decoded by its `type`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContentBlock {
    /// Text.
    Text(TextContent),
    /// An image.
    Image(ImageContent),
    /// A sound.
    Audio(AudioContent),
    /// A pointer to a resource, which need not be in the server's list.
    ResourceLink(ResourceLink),
    /// A resource itself.
    Resource(EmbeddedResource),
    /// A block of a type that no revision names, kept verbatim.
    Unknown(RawJson),
}

impl ContentBlock {
    /// A block of text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(TextContent::new(text))
    }

    /// The text that stands in for the block where `version` has no block of its type, and `None` where it has:
    /// sounds are of 2025-03-26 and later, pointers to resources of 2025-06-18 and later.
    #[must_use]
    pub fn instead(&self, version: Version) -> Option<TextContent> {
        let (annotations, text) = match self {
            Self::Audio(audio) if version < Version::V2025_03_26 => {
                let (mime, size) = (&audio.mime_type, audio.data.len() / 4 * 3);
                (
                    &audio.annotations,
                    format!("[a sound of type {mime} and {size} bytes, which MCP {version} cannot carry]"),
                )
            }
            Self::ResourceLink(link) if version < Version::V2025_06_18 => (&link.annotations, link.to_text()),
            _ => return None,
        };
        Some(TextContent { annotations: annotations.clone(), ..TextContent::new(text) })
    }
}

impl From<TextContent> for ContentBlock {
    fn from(block: TextContent) -> Self {
        Self::Text(block)
    }
}

impl From<ImageContent> for ContentBlock {
    fn from(block: ImageContent) -> Self {
        Self::Image(block)
    }
}

impl From<AudioContent> for ContentBlock {
    fn from(block: AudioContent) -> Self {
        Self::Audio(block)
    }
}

impl From<ResourceLink> for ContentBlock {
    fn from(block: ResourceLink) -> Self {
        Self::ResourceLink(block)
    }
}

impl From<EmbeddedResource> for ContentBlock {
    fn from(block: EmbeddedResource) -> Self {
        Self::Resource(block)
    }
}

impl Serialize for ContentBlock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(block) => block.serialize(serializer),
            Self::Image(block) => block.serialize(serializer),
            Self::Audio(block) => block.serialize(serializer),
            Self::ResourceLink(block) => block.serialize(serializer),
            Self::Resource(block) => block.serialize(serializer),
            Self::Unknown(block) => block.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ContentBlock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = RawJson::deserialize(deserializer)?;
        match &*type_of(&json)? {
            "text" => json.decode().map(Self::Text),
            "image" => json.decode().map(Self::Image),
            "audio" => json.decode().map(Self::Audio),
            "resource_link" => json.decode().map(Self::ResourceLink),
            "resource" => json.decode().map(Self::Resource),
            _ => Ok(Self::Unknown(json)),
        }
        .map_err(D::Error::custom)
    }
}

/// The `type` of a block.
pub(super) fn type_of<E: serde::de::Error>(block: &RawJson) -> Result<String, E> {
    #[derive(Deserialize)]
    struct Probe {
        r#type: String,
    }
    block.decode().map(|Probe { r#type }| r#type).map_err(E::custom)
}

/// Text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextContent {
    /// What the block says about itself.
    pub meta: Option<Object>,
    /// For whom it is, and how much it matters.
    pub annotations: Option<Annotations>,
    /// The text.
    pub text: String,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { TextContent tagged "type" = "text" {
    meta: optional "_meta",
    annotations: optional "annotations",
    text: required "text",
} }

impl TextContent {
    /// Holds a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { meta: None, annotations: None, text: text.into(), extra: Object::new() }
    }
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageContent {
    /// What the block says about itself.
    pub meta: Option<Object>,
    /// For whom it is, and how much it matters.
    pub annotations: Option<Annotations>,
    /// The image's bytes in base64.
    pub data: String,
    /// The image's media type.
    pub mime_type: String,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ImageContent tagged "type" = "image" {
    meta: optional "_meta",
    annotations: optional "annotations",
    data: required "data",
    mime_type: required "mimeType",
} }

impl ImageContent {
    /// Holds an image: its bytes in base64, and its media type.
    #[must_use]
    pub fn new(data: impl Into<String>, mime_type: impl Into<String>) -> Self {
        Self {
            meta: None,
            annotations: None,
            data: data.into(),
            mime_type: mime_type.into(),
            extra: Object::new(),
        }
    }
}

/// A sound.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AudioContent {
    /// What the block says about itself.
    pub meta: Option<Object>,
    /// For whom it is, and how much it matters.
    pub annotations: Option<Annotations>,
    /// The sound's bytes in base64.
    pub data: String,
    /// The sound's media type.
    pub mime_type: String,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { AudioContent tagged "type" = "audio" {
    meta: optional "_meta",
    annotations: optional "annotations",
    data: required "data",
    mime_type: required "mimeType",
} }

impl AudioContent {
    /// Holds a sound: its bytes in base64, and its media type.
    #[must_use]
    pub fn new(data: impl Into<String>, mime_type: impl Into<String>) -> Self {
        Self {
            meta: None,
            annotations: None,
            data: data.into(),
            mime_type: mime_type.into(),
            extra: Object::new(),
        }
    }
}

/// A pointer to a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourceLink {
    /// What the block says about itself.
    pub meta: Option<Object>,
    /// For whom it is, and how much it matters.
    pub annotations: Option<Annotations>,
    /// Where the resource is.
    pub uri: String,
    /// The resource's name for programs.
    pub name: String,
    /// The resource's name for people.
    pub title: Option<String>,
    /// What the resource is, for a language model.
    pub description: Option<String>,
    /// The resource's media type.
    pub mime_type: Option<String>,
    /// The resource's size in bytes, before any encoding.
    pub size: Option<RawNumber>,
    /// Icons, in any number of sizes.
    pub icons: Option<Vec<Icon>>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ResourceLink tagged "type" = "resource_link" {
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

impl ResourceLink {
    /// Points to a resource.
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

    /// What it points to, for people.
    fn to_text(&self) -> String {
        let mut text = format!("{}: {}", self.title.as_ref().unwrap_or(&self.name), self.uri);
        if let Some(mime) = &self.mime_type {
            text += &format!(" ({mime})");
        }
        if let Some(description) = &self.description {
            text += &format!("\n{description}");
        }
        text
    }
}

/// A resource within a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EmbeddedResource {
    /// What the block says about itself.
    pub meta: Option<Object>,
    /// For whom it is, and how much it matters.
    pub annotations: Option<Annotations>,
    /// The resource.
    pub resource: ResourceContents,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { EmbeddedResource tagged "type" = "resource" {
    meta: optional "_meta",
    annotations: optional "annotations",
    resource: required "resource",
} }

impl EmbeddedResource {
    /// Holds a resource.
    #[must_use]
    pub fn new(resource: impl Into<ResourceContents>) -> Self {
        Self { meta: None, annotations: None, resource: resource.into(), extra: Object::new() }
    }
}

/// For whom a thing is, and how much it matters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Annotations {
    /// For whom it is.
    pub audience: Option<Vec<Role>>,
    /// How much it matters, from 0 (optional) to 1 (effectively required).
    pub priority: Option<RawNumber>,
    /// When it last changed, as ISO 8601 says it.
    pub last_modified: Option<String>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { Annotations {
    audience: optional "audience",
    priority: optional "priority",
    last_modified: optional "lastModified",
} }

/// A party to a conversation.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Role {
    /// The person.
    User,
    /// The language model.
    Assistant,
    /// A role that no revision names.
    Other(String),
}

names! { Role { User = "user", Assistant = "assistant" } }

//! The blocks that tools, prompts and messages to a language model are made of.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::wire::inner::Inner;
use super::{Icon, Object, RawJson, RawNumber, Resource, ResourceContents};
use crate::Version;

/// A block of content, decoded by its `type`.
///
/// ```
/// use toolpost_protocol::model::ContentBlock;
///
/// let block: ContentBlock = serde_json::from_str(r#"{"type":"text","text":"hi"}"#)?;
/// let ContentBlock::Text { text, .. } = &block else { panic!("a block of text") };
/// assert_eq!(text, "hi");
/// assert_eq!(block, ContentBlock::text("hi"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContentBlock {
    /// Text.
    Text {
        /// What the block says about itself.
        meta: Option<Object>,
        /// For whom it is, and how much it matters.
        annotations: Option<Annotations>,
        /// The text.
        text: String,
        /// Fields that no revision names.
        extra: Object,
    },
    /// An image.
    Image {
        /// What the block says about itself.
        meta: Option<Object>,
        /// For whom it is, and how much it matters.
        annotations: Option<Annotations>,
        /// The image in base64.
        data: String,
        /// Its media type.
        mime_type: String,
        /// Fields that no revision names.
        extra: Object,
    },
    /// A sound. 2025-03-26 and later.
    Audio {
        /// What the block says about itself.
        meta: Option<Object>,
        /// For whom it is, and how much it matters.
        annotations: Option<Annotations>,
        /// The sound in base64.
        data: String,
        /// Its media type.
        mime_type: String,
        /// Fields that no revision names.
        extra: Object,
    },
    /// A pointer to a resource, which need not be in the server's list. 2025-06-18 and later.
    ResourceLink {
        /// What the resource says about itself.
        meta: Option<Object>,
        /// For whom it is, and how much it matters.
        annotations: Option<Annotations>,
        /// Where the resource is.
        uri: String,
        /// The name for programs.
        name: String,
        /// The name for people.
        title: Option<String>,
        /// What it is, for a language model.
        description: Option<String>,
        /// Its media type.
        mime_type: Option<String>,
        /// Its size in bytes, before any encoding.
        size: Option<RawNumber>,
        /// Icons, in any number of sizes.
        icons: Option<Vec<Icon>>,
        /// Fields that no revision names.
        extra: Object,
    },
    /// A resource itself.
    Resource {
        /// What the block says about itself.
        meta: Option<Object>,
        /// For whom it is, and how much it matters.
        annotations: Option<Annotations>,
        /// The resource.
        resource: ResourceContents,
        /// Fields that no revision names.
        extra: Object,
    },
    /// A language model asks to use a tool. In messages to and from a model alone.
    ToolUse {
        /// What the block says about itself.
        meta: Option<Object>,
        /// The name of this use, for its result.
        id: String,
        /// The tool.
        name: String,
        /// Its arguments.
        input: Object,
        /// Fields that no revision names.
        extra: Object,
    },
    /// The result of a tool that a language model asked for. In messages to and from a model alone.
    ToolResult {
        /// What the block says about itself.
        meta: Option<Object>,
        /// The use that it answers.
        tool_use_id: String,
        /// The result for a language model. A result within a result, which no revision has, is
        /// [`Unknown`](Self::Unknown).
        content: Vec<Self>,
        /// The result for programs: any JSON value, `null` too; before 2026-07-28 an object.
        structured_content: Option<RawJson>,
        /// Whether the tool failed. Absent means that it did not.
        is_error: Option<bool>,
        /// Fields that no revision names.
        extra: Object,
    },
    /// A block of a type that no revision names, kept verbatim.
    Unknown(RawJson),
}

variants! { ContentBlock {
    "text" => Text tagged "type" = "text" {
        meta: optional "_meta",
        annotations: optional "annotations",
        text: required "text",
    }
    "image" => Image tagged "type" = "image" {
        meta: optional "_meta",
        annotations: optional "annotations",
        data: required "data",
        mime_type: required "mimeType",
    }
    "audio" => Audio tagged "type" = "audio" {
        meta: optional "_meta",
        annotations: optional "annotations",
        data: required "data",
        mime_type: required "mimeType",
    }
    "resource_link" => ResourceLink tagged "type" = "resource_link" {
        meta: optional "_meta",
        annotations: optional "annotations",
        uri: required "uri",
        name: required "name",
        title: optional "title",
        description: optional "description",
        mime_type: optional "mimeType",
        size: optional "size",
        icons: optional "icons",
    }
    "resource" => Resource tagged "type" = "resource" {
        meta: optional "_meta",
        annotations: optional "annotations",
        resource: required "resource",
    }
    "tool_use" => ToolUse tagged "type" = "tool_use" {
        meta: optional "_meta",
        id: required "id",
        name: required "name",
        input: required "input",
    }
    "tool_result" => ToolResult tagged "type" = "tool_result" {
        meta: optional "_meta",
        tool_use_id: required "toolUseId",
        content: inner "content",
        structured_content: any "structuredContent",
        is_error: optional "isError",
    }
} }

impl<'de> Deserialize<'de> for ContentBlock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = RawJson::deserialize(deserializer)?;
        Self::read(&type_of(&json)?, json).map_err(D::Error::custom)
    }
}

/// The blocks of the result of a tool.
impl Inner for Vec<ContentBlock> {
    fn read_inner<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let blocks = Vec::<RawJson>::deserialize(deserializer)?.into_iter();
        let read = |block: RawJson| match type_of::<serde_json::Error>(&block)?.as_str() {
            "tool_result" => Ok(ContentBlock::Unknown(block)),
            known => ContentBlock::read(known, block),
        };
        blocks.map(read).collect::<Result<_, _>>().map_err(D::Error::custom)
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

impl ContentBlock {
    /// Holds a text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { meta: None, annotations: None, text: text.into(), extra: Object::new() }
    }

    /// Holds an image, given in base64.
    #[must_use]
    pub fn image(data: impl Into<String>, mime_type: impl Into<String>) -> Self {
        let (data, mime_type) = (data.into(), mime_type.into());
        Self::Image { meta: None, annotations: None, data, mime_type, extra: Object::new() }
    }

    /// Holds a sound, given in base64.
    #[must_use]
    pub fn audio(data: impl Into<String>, mime_type: impl Into<String>) -> Self {
        let (data, mime_type) = (data.into(), mime_type.into());
        Self::Audio { meta: None, annotations: None, data, mime_type, extra: Object::new() }
    }

    /// Points to a resource.
    #[must_use]
    pub fn resource_link(resource: Resource) -> Self {
        let Resource { meta, annotations, uri, name, title, description, mime_type, size, icons, extra } =
            resource;
        Self::ResourceLink { meta, annotations, uri, name, title, description, mime_type, size, icons, extra }
    }

    /// Holds a resource.
    #[must_use]
    pub const fn resource(resource: ResourceContents) -> Self {
        Self::Resource { meta: None, annotations: None, resource, extra: Object::new() }
    }

    /// Asks to use a tool.
    #[must_use]
    pub fn tool_use(id: impl Into<String>, name: impl Into<String>, input: Object) -> Self {
        Self::ToolUse { meta: None, id: id.into(), name: name.into(), input, extra: Object::new() }
    }

    /// Answers the use of a tool with its result for a language model.
    #[must_use]
    pub fn tool_result(tool_use_id: impl Into<String>, content: Vec<Self>) -> Self {
        Self::ToolResult {
            meta: None,
            tool_use_id: tool_use_id.into(),
            content,
            structured_content: None,
            is_error: None,
            extra: Object::new(),
        }
    }

    /// Says for whom the block is, and how much it matters. Uses and results of tools, and blocks of unknown types,
    /// stay as they are.
    #[must_use]
    pub fn with_annotations(mut self, said: Annotations) -> Self {
        match &mut self {
            Self::Text { annotations, .. }
            | Self::Image { annotations, .. }
            | Self::Audio { annotations, .. }
            | Self::ResourceLink { annotations, .. }
            | Self::Resource { annotations, .. } => *annotations = Some(said),
            Self::ToolUse { .. } | Self::ToolResult { .. } | Self::Unknown(_) => {}
        }
        self
    }

    /// The block of text that stands in for this one where `version` has no block of its type, and `None` where it
    /// has: sounds are of 2025-03-26 and later, pointers to resources of 2025-06-18 and later.
    #[must_use]
    pub fn instead(&self, version: Version) -> Option<Self> {
        let (annotations, text) = match self {
            Self::Audio { annotations, data, mime_type, .. } if !version.has_audio() => {
                let size = data.len() / 4 * 3;
                let text = format!(
                    "[a sound of type {mime_type} and {size} bytes, which MCP {version} cannot carry]"
                );
                (annotations, text)
            }
            Self::ResourceLink { annotations, uri, name, title, description, mime_type, .. }
                if !version.has_resource_links() =>
            {
                let mut text = format!("{}: {uri}", title.as_ref().unwrap_or(name));
                if let Some(mime) = mime_type {
                    text += &format!(" ({mime})");
                }
                if let Some(description) = description {
                    text += &format!("\n{description}");
                }
                (annotations, text)
            }
            _ => return None,
        };
        Some(Self::Text { meta: None, annotations: annotations.clone(), text, extra: Object::new() })
    }
}

impl From<&str> for ContentBlock {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for ContentBlock {
    fn from(text: String) -> Self {
        Self::text(text)
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

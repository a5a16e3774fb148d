//! Who a client or a server is, and the icons it shows.

use super::Object;

/// The name, version and appearance of a client or a server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Implementation {
    /// The name for programs.
    pub name: String,
    /// The name for people.
    pub title: Option<String>,
    /// The version, in whatever scheme it uses.
    pub version: String,
    /// What it does, for people.
    pub description: Option<String>,
    /// Where to read more.
    pub website_url: Option<String>,
    /// Icons, in any number of sizes.
    pub icons: Option<Vec<Icon>>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { Implementation {
    name: required "name",
    title: optional "title",
    version: required "version",
    description: optional "description",
    website_url: optional "websiteUrl",
    icons: optional "icons",
} }

impl Implementation {
    /// Names an implementation and its version.
    #[must_use]
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            title: None,
            version: version.into(),
            description: None,
            website_url: None,
            icons: None,
            extra: Object::new(),
        }
    }
}

/// An image that stands for something in a user interface.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Icon {
    /// An `https:` or `data:` URI.
    pub src: String,
    /// The media type, where the one the source gives is missing or too general.
    pub mime_type: Option<String>,
    /// Sizes in pixels such as `48x48`, or `any` for a scalable image.
    pub sizes: Option<Vec<String>>,
    /// The background it was drawn for.
    pub theme: Option<IconTheme>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { Icon {
    src: required "src",
    mime_type: optional "mimeType",
    sizes: optional "sizes",
    theme: optional "theme",
} }

impl Icon {
    /// Points to an image.
    #[must_use]
    pub fn new(src: impl Into<String>) -> Self {
        Self { src: src.into(), mime_type: None, sizes: None, theme: None, extra: Object::new() }
    }
}

/// The background an icon was drawn for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum IconTheme {
    /// A light background.
    Light,
    /// A dark background.
    Dark,
    /// A theme that no revision names.
    Other(String),
}

names! { IconTheme { Light = "light", Dark = "dark" } }

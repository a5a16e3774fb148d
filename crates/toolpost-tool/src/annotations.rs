//! What a client may be shown of a tool beside its name.

/// Hints about a tool's behavior, as MCP defines them. `None` leaves MCP's default.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Annotations {
    /// The tool changes nothing. MCP's default: false.
    pub read_only: Option<bool>,
    /// The tool may destroy something. MCP's default: true.
    pub destructive: Option<bool>,
    /// A second call with the same arguments changes nothing more. MCP's default: false.
    pub idempotent: Option<bool>,
    /// The tool talks to a world beyond its server. MCP's default: true.
    pub open_world: Option<bool>,
}

impl Annotations {
    /// No hints.
    #[must_use]
    pub const fn new() -> Self {
        Self { read_only: None, destructive: None, idempotent: None, open_world: None }
    }

    /// Says whether the tool changes nothing.
    #[must_use]
    pub const fn read_only(mut self, is: bool) -> Self {
        self.read_only = Some(is);
        self
    }

    /// Says whether the tool may destroy something.
    #[must_use]
    pub const fn destructive(mut self, is: bool) -> Self {
        self.destructive = Some(is);
        self
    }

    /// Says whether a second call with the same arguments changes nothing more.
    #[must_use]
    pub const fn idempotent(mut self, is: bool) -> Self {
        self.idempotent = Some(is);
        self
    }

    /// Says whether the tool talks to a world beyond its server.
    #[must_use]
    pub const fn open_world(mut self, is: bool) -> Self {
        self.open_world = Some(is);
        self
    }

    pub(crate) fn is_repeatable(&self) -> bool {
        self.read_only == Some(true) || self.idempotent == Some(true)
    }
}

/// A picture of a tool.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Icon {
    /// An `https:` or `data:` URI.
    pub src: String,
    /// The media type, where `src` does not tell.
    pub mime_type: Option<String>,
    /// Sizes such as `48x48`, or `any`.
    pub sizes: Vec<String>,
}

impl Icon {
    /// An icon at `src`.
    pub fn new(src: impl Into<String>) -> Self {
        Self { src: src.into(), ..Self::default() }
    }
}

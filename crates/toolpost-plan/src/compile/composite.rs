//! What a plan is, by what its steps are.

use toolpost_tool::ToolAnnotations;

/// Annotations that follow from those of steps. Without a step: nothing is changed, and nothing is asked of the world.
#[derive(Clone, Copy, Debug)]
pub(super) struct Composite {
    read_only: bool,
    destructive: bool,
    idempotent: bool,
    open_world: bool,
}

impl Default for Composite {
    fn default() -> Self {
        Self { read_only: true, destructive: false, idempotent: true, open_world: false }
    }
}

impl Composite {
    /// Counts a step's tool in, with what MCP assumes of hints that are absent.
    pub(super) fn add(&mut self, of: &ToolAnnotations) {
        let read_only = of.read_only == Some(true);
        self.read_only &= read_only;
        self.destructive |= !read_only && of.destructive != Some(false);
        self.idempotent &= read_only || of.idempotent == Some(true);
        self.open_world |= of.open_world != Some(false);
    }

    pub(super) fn annotations(self) -> ToolAnnotations {
        let mut annotations = ToolAnnotations::new();
        annotations.read_only = Some(self.read_only);
        annotations.destructive = Some(self.destructive);
        annotations.idempotent = Some(self.idempotent);
        annotations.open_world = Some(self.open_world);
        annotations
    }
}

//! The tools that a plan may use, as whoever runs it may.

use toolpost_json::Node;
use toolpost_tool::ToolSpec;

/// Shows the tools that a plan may name, as its caller may use them. A host implements it over its catalog and the
/// caller's principal.
///
/// ```
/// use toolpost_plan::{PlanTool, PlanTools};
/// use toolpost_tool::ToolSpec;
///
/// /// Everything that there is, for everyone.
/// struct All(Vec<ToolSpec>);
///
/// impl PlanTools for All {
///     fn find(&self, name: &str) -> Option<PlanTool<'_>> {
///         self.0.iter().find(|spec| spec.name() == name).map(PlanTool::new)
///     }
/// }
/// ```
pub trait PlanTools {
    /// Finds the tool of that name, or of that alias; none where there is none, or where the caller may not know of it.
    fn find(&self, name: &str) -> Option<PlanTool<'_>>;

    /// Names that the caller may know, near to one that does not exist; for the hint of a refusal.
    fn near(&self, name: &str) -> Vec<String> {
        let _ = name;
        Vec::new()
    }

    /// Holds whole arguments against the input schema of a tool, with what a host checks them by when it is called.
    /// Without it arguments are held against what this crate knows of JSON Schema: types, constants, ranges, required
    /// and unknown members.
    ///
    /// # Errors
    ///
    /// What does not fit, written for whoever sent it.
    fn check(&self, tool: &ToolSpec, arguments: Node<'_>) -> Result<(), String> {
        let _ = (tool, arguments);
        Ok(())
    }
}

/// Describes a tool to the check of a plan: what it says of itself, and whether the caller may use it.
#[derive(Clone, Debug)]
pub struct PlanTool<'a> {
    pub(crate) spec: &'a ToolSpec,
    pub(crate) denied: Option<String>,
}

impl<'a> PlanTool<'a> {
    /// A tool that the caller may use.
    #[must_use]
    pub const fn new(spec: &'a ToolSpec) -> Self {
        Self { spec, denied: None }
    }

    /// A tool that the caller may know of and not use, and why.
    #[must_use]
    pub fn denied(spec: &'a ToolSpec, reason: impl Into<String>) -> Self {
        Self { spec, denied: Some(reason.into()) }
    }
}

//! The tools that a caller may use in a plan.

use std::sync::Arc;

use toolpost_dispatch::{Catalog, Dispatcher, Target, nearest};
use toolpost_json::Node;
use toolpost_plan::{PlanTool, PlanTools};
use toolpost_tool::{Principal, ToolSpec};

/// The tools of a runtime, as one principal may use them.
pub(super) struct Allowed<'a> {
    runtime: Option<(Dispatcher, Arc<Catalog>)>,
    principal: &'a Principal,
    only_reads: bool,
}

impl<'a> Allowed<'a> {
    pub(super) fn new(dispatcher: Option<Dispatcher>, principal: &'a Principal, only_reads: bool) -> Self {
        let runtime = dispatcher.map(|dispatcher| {
            let catalog = dispatcher.catalog();
            (dispatcher, catalog)
        });
        Self { runtime, principal, only_reads }
    }
}

impl PlanTools for Allowed<'_> {
    fn find(&self, name: &str) -> Option<PlanTool<'_>> {
        let (dispatcher, catalog) = self.runtime.as_ref()?;
        let spec = catalog.find(name)?.spec();
        if !dispatcher.may(self.principal, spec) {
            return None;
        }
        Some(if !dispatcher.allows(self.principal, Target::Tool(spec)) {
            PlanTool::denied(spec, "the caller's token lacks a scope that it needs")
        } else if self.only_reads && spec.annotations().read_only != Some(true) {
            PlanTool::denied(
                spec,
                "workflows here use tools that only read, and it does not say that it does",
            )
        } else {
            PlanTool::new(spec)
        })
    }

    fn near(&self, name: &str) -> Vec<String> {
        let Some((dispatcher, catalog)) = &self.runtime else { return Vec::new() };
        let known = catalog.iter().map(|entry| entry.spec());
        let known = known.filter(|spec| dispatcher.may(self.principal, spec)).map(ToolSpec::name);
        nearest(name, known).into_iter().map(str::to_owned).collect()
    }

    #[cfg(feature = "validate")]
    fn check(&self, tool: &ToolSpec, arguments: Node<'_>) -> Result<(), String> {
        let found = self.runtime.as_ref().and_then(|(_, catalog)| catalog.find(tool.name()));
        found.map_or(Ok(()), |entry| entry.input().check(arguments, "arguments"))
    }

    #[cfg(not(feature = "validate"))]
    fn check(&self, _: &ToolSpec, _: Node<'_>) -> Result<(), String> {
        Ok(())
    }
}

//! What the descriptions of tools are held to, for the clients that read them.

use toolpost_dispatch::Catalog;
use toolpost_tool::{SchemaClient, SchemaFinding, ToolSpec};

/// Whose rules hold, and what is done about what they find.
#[derive(Clone, Debug, Default)]
pub(crate) struct SchemaRules {
    /// Those of [`SchemaClient::USUAL`], unless the host names others.
    pub(crate) clients: Option<Vec<SchemaClient>>,
    /// Rules of which nothing is said.
    pub(crate) allowed: Vec<String>,
    /// Whether what they find is a fault.
    pub(crate) is_denied: bool,
}

impl SchemaRules {
    /// The faults of allowing a rule that there is none of.
    pub(crate) fn unknown(&self) -> Vec<String> {
        let unknown = self.allowed.iter().filter(|rule| !SchemaFinding::is_rule(rule));
        unknown
            .map(|rule| format!("there is no rule `{rule}` for schemas whose findings could be allowed"))
            .collect()
    }

    /// What is found in the description of a tool, if that is a fault.
    pub(crate) fn faults(&self, spec: &ToolSpec) -> Vec<String> {
        if self.is_denied { self.lines(spec) } else { Vec::new() }
    }

    /// What is found in the descriptions of all tools, if that is none. It is not looked for unless somebody reads it.
    pub(crate) fn warnings(&self, catalog: &Catalog) -> Vec<String> {
        if self.is_denied {
            Vec::new()
        } else {
            catalog.iter().flat_map(|entry| self.lines(entry.spec())).collect()
        }
    }

    fn lines(&self, spec: &ToolSpec) -> Vec<String> {
        let clients = self.clients.as_deref().unwrap_or(SchemaClient::USUAL);
        let is_meant = |finding: &SchemaFinding| {
            finding.clients().iter().any(|client| clients.contains(client))
                && !self.allowed.iter().any(|rule| rule == finding.rule())
        };
        let findings = spec.findings().into_iter().filter(is_meant);
        findings.map(|finding| format!("`{}`: {finding}", spec.name())).collect()
    }
}

//! What clients, and the model providers behind them, refuse or misread in a tool's description.

mod mend;
mod positions;
mod rules;
#[cfg(test)]
mod tests;

use std::fmt;

pub(crate) use mend::{mend_arguments, mend_result};

use crate::ToolSpec;

/// A client, or a model provider behind clients, that takes less than JSON Schema allows.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum SchemaClient {
    /// Claude: its API, and the applications that hand tools on to it.
    Claude,
    /// Cursor.
    Cursor,
    /// Gemini: its API, and its command line.
    Gemini,
    /// Genkit, and whoever compiles schemas with AJV in its strict mode.
    Genkit,
    /// OpenAI's API, without strict mode: what most clients ask for.
    OpenAi,
    /// OpenAI's API in strict mode, which wants every member required and every object closed.
    OpenAiStrict,
    /// VS Code with Copilot.
    VsCode,
}

impl SchemaClient {
    /// Those whose rules hold unless a host says otherwise: all but [`OpenAiStrict`](Self::OpenAiStrict), whose rules few
    /// tools can follow and few clients ask for.
    pub const USUAL: &'static [Self] =
        &[Self::Claude, Self::Cursor, Self::Gemini, Self::Genkit, Self::OpenAi, Self::VsCode];
}

impl fmt::Display for SchemaClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Claude => "Claude",
            Self::Cursor => "Cursor",
            Self::Gemini => "Gemini",
            Self::Genkit => "Genkit",
            Self::OpenAi => "OpenAI",
            Self::OpenAiStrict => "OpenAI strict",
            Self::VsCode => "VS Code",
        })
    }
}

/// Something in a tool's description that some client refuses or misreads, and that could not be mended without another
/// meaning; see [`ToolSpec::findings`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SchemaFinding {
    rule: &'static rules::Rule,
    pointer: String,
}

impl SchemaFinding {
    /// The name of the rule: one of those in the table of [`ToolSpec::findings`].
    #[must_use]
    pub fn rule(&self) -> &'static str {
        self.rule.name
    }

    /// Whose rule it is.
    #[must_use]
    pub fn clients(&self) -> &'static [SchemaClient] {
        self.rule.clients
    }

    /// Where it is in the listed tool: a JSON pointer such as `/inputSchema/properties/a`.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        self.rule.hint
    }

    /// Whether there is a rule of this name.
    #[must_use]
    pub fn is_rule(name: &str) -> bool {
        rules::ALL.iter().any(|rule| rule.name == name)
    }
}

impl fmt::Display for SchemaFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clients: Vec<String> = self.clients().iter().map(ToString::to_string).collect();
        let (clients, pointer, rule, hint) = (clients.join(", "), &self.pointer, self.rule(), self.hint());
        write!(f, "`{pointer}` is not for {clients} (rule `{rule}`): {hint}")
    }
}

impl ToolSpec {
    /// What some client refuses or misreads in the description of this tool, in the order of the description. What can be
    /// said in a way that all of them take has been rewritten so when the schema was set.
    ///
    /// ```
    /// use serde_json::json;
    /// use toolpost_tool::{SchemaClient, ToolSpec};
    ///
    /// let spec = ToolSpec::new("turn").unwrap().with_input_schema(json!({
    ///     "type": "object",
    ///     "properties": {
    ///         "rpm": { "type": ["integer", "null"], "format": "uint32" }, // is mended
    ///         "at": { "type": "array", "prefixItems": [{ "type": "number" }, { "type": "number" }] },
    ///     },
    /// }));
    /// assert_eq!(
    ///     spec.input_schema()["properties"]["rpm"],
    ///     json!({ "anyOf": [{ "type": "integer" }, { "type": "null" }] }),
    /// );
    /// let findings = spec.findings();
    /// let found = findings.iter().find(|finding| finding.clients().contains(&SchemaClient::VsCode)).unwrap();
    /// assert_eq!((found.rule(), found.pointer()), ("tuple", "/inputSchema/properties/at"));
    /// ```
    #[doc = include_str!("../docs/schemas_for_clients.md")]
    #[must_use]
    pub fn findings(&self) -> Vec<SchemaFinding> {
        rules::findings(self)
    }
}

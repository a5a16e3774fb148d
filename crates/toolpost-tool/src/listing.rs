//! A tool as it stands in a list of tools.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value};
use toolpost_protocol::Era;
use toolpost_protocol::model::{Icon, TaskSupport, ToolAnnotations};

use crate::ToolSpec;

/// One listed tool.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a, I> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    input_schema: I,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_schema: Option<Cow<'a, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<&'a ToolAnnotations>,
    #[serde(skip_serializing_if = "<[Icon]>::is_empty")]
    icons: &'a [Icon],
    #[serde(skip_serializing_if = "Option::is_none")]
    execution: Option<Execution<'a>>,
    #[serde(rename = "_meta", skip_serializing_if = "Map::is_empty")]
    meta: Map<String, Value>,
}

/// How a tool may be called, as 2025-11-25 says it; later revisions leave it to the server.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Execution<'a> {
    task_support: &'a TaskSupport,
}

impl ToolSpec {
    /// The tool as `tools/list` has it in `era`, for whoever serves a list; every list of the family is written by this.
    /// What the wire has no member for stands in `_meta`, under `dev.toolpost/`.
    ///
    /// It is encoded anew each time: keep the encoding for as long as the catalog lives that the tool is in.
    ///
    /// ```
    /// use serde_json::json;
    /// use toolpost_protocol::Era;
    /// use toolpost_tool::ToolSpec;
    ///
    /// let spec = ToolSpec::new("primes").unwrap().with_category("maths").with_output_schema(json!({ "type": "array" }));
    /// let listed = |era| serde_json::to_value(spec.listed(era)).unwrap();
    /// assert_eq!(listed(Era::Modern)["outputSchema"], json!({ "type": "array" }));
    /// assert_eq!(listed(Era::Legacy)["outputSchema"]["required"], json!(["result"]), "an object, before");
    /// assert_eq!(listed(Era::Legacy)["_meta"], json!({ "dev.toolpost/category": "maths" }));
    /// ```
    #[must_use]
    pub fn listed(&self, era: Era) -> impl Serialize + '_ {
        let support = Some(self.task_support());
        let support = support.filter(|support| era == Era::Legacy && **support != TaskSupport::Forbidden);
        Listed {
            name: self.name(),
            title: self.title(),
            description: self.description(),
            input_schema: self.listed_input_schema(),
            output_schema: self.listed_output_schema(era),
            annotations: Some(self.annotations()).filter(|hints| **hints != ToolAnnotations::new()),
            icons: self.icons(),
            execution: support.map(|task_support| Execution { task_support }),
            meta: meta(self),
        }
    }
}

/// What the wire has no member for, under the family's prefix.
fn meta(spec: &ToolSpec) -> Map<String, Value> {
    let mut meta = spec.meta().and_then(Value::as_object).cloned().unwrap_or_default();
    let own = [
        ("dev.toolpost/category", spec.category()),
        ("dev.toolpost/version", spec.version()),
        ("dev.toolpost/deprecated", spec.deprecated()),
    ];
    for (key, value) in own {
        if let Some(value) = value {
            meta.insert(key.to_owned(), value.into());
        }
    }
    meta
}

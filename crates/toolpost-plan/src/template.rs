//! Plans with parameters.

mod parameter;
mod parse;
mod problems;
mod registry;
mod render;
mod value;

use std::collections::BTreeMap;
use std::fmt;

use semver::{Version, VersionReq};
use serde_json::{Map, Value, json};

pub use registry::TemplateRegistry;

use crate::fault::RefusedPlan;
use parameter::Parameter;
use problems::Problems;
use value::Tree;

/// Holds a plan with parameters: a JSON document with a name and a version.
///
/// ```
/// use serde_json::json;
/// use toolpost_plan::{Template, TemplateRegistry};
///
/// let template = Template::from_json(r#"{
///     "name": "first",
///     "version": "1.0.0",
///     "parameters": {
///         "glob": { "type": "string", "default": "*.md" },
///         "lines": { "type": "integer", "minimum": 1, "maximum": 500, "default": 20 }
///     },
///     "steps": {
///         "files": { "tool": "list_files", "arguments": { "glob": "${glob}" } },
///         "first": { "tool": "read_file", "arguments": {
///             "path": { "$ref": "/steps/files/output/files/0/path" }, "end_line": "${lines}"
///         } }
///     },
///     "output": { "$ref": "/steps/first/output/content" }
/// }"#)?;
/// let mut templates = TemplateRegistry::new();
/// templates.register(template)?;
///
/// let plan = templates.instantiate("first", None, &json!({ "lines": 5 }))?;
/// assert_eq!(plan["steps"]["first"]["arguments"]["end_line"], 5, "a number stays a number");
///
/// let errors = templates.instantiate("first", None, &json!({ "lines": true, "line": 5 })).unwrap_err();
/// assert_eq!(errors.faults().len(), 2, "all at once");
/// # Ok::<_, toolpost_plan::RefusedPlan>(())
/// ```
///
/// # The document
///
/// | member | meaning |
/// |---|---|
/// | `name` | what it is called: 1 to 64 of `A-Z a-z 0-9 _ . / -` |
/// | `version` | its version, as [semver](https://semver.org) writes it |
/// | `description` | what it does, for whoever chooses it |
/// | `parameters` | by name: `type` (string, number, integer, boolean, array or object), `description`, `default`, `required` (true unless there is a default), `enum`, `pattern` (of a string, which it fits whole), `minimum`, `maximum` |
/// | `include` | other templates, each as a step of this name: `template`, `version` (a requirement as `^1.2`; the newest release without one), `arguments` |
/// | all others | the plan's own, with placeholders |
///
/// # Placeholders
///
/// `${name}` in a text stands for a parameter. They are found when the template is read, so that a value is never looked
/// through: one that says `${other}` stays that text. `$${` is the text `${`. What a value becomes depends on where it stands:
///
/// * A text that is one placeholder and nothing else becomes the value itself, whatever its type. Of a parameter that may be
///   left out and is, the member is left out.
/// * Within a text, or as a part of a member's name, a string, number or boolean becomes text.
/// * In an expression (`when`, `$cel`) it becomes a literal, quotes included, so that no value can change what is asked.
/// * Within the pointer of a `$ref` it becomes one part of it, escaped, so that no value can lead elsewhere.
///
/// A value is data: one that says `{"$ref": ..}` is no reference, but a `$literal` in the plan.
///
/// # Includes
///
/// An included template is a step that runs a plan of its own, with its own names: nothing of it collides with anything, and
/// other steps refer to it as to any step, by its output (`/steps/NAME/output`).
#[derive(Clone)]
pub struct Template {
    name: String,
    version: Version,
    description: String,
    parameters: BTreeMap<String, Parameter>,
    includes: BTreeMap<String, Include>,
    body: Tree,
    /// As it was read, but for how it is written.
    source: Value,
}

/// Another template, as a step.
#[derive(Clone)]
struct Include {
    template: String,
    version: Option<VersionReq>,
    arguments: BTreeMap<String, Tree>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it by itself, each with a JSON pointer: what is no JSON or has a member twice, members
    /// that do not exist, names, versions and types that are none, defaults that do not fit, placeholders of parameters that do
    /// not exist. What it includes is looked at when it is [registered](TemplateRegistry::register).
    pub fn from_json(text: impl AsRef<[u8]>) -> Result<Self, RefusedPlan> {
        parse::template(parse::document(text.as_ref())?)
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its version, as semver writes it.
    #[must_use]
    pub fn version(&self) -> String {
        self.version.to_string()
    }

    /// What it does; empty if it does not say.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The JSON Schema of its arguments, for a tool that runs it.
    #[must_use]
    pub fn input_schema(&self) -> Value {
        let properties: Map<String, Value> =
            self.parameters.iter().map(|(name, parameter)| (name.clone(), parameter.schema())).collect();
        let required: Vec<&String> =
            self.parameters.iter().filter(|(_, one)| one.is_required()).map(|(name, _)| name).collect();
        json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    }

    /// The document: what [`from_json`](Self::from_json) reads to the same template.
    #[must_use]
    pub const fn document(&self) -> &Value {
        &self.source
    }

    /// The values of its parameters, by name; without a value for one that is left out.
    fn values(&self, given: &Value, path: &str, problems: &mut Problems) -> BTreeMap<&str, Value> {
        parameter::values(&self.parameters, given, path, problems)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A document may hold what must not be logged.
        f.debug_struct("Template")
            .field("name", &self.name)
            .field("version", &self.version.to_string())
            .field("parameters", &self.parameters.keys())
            .finish_non_exhaustive()
    }
}

//! What a tool says about itself.

mod declared;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::schema::{Declared, Ordered};
use crate::tool_name::valid;
use crate::{InvalidToolName, Policy};
use toolpost_protocol::Era;
use toolpost_protocol::model::{Icon, TaskSupport, ToolAnnotations};

/// Describes a tool: its name, its schemas, what a client may show, and the policy it declares.
///
/// ```
/// use std::time::Duration;
/// use toolpost_tool::{CachePolicy, ToolSpec};
///
/// let spec = ToolSpec::new("search").unwrap()
///     .with_description("Searches the index.")
///     .read_only()
///     .with_time_limit(Duration::from_secs(10))
///     .with_cache(CachePolicy::new(Duration::from_secs(60)));
/// assert!(spec.policy().repeatable, "reading twice does no harm");
///
/// let error = ToolSpec::new("no spaces").unwrap_err();
/// assert_eq!(error.to_string(), "tool name `no spaces` has ` ` at byte 2; use 1 to 64 of A-Z a-z 0-9 _ . / -");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ToolSpec {
    name: String,
    aliases: Vec<String>,
    title: Option<String>,
    description: String,
    category: Option<String>,
    version: Option<String>,
    deprecated: Option<String>,
    annotations: ToolAnnotations,
    icons: Vec<Icon>,
    input_schema: Declared,
    output_schema: Option<Declared>,
    meta: Option<Arc<Value>>,
    task_support: TaskSupport,
    policy: Policy,
    warnings: Vec<String>,
}

impl ToolSpec {
    /// A tool called `name` that takes any object.
    ///
    /// # Errors
    ///
    /// If `name` is not 1 to 64 characters out of `A-Z a-z 0-9 _ . / -`.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidToolName> {
        Ok(Self {
            name: valid(name.into())?,
            aliases: Vec::new(),
            title: None,
            description: String::new(),
            category: None,
            version: None,
            deprecated: None,
            annotations: ToolAnnotations::default(),
            icons: Vec::new(),
            input_schema: Declared::derived(serde_json::json!({ "type": "object", "properties": {} })),
            output_schema: None,
            meta: None,
            task_support: TaskSupport::Forbidden,
            policy: Policy::default(),
            warnings: Vec::new(),
        })
    }

    /// The name clients call the tool by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Other names that reach the same tool. They are not listed.
    #[must_use]
    pub fn aliases(&self) -> &[String] {
        &self.aliases
    }

    /// The name for people.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// What the tool does, for the model that chooses it.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The group the tool is listed under.
    #[must_use]
    pub fn category(&self) -> Option<&str> {
        self.category.as_deref()
    }

    /// The version of the tool's behavior; a change makes cached results dead.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Why the tool should no longer be used, if so.
    #[must_use]
    pub fn deprecated(&self) -> Option<&str> {
        self.deprecated.as_deref()
    }

    /// Hints about the tool's behavior.
    #[must_use]
    pub const fn annotations(&self) -> &ToolAnnotations {
        &self.annotations
    }

    /// Pictures of the tool.
    #[must_use]
    pub fn icons(&self) -> &[Icon] {
        &self.icons
    }

    /// The JSON Schema of the arguments: an object with `"type": "object"` at its root.
    #[must_use]
    pub fn input_schema(&self) -> &Value {
        &self.input_schema.schema
    }

    /// The JSON Schema of the structured result, if the tool promises one.
    #[must_use]
    pub fn output_schema(&self) -> Option<&Value> {
        self.shared_output_schema().map(|schema| &**schema)
    }

    /// [`input_schema`](Self::input_schema) as it is listed: with its properties in the order in which the type of the
    /// arguments declares them, whatever order the JSON library keeps.
    #[must_use]
    pub fn listed_input_schema(&self) -> impl Serialize + fmt::Debug {
        let Declared { schema, order, text, .. } = &self.input_schema;
        Ordered { schema, order, text: text.as_deref() }
    }

    /// [`input_schema`](Self::input_schema), for whoever holds it on without a copy.
    #[must_use]
    pub const fn shared_input_schema(&self) -> &Arc<Value> {
        &self.input_schema.schema
    }

    /// [`output_schema`](Self::output_schema), for whoever holds it on without a copy.
    #[must_use]
    pub fn shared_output_schema(&self) -> Option<&Arc<Value>> {
        self.output_schema.as_ref().map(|declared| &declared.schema)
    }

    /// The output schema as it is listed in `era`. Before 2026-07-28 there is none but that of an object: any other is
    /// wrapped as the results are, in the member `result` of an object.
    ///
    /// ```
    /// use serde_json::json;
    /// use toolpost_tool::{Era, ToolSpec};
    ///
    /// let spec = ToolSpec::new("primes").unwrap().with_output_schema(json!({ "type": "array" }));
    /// assert_eq!(*spec.listed_output_schema(Era::Modern).unwrap(), json!({ "type": "array" }));
    /// assert_eq!(
    ///     *spec.listed_output_schema(Era::Legacy).unwrap(),
    ///     json!({ "type": "object", "properties": { "result": { "type": "array" } }, "required": ["result"] }),
    /// );
    /// ```
    #[must_use]
    pub fn listed_output_schema(&self, era: Era) -> Option<Cow<'_, Value>> {
        let schema = self.output_schema()?;
        Some(match era {
            Era::Legacy if self.wraps_output() => Cow::Owned(crate::schema::wrapped(schema)),
            Era::Legacy | Era::Modern => Cow::Borrowed(schema),
        })
    }

    /// Whether there is an output schema, and it is not that of an object.
    #[must_use]
    pub fn wraps_output(&self) -> bool {
        self.output_schema()
            .is_some_and(|schema| schema.get("type").and_then(Value::as_str) != Some("object"))
    }

    /// Whether the input schema was derived from a type: it can be trusted to be one before it is compiled, and its
    /// optional members, which it lists without `null`, take it.
    #[must_use]
    pub const fn derives_input_schema(&self) -> bool {
        self.input_schema.is_derived
    }

    /// Whether the output schema was derived from a type.
    #[must_use]
    pub fn derives_output_schema(&self) -> bool {
        self.output_schema.as_ref().is_some_and(|declared| declared.is_derived)
    }

    /// Foreign members of the listed tool's `_meta`: an object.
    #[must_use]
    pub fn meta(&self) -> Option<&Value> {
        self.meta.as_deref()
    }

    /// Whether a call of the tool may, or must, outlive its request as a task.
    #[must_use]
    pub const fn task_support(&self) -> &TaskSupport {
        &self.task_support
    }

    /// The policy the tool declares.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The policy, to be changed: what a host overrides.
    pub const fn policy_mut(&mut self) -> &mut Policy {
        &mut self.policy
    }

    /// What a layer around the tool found to have no effect, each with its cure. A runtime shows it among its own
    /// warnings.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Adds a [warning](Self::warnings); for whoever makes a layer whose effect depends on what the tool declares.
    #[must_use]
    pub fn with_warning(mut self, warning: impl Into<String>) -> Self {
        self.warnings.push(warning.into());
        self
    }

    /// Adds another name that reaches the tool.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), for the alias.
    pub fn with_alias(mut self, alias: impl Into<String>) -> Result<Self, InvalidToolName> {
        self.aliases.push(valid(alias.into())?);
        Ok(self)
    }

    /// Puts `prefix` before the name and every alias.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), for each name with its prefix.
    pub fn prefixed(mut self, prefix: &str) -> Result<Self, InvalidToolName> {
        for name in std::iter::once(&mut self.name).chain(&mut self.aliases) {
            *name = valid(format!("{prefix}{name}"))?;
        }
        Ok(self)
    }

    /// Sets the name for people.
    #[must_use]
    pub fn with_title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets what the tool does.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Sets the group the tool is listed under.
    #[must_use]
    pub fn with_category(mut self, category: impl Into<String>) -> Self {
        self.category = Some(category.into());
        self
    }

    /// Sets the version of the tool's behavior.
    #[must_use]
    pub fn with_version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Marks the tool as no longer to be used, and says what to use in its place.
    #[must_use]
    pub fn with_deprecation(mut self, message: impl Into<String>) -> Self {
        self.deprecated = Some(message.into());
        self
    }

    /// Sets the hints about the tool's behavior.
    #[must_use]
    pub fn with_annotations(mut self, annotations: ToolAnnotations) -> Self {
        self.policy.repeatable |= annotations.read_only == Some(true) || annotations.idempotent == Some(true);
        self.annotations = annotations;
        self
    }

    /// Adds a picture.
    #[must_use]
    pub fn with_icon(mut self, icon: Icon) -> Self {
        self.icons.push(icon);
        self
    }

    /// Takes the input schema, and a description left empty, from the type of the arguments.
    ///
    /// The schema is what the type reads. A struct is closed: a member that it does not have is refused, so that a
    /// misspelt one is noticed, in structs within it as well. It is open if its type is: if it flattens a map into
    /// itself, or has a schema with `additionalProperties`. A struct that is flattened into another, or into a tagged form of an
    /// enum, is left open wherever it stands.
    /// (A `serde(alias)` is not in the schema, and so refused.) An optional member is listed without `null`, and takes
    /// it.
    ///
    /// ```
    /// use toolpost_tool::ToolSpec;
    ///
    /// /// Searches the
    /// /// index.
    /// #[derive(schemars::JsonSchema)]
    /// struct Search {
    ///     limit: Option<u32>,
    /// }
    ///
    /// let spec = ToolSpec::new("search").unwrap().taking::<Search>();
    /// assert_eq!(spec.description(), "Searches the index.");
    /// assert_eq!(spec.input_schema()["properties"]["limit"], serde_json::json!({ "type": "integer", "minimum": 0 }));
    /// assert_eq!(spec.input_schema()["additionalProperties"], false);
    /// ```
    #[must_use]
    pub fn taking<A: JsonSchema>(mut self) -> Self {
        self.take(crate::schema::of_arguments::<A>());
        self
    }

    /// Never inlined, to be there once and not for each tool.
    #[inline(never)]
    fn take(&mut self, (schema, description): (Value, String)) {
        if self.description.is_empty() {
            self.description = description;
        }
        self.input_schema = Declared::derived(schema);
    }

    /// Lists the arguments in this order, and those that it does not name behind them.
    pub(crate) const fn in_order(mut self, order: &'static [&'static str]) -> Self {
        self.input_schema.order = order;
        self
    }

    /// Sets the JSON Schema of the arguments, in the form that all clients take: what some of them refuse is rewritten where that
    /// changes for no value whether it is valid. What cannot be rewritten are [findings](Self::findings).
    #[must_use]
    pub fn with_input_schema(mut self, schema: impl Into<Value>) -> Self {
        let mut schema = schema.into();
        crate::lint::mend_arguments(&mut schema);
        self.input_schema = Declared { schema: Arc::new(schema), is_derived: false, order: &[], text: None };
        self
    }

    /// Sets the JSON Schema of the arguments, as [`with_input_schema`](Self::with_input_schema) does, and lists it as it is written
    /// here, its properties in their order, unless something had to be rewritten: for what another server wrote.
    ///
    /// ```
    /// use toolpost_tool::ToolSpec;
    ///
    /// let schema = r#"{"type":"object","properties":{"to":{"type":"string"},"from":{"type":"string"}}}"#;
    /// let spec = ToolSpec::new("copy").unwrap().with_input_schema_text(schema)?;
    /// assert_eq!(serde_json::to_string(&spec.listed_input_schema())?, schema);
    /// assert_eq!(spec.input_schema()["properties"]["to"]["type"], "string");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the text is no JSON.
    pub fn with_input_schema_text(self, text: &str) -> Result<Self, serde_json::Error> {
        let written: Value = serde_json::from_str(text)?;
        let mut spec = self.with_input_schema(written.clone());
        if *spec.input_schema() == written {
            spec.input_schema.text = Some(Arc::from(RawValue::from_string(text.to_owned())?));
        }
        Ok(spec)
    }

    /// Sets the JSON Schema of the structured result, without formats that say nothing (`uint32`).
    #[must_use]
    pub fn with_output_schema(mut self, schema: impl Into<Value>) -> Self {
        let mut schema = schema.into();
        crate::lint::mend_result(&mut schema);
        self.output_schema =
            Some(Declared { schema: Arc::new(schema), is_derived: false, order: &[], text: None });
        self
    }

    /// Sets the output schema to what was derived from a type.
    #[inline(never)]
    pub(crate) fn deriving_output(mut self, schema: Value) -> Self {
        self.output_schema = Some(Declared::derived(schema));
        self
    }

    /// Sets foreign members of the listed tool's `_meta`; keys carry their owner's prefix.
    #[must_use]
    pub fn with_meta(mut self, meta: impl Into<Value>) -> Self {
        self.meta = Some(Arc::new(meta.into()));
        self
    }

    /// Says that the tool only reads: it may be repeated, and with a cache policy, cached.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.annotations.read_only = Some(true);
        self.policy.repeatable = true;
        self
    }

    /// Says that a second execution with the same arguments does no harm.
    #[must_use]
    pub fn repeatable(mut self) -> Self {
        self.annotations.idempotent = Some(true);
        self.policy.repeatable = true;
        self
    }

    /// Declares that a call of the tool may outlive its request as a task, or must: a server with a store of tasks then
    /// answers with the task's id where the client takes one, and the client comes back for the result. Declare a
    /// [time limit](Self::with_time_limit) too: that of a runtime is made for requests that somebody waits for.
    #[must_use]
    pub fn with_task_support(mut self, support: TaskSupport) -> Self {
        self.task_support = support;
        self
    }
}

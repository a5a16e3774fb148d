//! What a server lets a language model do.

use std::collections::BTreeMap;

use super::{ContentBlock, Icon, Meta, Object, RawJson, RequestMeta, ResultType, TaskMetadata};

/// A tool as `tools/list` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tool {
    /// What the tool says about itself.
    pub meta: Option<Object>,
    /// The name for programs, 1 to 128 of `A-Z a-z 0-9 _ . -`.
    pub name: String,
    /// The name for people.
    pub title: Option<String>,
    /// What it does, for a language model.
    pub description: Option<String>,
    /// The JSON Schema of its arguments, an object with `"type": "object"`.
    pub input_schema: RawJson,
    /// The JSON Schema of its structured result; before 2026-07-28 that of an object.
    pub output_schema: Option<RawJson>,
    /// Hints about what it does.
    pub annotations: Option<ToolAnnotations>,
    /// How it can be run. 2025-11-25 only.
    pub execution: Option<ToolExecution>,
    /// Icons, in any number of sizes.
    pub icons: Option<Vec<Icon>>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { Tool {
    meta: optional "_meta",
    name: required "name",
    title: optional "title",
    description: optional "description",
    input_schema: required "inputSchema",
    output_schema: any "outputSchema",
    annotations: optional "annotations",
    execution: optional "execution",
    icons: optional "icons",
} }

impl Tool {
    /// Names a tool and the JSON Schema of its arguments.
    #[must_use]
    pub fn new(name: impl Into<String>, input_schema: impl Into<RawJson>) -> Self {
        Self {
            meta: None,
            name: name.into(),
            title: None,
            description: None,
            input_schema: input_schema.into(),
            output_schema: None,
            annotations: None,
            execution: None,
            icons: None,
            extra: Object::new(),
        }
    }

    /// Promises that structured results follow this JSON Schema.
    #[must_use]
    pub fn with_output_schema(mut self, schema: impl Into<RawJson>) -> Self {
        self.output_schema = Some(schema.into());
        self
    }

    /// Hints at what it does.
    #[must_use]
    pub fn with_annotations(mut self, annotations: ToolAnnotations) -> Self {
        self.annotations = Some(annotations);
        self
    }
}

/// Hints about what a tool does; a client must not rely on those of a server it does not trust.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolAnnotations {
    /// The name for people; a tool's own title goes first.
    pub title: Option<String>,
    /// It changes nothing. Absent means false.
    pub read_only: Option<bool>,
    /// It may destroy something, where it changes anything. Absent means true.
    pub destructive: Option<bool>,
    /// Calling it again with the same arguments changes nothing more. Absent means false.
    pub idempotent: Option<bool>,
    /// It deals with an open world, such as the web. Absent means true.
    pub open_world: Option<bool>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ToolAnnotations {
    title: optional "title",
    read_only: optional "readOnlyHint",
    destructive: optional "destructiveHint",
    idempotent: optional "idempotentHint",
    open_world: optional "openWorldHint",
} }

impl ToolAnnotations {
    /// No hints: a client assumes MCP's defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            title: None,
            read_only: None,
            destructive: None,
            idempotent: None,
            open_world: None,
            extra: Object::new(),
        }
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

    /// Says whether the tool deals with an open world, such as the web.
    #[must_use]
    pub const fn open_world(mut self, is: bool) -> Self {
        self.open_world = Some(is);
        self
    }
}

/// How a tool can be run. 2025-11-25 only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolExecution {
    /// Whether a call can become a task. Absent means forbidden.
    pub task_support: Option<TaskSupport>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ToolExecution { task_support: optional "taskSupport" } }

/// Whether a call can become a task. 2025-11-25 only.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum TaskSupport {
    /// It must not.
    Forbidden,
    /// It may.
    Optional,
    /// It must.
    Required,
    /// A word that no revision names.
    Other(String),
}

names! { TaskSupport { Forbidden = "forbidden", Optional = "optional", Required = "required" } }

/// The params of `tools/call`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallToolRequestParams {
    /// Required in 2026-07-28.
    pub meta: Option<Box<RequestMeta>>,
    /// The tool.
    pub name: String,
    /// Its arguments.
    pub arguments: Option<Object>,
    /// Answers to what the server asked, by the names that it chose. 2026-07-28 only.
    pub input_responses: Option<BTreeMap<String, RawJson>>,
    /// What the server wanted back with the answers, opaque. 2026-07-28 only.
    pub request_state: Option<String>,
    /// Asks for a task instead of a result. 2025-11-25 only.
    pub task: Option<TaskMetadata>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { CallToolRequestParams {
    meta: optional "_meta",
    name: required "name",
    arguments: optional "arguments",
    input_responses: optional "inputResponses",
    request_state: optional "requestState",
    task: optional "task",
} }

impl CallToolRequestParams {
    /// Calls a tool, without arguments so far.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            meta: None,
            name: name.into(),
            arguments: None,
            input_responses: None,
            request_state: None,
            task: None,
            extra: Object::new(),
        }
    }
}

/// The result of `tools/call`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallToolResult {
    /// What the result says about itself.
    pub meta: Option<Meta>,
    /// Required in 2026-07-28, absent before.
    pub result_type: Option<ResultType>,
    /// The result for a language model.
    pub content: Vec<ContentBlock>,
    /// The result for programs: any JSON value, `null` too; before 2026-07-28 an object.
    pub structured_content: Option<RawJson>,
    /// Whether the tool failed. Absent means that it did not.
    pub is_error: Option<bool>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { CallToolResult {
    meta: optional "_meta",
    result_type: optional "resultType",
    content: required "content",
    structured_content: any "structuredContent",
    is_error: optional "isError",
} }

impl CallToolResult {
    /// Holds the result of a tool that did what it should.
    #[must_use]
    pub fn new(content: Vec<ContentBlock>) -> Self {
        Self { content, ..Self::default() }
    }

    /// Says in words that a language model can act on why the tool failed.
    #[must_use]
    pub fn failure(text: impl Into<String>) -> Self {
        Self { content: vec![ContentBlock::text(text)], is_error: Some(true), ..Self::default() }
    }

    /// Adds the result for programs.
    #[must_use]
    pub fn with_structured_content(mut self, value: impl Into<RawJson>) -> Self {
        self.structured_content = Some(value.into());
        self
    }

    /// Adds what 2026-07-28 requires: the result is complete.
    #[must_use]
    pub fn complete(mut self) -> Self {
        self.result_type = Some(ResultType::Complete);
        self
    }
}

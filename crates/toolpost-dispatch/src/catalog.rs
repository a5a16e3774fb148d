//! One immutable set of tools.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use toolpost_json::{Frame, Limits, Node};
use toolpost_protocol::HeaderParam;
use toolpost_tool::{AnyTool, ErrorKind, Output, Tool, ToolError, ToolSpec};

use crate::schema::{InvalidSchema, Reading, Unfit};
use crate::validate::{Compiler, Schema};

/// An immutable set of tools, in the order of their names.
///
/// ```
/// use toolpost_dispatch::Catalog;
/// use toolpost_tool::{AnyTool, NoArgs, tool_fn};
///
/// let tool = |name| AnyTool::new(tool_fn(name, |_: NoArgs, _| async { Ok("done") }));
/// let catalog = Catalog::new([tool("turn"), tool("mill")]).unwrap();
/// assert!(catalog.find("mill").is_some());
/// let error = Catalog::new([tool("turn"), tool("turn")]).unwrap_err();
/// assert_eq!(error.to_string(), "two tools are called `turn`");
/// ```
pub struct Catalog {
    /// Sorted by name.
    entries: Vec<Arc<Entry>>,
    /// From each name and alias to the place in `entries`.
    index: HashMap<Box<str>, usize>,
    generation: u64,
    /// Whether any tool has arguments that clients repeat in headers.
    mirrors: bool,
}

/// One registered tool, with its schemas.
pub struct Entry {
    tool: AnyTool,
    input: Schema,
    output: Option<Schema>,
    /// Whether results are wrapped in an object for revisions that take nothing else.
    wraps: bool,
    mirrored: Vec<HeaderParam>,
}

impl Catalog {
    /// Checks `tools` together.
    ///
    /// Schemas that were written by hand are compiled here. Those that were derived from a type (see
    /// [`ToolSpec::derives_input_schema`]) are compiled by the first call that needs them, so that a server begins to
    /// serve at once; [`compile`](Self::compile) does it now.
    ///
    /// # Errors
    ///
    /// If a name or alias is taken, or a schema is not one. Every fault is reported, not just the first.
    pub fn new(tools: impl IntoIterator<Item = AnyTool>) -> Result<Self, RegistrationError> {
        Self::collect(tools, |_| None)
    }

    /// Checks `tools` together, as [`new`](Self::new) does. What is compiled in this catalog of tools that are
    /// [the same](AnyTool::ptr_eq) is not compiled again.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn following(&self, tools: impl IntoIterator<Item = AnyTool>) -> Result<Self, RegistrationError> {
        Self::collect(tools, |tool| self.find(tool.spec().name()).filter(|entry| entry.tool.ptr_eq(tool)))
    }

    fn collect<'a>(
        tools: impl IntoIterator<Item = AnyTool>,
        former: impl Fn(&AnyTool) -> Option<&'a Arc<Entry>>,
    ) -> Result<Self, RegistrationError> {
        let mut faults = Vec::new();
        let mut entries: Vec<Arc<Entry>> = Vec::new();
        let mut compiler = Compiler::default();
        for tool in tools {
            match former(&tool) {
                Some(entry) => entries.push(Arc::clone(entry)),
                None => match Entry::new(tool, &mut compiler) {
                    Ok(entry) => entries.push(Arc::new(entry)),
                    Err(fault) => faults.push(fault),
                },
            }
        }
        entries.sort_by(|a, b| a.spec().name().cmp(b.spec().name()));
        let mut index: HashMap<Box<str>, usize> = HashMap::new();
        for (at, entry) in entries.iter().enumerate() {
            let spec = entry.spec();
            for name in std::iter::once(spec.name()).chain(spec.aliases().iter().map(String::as_str)) {
                if let Some(first) = index.insert(name.into(), at) {
                    let (owner, other) = (entries[first].spec().name(), spec.name());
                    faults.push(Fault::Taken { name: name.into(), owner: owner.into(), other: other.into() });
                }
            }
        }
        if faults.is_empty() {
            let mirrors = entries.iter().any(|entry| !entry.mirrored.is_empty());
            Ok(Self { entries, index, generation: 0, mirrors })
        } else {
            faults.sort();
            Err(RegistrationError { faults })
        }
    }

    /// Compiles the schemas that are not compiled yet: for a server that would rather start late than answer its first
    /// calls late, and for a test that all of them can be compiled.
    ///
    /// # Errors
    ///
    /// If a schema cannot be compiled. Every fault is reported, not just the first.
    pub fn compile(&self) -> Result<(), RegistrationError> {
        let faults: Vec<Fault> = self.entries.iter().flat_map(|entry| entry.compile()).collect();
        if faults.is_empty() { Ok(()) } else { Err(RegistrationError { faults }) }
    }

    /// What may become of the tools' schemas under values that are nested deeply, one line each: to be shown when a
    /// server starts. Nothing is compiled for it.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.entries.iter().flat_map(|entry| entry.warnings()).collect()
    }

    /// Finds a tool by its name or an alias.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<Entry>> {
        self.index.get(name).map(|&at| &self.entries[at])
    }

    /// The tools in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.iter()
    }

    /// How many tools there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Grows by one each time the registry's tools are replaced.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether any tool has [mirrored](Entry::header_params) arguments.
    #[must_use]
    pub const fn has_header_params(&self) -> bool {
        self.mirrors
    }

    pub(crate) const fn at(mut self, generation: u64) -> Self {
        self.generation = generation;
        self
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog").field("generation", &self.generation).field("tools", &self.entries).finish()
    }
}

impl Entry {
    fn new(tool: AnyTool, compiler: &mut Compiler) -> Result<Self, Fault> {
        let spec = tool.spec();
        let fault = |which: &'static str| {
            let tool = spec.name().to_owned();
            move |error: InvalidSchema| Fault::Schema { tool, which, error }
        };
        if spec.input_schema().get("type").and_then(serde_json::Value::as_str) != Some("object") {
            let error = InvalidSchema::not_an_object();
            return Err(fault("input")(error));
        }
        let reading = |is_derived: bool, derived| if is_derived { derived } else { Reading::AsItIs };
        let input = compiler
            .compile(spec.shared_input_schema(), reading(spec.derives_input_schema(), Reading::Arguments));
        let output = spec
            .shared_output_schema()
            .map(|schema| compiler.compile(schema, reading(spec.derives_output_schema(), Reading::Result)))
            .transpose()
            .map_err(fault("output"))?;
        let input = input.map_err(fault("input"))?;
        let mirrored = HeaderParam::collect(spec.input_schema())
            .map_err(|why| Fault::Header { tool: spec.name().to_owned(), why })?;
        let wraps = spec.wraps_output();
        Ok(Self { tool, input, output, wraps, mirrored })
    }

    /// What the tool says about itself.
    #[must_use]
    pub fn spec(&self) -> &ToolSpec {
        self.tool.spec()
    }

    /// The tool.
    #[must_use]
    pub const fn tool(&self) -> &AnyTool {
        &self.tool
    }

    /// The schema of the arguments.
    #[cfg(feature = "validate")]
    #[must_use]
    pub const fn input(&self) -> &Schema {
        &self.input
    }

    /// The schema of the structured result, if the tool promises one.
    #[cfg(feature = "validate")]
    #[must_use]
    pub const fn output(&self) -> Option<&Schema> {
        self.output.as_ref()
    }

    /// The result, if it is what the tool's output schema promises; a result of that very type is only read in a debug
    /// build, where a type that is written otherwise than its schema says is noticed at once.
    pub(crate) fn kept_promise(
        &self,
        output: Output,
        deadline: Option<Instant>,
    ) -> Result<Output, ToolError> {
        let Some(schema) = &self.output else { return Ok(output) };
        let output = if self.wraps { output.wrapped() } else { output };
        if output.is_error() || (output.is_typed() && !cfg!(debug_assertions)) {
            return Ok(output);
        }
        let broken = |why: &str| {
            let name = self.spec().name();
            ToolError::new(format!("the result of `{name}` is not what its output schema promises: {why}"))
        };
        let Some(structured) = output.structured_text() else {
            return Err(broken("there is no structured content"));
        };
        let frame = Frame::from_text(structured.clone(), &Limits::new())
            .map_err(|violation| broken(&violation.to_string()))?;
        match schema.check_until(frame.root(), "structuredContent", deadline) {
            Ok(()) => Ok(output),
            Err(Unfit::Told(why)) => Err(broken(&why)),
            Err(Unfit::Overdue) => Err(overdue()),
        }
    }

    /// Checks the arguments until `deadline`.
    pub(crate) fn check(&self, arguments: Node<'_>, deadline: Option<Instant>) -> Result<(), ToolError> {
        self.input.check_until(arguments, "arguments", deadline).map_err(|unfit| match unfit {
            Unfit::Told(why) => ToolError::invalid_arguments(why),
            Unfit::Overdue => overdue(),
        })
    }

    fn schemas(&self) -> impl Iterator<Item = (&'static str, &Schema)> {
        std::iter::once(("input", &self.input)).chain(self.output.as_ref().map(|output| ("output", output)))
    }

    fn compile(&self) -> impl Iterator<Item = Fault> {
        self.schemas().filter_map(|(which, schema)| {
            let error = schema.compiled().err()?.clone();
            Some(Fault::Schema { tool: self.spec().name().to_owned(), which, error })
        })
    }

    fn warnings(&self) -> impl Iterator<Item = String> {
        let tool = self.spec().name();
        let of = move |(which, schema): (&str, &Schema)| {
            let lines = schema.warnings().into_iter();
            lines.map(|line| format!("the {which} schema of tool `{tool}` {line}")).collect::<Vec<_>>()
        };
        self.schemas().flat_map(of)
    }

    /// The arguments that clients repeat in HTTP headers (`x-mcp-header` in the schema).
    #[must_use]
    pub fn header_params(&self) -> &[HeaderParam] {
        &self.mirrored
    }
}

fn overdue() -> ToolError {
    ToolError::with_kind(ErrorKind::TimedOut, "the call's deadline has passed")
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&self.spec().name()).finish()
    }
}

/// Why a set of tools, or a schema alone, was refused: every fault, in a stable order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RegistrationError {
    faults: Vec<Fault>,
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Fault {
    Taken {
        name: String,
        owner: String,
        other: String,
    },
    Header {
        tool: String,
        why: String,
    },
    Schema {
        tool: String,
        which: &'static str,
        error: InvalidSchema,
    },
    /// A schema of no tool.
    #[cfg_attr(not(feature = "validate"), expect(dead_code, reason = "nobody compiles one"))]
    BareSchema(InvalidSchema),
}

impl RegistrationError {
    #[cfg(feature = "validate")]
    pub(crate) fn of_schema(error: InvalidSchema) -> Self {
        Self { faults: vec![Fault::BareSchema(error)] }
    }

    /// One line per fault.
    pub fn faults(&self) -> impl Iterator<Item = String> {
        self.faults.iter().map(ToString::to_string)
    }
}

impl fmt::Display for RegistrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, fault) in self.faults.iter().enumerate() {
            if 0 < n {
                f.write_str("; ")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for RegistrationError {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken { name, owner, other } if owner == other && name == owner => {
                write!(f, "two tools are called `{name}`")
            }
            Self::Taken { name, owner, other } => {
                write!(f, "the name `{name}` of tool `{other}` is taken by tool `{owner}`")
            }
            Self::Header { tool, why } => write!(f, "the input schema of tool `{tool}` {why}"),
            Self::Schema { tool, which, error } => write!(f, "the {which} schema of tool `{tool}` {error}"),
            Self::BareSchema(error) => write!(f, "the schema {error}"),
        }
    }
}

//! One immutable set of tools.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use toolpost_protocol::{Frame, Limits};
use toolpost_tool::{AnyTool, Output, Tool, ToolError, ToolSpec};

use crate::mirrored::{self, Mirrored};
use crate::validate::{Compiler, InvalidSchema, Schema};

/// An immutable set of tools, in the order of their names.
pub struct Catalog {
    /// Sorted by name.
    entries: Vec<Arc<Entry>>,
    /// From each name and alias to the place in `entries`.
    index: HashMap<Box<str>, usize>,
    generation: u64,
    /// Whether any tool has arguments that clients repeat in headers.
    mirrors: bool,
}

/// One registered tool, with its schemas compiled.
pub struct Entry {
    tool: AnyTool,
    input: Schema,
    output: Option<Schema>,
    mirrored: Vec<Mirrored>,
}

impl Catalog {
    /// Checks `tools` together and compiles their schemas.
    ///
    /// # Errors
    ///
    /// If a name or alias is taken, or a schema is not one. Every fault is reported, not just the first.
    pub fn new(tools: impl IntoIterator<Item = AnyTool>) -> Result<Self, RegistrationError> {
        let mut faults = Vec::new();
        let mut entries: Vec<Arc<Entry>> = Vec::new();
        let mut compiler = Compiler::default();
        for tool in tools {
            match Entry::new(tool, &mut compiler) {
                Ok(entry) => entries.push(Arc::new(entry)),
                Err(fault) => faults.push(fault),
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

    /// Whether any tool has [mirrored](Entry::mirrored) arguments.
    #[must_use]
    pub const fn mirrors(&self) -> bool {
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
        let input = compiler.compile(spec.input_schema()).map_err(fault("input"))?;
        let output = spec
            .output_schema()
            .map(|schema| compiler.compile(schema))
            .transpose()
            .map_err(fault("output"))?;
        let mirrored = mirrored::collect(spec.input_schema())
            .map_err(|why| Fault::Header { tool: spec.name().to_owned(), why })?;
        Ok(Self { tool, input, output, mirrored })
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

    /// The compiled schema of the arguments.
    #[must_use]
    pub const fn input(&self) -> &Schema {
        &self.input
    }

    /// The compiled schema of the structured result, if the tool promises one.
    #[must_use]
    pub const fn output(&self) -> Option<&Schema> {
        self.output.as_ref()
    }

    /// The result, if it is what the tool's output schema promises; a result of that very type need not be read.
    pub(crate) fn kept_promise(&self, output: Output) -> Result<Output, ToolError> {
        let Some(schema) = self.output.as_ref().filter(|_| !output.is_typed() && !output.is_error()) else {
            return Ok(output);
        };
        let broken = |why: &str| {
            let name = self.spec().name();
            ToolError::new(format!("the result of `{name}` is not what its output schema promises: {why}"))
        };
        let Some(structured) = output.structured_text() else {
            return Err(broken("there is no structured content"));
        };
        let frame = Frame::from_text(structured.clone(), &Limits::new())
            .map_err(|violation| broken(&violation.to_string()))?;
        schema.check(frame.root(), "structuredContent").map_err(|why| broken(&why))?;
        Ok(output)
    }

    /// The arguments that clients repeat in HTTP headers (`x-mcp-header` in the schema).
    #[must_use]
    pub fn mirrored(&self) -> &[Mirrored] {
        &self.mirrored
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&self.spec().name()).finish()
    }
}

/// Why a set of tools was refused: every fault, in a stable order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RegistrationError {
    faults: Vec<Fault>,
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Fault {
    Taken { name: String, owner: String, other: String },
    Header { tool: String, why: String },
    Schema { tool: String, which: &'static str, error: InvalidSchema },
}

impl RegistrationError {
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
        }
    }
}

//! How a command tool is declared.

use std::collections::BTreeMap;
use std::fmt;

use toolpost_tool::{ErrorKind, ToolSpec};

use super::{CommandOutput, CommandTool, Declared};
use crate::template::{Template, Words};
use crate::{InvalidProgram, Program, Redactor, Supervisor};

/// The most that a program may write, unless told otherwise, in bytes.
const OUTPUT_LIMIT: usize = 1 << 20;

/// Collects what a [`CommandTool`] is made of; what is wrong with it is told by [`build`](Self::build), all at once.
#[derive(Debug)]
#[must_use]
pub struct CommandToolBuilder {
    name: String,
    program: Program,
    arguments: Vec<Words>,
    stdin: Option<String>,
    /// A description of the tool; or why its name is none of a tool.
    spec: Result<ToolSpec, String>,
    secrets: Vec<Secret>,
    output: CommandOutput,
    limit: usize,
    exits: BTreeMap<u8, Option<ErrorKind>>,
}

struct Secret {
    name: String,
    value: String,
}

/// Its value is left out.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl CommandToolBuilder {
    pub(super) fn new(name: String, program: Program) -> Self {
        Self {
            spec: ToolSpec::new(name.clone()).map_err(|error| error.to_string()),
            name,
            program,
            arguments: Vec::new(),
            stdin: None,
            secrets: Vec::new(),
            output: CommandOutput::Text,
            limit: OUTPUT_LIMIT,
            exits: BTreeMap::new(),
        }
    }

    /// Adds one argument, a template.
    pub fn arg(self, template: impl Into<String>) -> Self {
        self.words(Words::One(template.into()))
    }

    /// Adds arguments, each a template of its own.
    pub fn args<T: Into<String>>(self, templates: impl IntoIterator<Item = T>) -> Self {
        templates.into_iter().fold(self, Self::arg)
    }

    /// Adds arguments that are there together, or not at all; or all of them once for each value of a list.
    ///
    /// ```
    /// # use toolpost_process::{CommandTool, Program, Supervisor};
    /// let grep = CommandTool::builder("grep", Program::new("grep"))
    ///     .group(["-e", "{-patterns...}"])
    ///     .group(["--max-count", "{limit:integer?}"])
    ///     .args(["--", "{path}"])
    ///     .build(&Supervisor::new());
    /// assert!(grep.is_ok());
    /// ```
    pub fn group<T: Into<String>>(self, templates: impl IntoIterator<Item = T>) -> Self {
        self.words(Words::Group(templates.into_iter().map(Into::into).collect()))
    }

    /// Sets what the program reads on stdin, a template; nothing, unless told otherwise.
    pub fn stdin(mut self, template: impl Into<String>) -> Self {
        self.stdin = Some(template.into());
        self
    }

    /// Hands in a secret: a variable of the program's environment, whose value is taken out of everything that the tool
    /// says, its results included.
    pub fn secret(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        self.program = self.program.env(&name, &value);
        self.secrets.push(Secret { name, value });
        self
    }

    /// Sets what the program writes on stdout: text, unless told otherwise.
    pub const fn output(mut self, output: CommandOutput) -> Self {
        self.output = output;
        self
    }

    /// Sets the most that the program may write on stdout, in bytes, from 1 on: 1 MiB, unless told otherwise. One that
    /// writes more is ended at once, and the call fails.
    pub const fn output_limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Takes an exit status other than 0 for a success too: `grep` has 1 for "found nothing".
    pub fn exit_ok(mut self, status: u8) -> Self {
        self.exits.insert(status, None);
        self
    }

    /// Sets the kind of error that an exit status is; [`Failed`](ErrorKind::Failed), unless told otherwise, and
    /// [`TimedOut`](ErrorKind::TimedOut) for 124.
    pub fn exit_kind(mut self, status: u8, kind: ErrorKind) -> Self {
        self.exits.insert(status, Some(kind));
        self
    }

    /// Changes what the tool says of itself: its description, its policies, its schemas. Without an input schema it has
    /// the one that its template makes; a given one must have the template's names.
    pub fn with_spec(mut self, change: impl FnOnce(ToolSpec) -> ToolSpec) -> Self {
        self.spec = self.spec.map(change);
        self
    }

    /// The tool, whose processes are the supervisor's.
    ///
    /// # Errors
    ///
    /// If the name is none of a tool, the template cannot be read, the input schema has other names than the template, or
    /// a secret is too short to be told from other text.
    pub fn build(self, supervisor: &Supervisor) -> Result<CommandTool, InvalidProgram> {
        let name = self.name.clone();
        match self.declared() {
            Ok(declared) => Ok(declared.under(supervisor)),
            Err(faults) => {
                Err(InvalidProgram::new(faults.iter().map(|fault| format!("`{name}`: {fault}")).collect()))
            }
        }
    }

    /// What is declared; or all that is wrong with it.
    pub(crate) fn declared(self) -> Result<Declared, Vec<String>> {
        let Self { program, arguments, stdin, spec, secrets, output, limit, exits, .. } = self;
        let mut faults = Vec::new();
        let executable = program.executable().to_string_lossy().into_owned();
        let template = Template::read(&executable, &arguments, stdin.as_deref(), &mut faults);
        let mut named: Vec<(String, &str)> =
            secrets.iter().map(|secret| (format!("secrets: `{}`", secret.name), &*secret.value)).collect();
        named.extend(program.secret_texts());
        let redactor = Redactor::named(&named, &mut faults);
        if limit == 0 {
            faults.push("output-limit: is 0, and an answer has one byte at least".into());
        }
        let spec = match spec {
            Ok(spec) if spec.derives_input_schema() => spec.with_input_schema(template.schema()),
            Ok(spec) => {
                template.held_to(spec.input_schema(), &mut faults);
                spec
            }
            Err(fault) => {
                faults.push(fault);
                return Err(faults);
            }
        };
        match faults.is_empty() {
            true => Ok(Declared { spec, template, program, redactor, output, limit, exits }),
            false => Err(faults),
        }
    }

    fn words(mut self, words: Words) -> Self {
        self.arguments.push(words);
        self
    }
}

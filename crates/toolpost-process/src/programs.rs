//! Programs that a file declares.

mod keys;
mod read;

use std::fmt;
use std::path::Path;

use serde_json::Value;
use toolpost_tool::AnyTool;

use crate::command::Declared;
use crate::{InvalidProgram, Program, Redactor, Supervisor, Workers, WorkersOptions};

/// Programs as tools, declared in a TOML file (feature `toml`).
///
/// A table `[programs.NAME]` is a tool of that name, a [`CommandTool`](crate::CommandTool); a table `[workers.NAME]` is a
/// program that is kept warm and says itself which tools it has. The [schema](Self::schema) of the file is published as
/// `docs/programs.schema.json` in this crate.
///
/// ```toml
/// [programs.grep]
/// description = "Finds lines that match a pattern."
/// argv = ["grep", "-rn", ["--max-count", "{limit:integer?}"], "-e", "{-pattern}", "--", "{paths...}"]
/// cwd = "data"
/// env = ["LANG"]
/// exit-codes = { 1 = "ok" }
///
/// [programs.orders]
/// description = "Runs a query over the orders."
/// argv = ["psql", "--csv", "--no-psqlrc"]
/// stdin = "{query}"
/// secrets = ["PGPASSWORD"]
/// output-limit = 200000
/// time-limit-ms = 10000
///
/// [workers.stats]
/// argv = ["python3", "stats.py"]
/// processes = 2
/// recycle-after = 1000
/// ```
///
/// An item of `argv` is one argument, or a list of several that are there together or not at all.
#[derive(Default)]
pub struct Programs {
    commands: Vec<Declared>,
    workers: Vec<Warm>,
}

/// A program that is kept warm.
struct Warm {
    name: String,
    program: Program,
    options: WorkersOptions,
    redactor: Redactor,
}

impl Programs {
    /// Reads a file. A relative `cwd`, and a program with a `/` in its name, start at the file's directory.
    ///
    /// # Errors
    ///
    /// All that is wrong with it at once, each fault with the file, the table and the key it is in, and what would be right.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, InvalidProgram> {
        let path = path.as_ref();
        let named = |fault: String| format!("{}: {fault}", path.display());
        let text = std::fs::read_to_string(path)
            .map_err(|error| InvalidProgram::new(vec![named(format!("cannot be read: {error}"))]))?;
        let base = path.parent().unwrap_or(Path::new(""));
        Self::from_toml_at(&text, base)
            .map_err(|error| InvalidProgram::new(error.faults().iter().cloned().map(named).collect()))
    }

    /// Reads a file's text. A relative `cwd`, and a program with a `/` in its name, start at the server's directory.
    ///
    /// # Errors
    ///
    /// As [`from_file`](Self::from_file).
    pub fn from_toml(text: &str) -> Result<Self, InvalidProgram> {
        Self::from_toml_at(text, "")
    }

    /// Reads a file's text, such as the part of a larger file that is about programs. A relative `cwd`, and a program with a
    /// `/` in its name, start at `dir`.
    ///
    /// # Errors
    ///
    /// As [`from_file`](Self::from_file), without the name of a file.
    pub fn from_toml_at(text: &str, dir: impl AsRef<Path>) -> Result<Self, InvalidProgram> {
        read::file(text, dir.as_ref(), &|name| std::env::var_os(name)).map_err(InvalidProgram::new)
    }

    /// The JSON Schema of the file, for editors and for checks before deployment.
    #[must_use]
    pub fn schema() -> Value {
        keys::schema()
    }

    /// Takes the tools that `[programs]` declares; their processes are the supervisor's.
    pub fn take_commands(&mut self, supervisor: &Supervisor) -> Vec<AnyTool> {
        self.commands.drain(..).map(|declared| AnyTool::new(declared.under(supervisor))).collect()
    }

    /// Starts what `[workers]` declares, by name: nothing is waited for. Each says later which tools it has
    /// ([`Workers::tools`]).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, if there are workers.
    pub fn start_workers(&mut self, supervisor: &Supervisor) -> Vec<(String, Workers)> {
        let start = |Warm { name, program, options, redactor }| {
            (name, Workers::start(supervisor, program, options).redacted_by(&redactor))
        };
        self.workers.drain(..).map(start).collect()
    }
}

impl fmt::Debug for Programs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let workers: Vec<&str> = self.workers.iter().map(|warm| &*warm.name).collect();
        f.debug_struct("Programs").field("commands", &self.commands.len()).field("workers", &workers).finish()
    }
}

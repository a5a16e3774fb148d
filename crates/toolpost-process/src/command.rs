//! One program, one call.

mod builder;
mod ending;
mod output;

use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe;
use toolpost_tool::{Call, ErrorKind, LogLevel, Output, Tool, ToolError, ToolSpec};

use crate::template::{CommandLine, Template};
use crate::{Process, ProcessError, Program, Redactor, Supervisor};

pub use builder::CommandToolBuilder;
use ending::Failure;
pub(crate) use ending::line;
use output::Answer;
pub use output::CommandOutput;

/// The most lines of stderr that are log messages of one call.
const LINES_LOGGED: usize = 1_000;

/// Runs a program once for each call: its command line is made from a template, its answer is what it writes on stdout.
///
/// A template is a list of arguments with places for what a caller says. A value stays within its argument, whatever is in
/// it: there is no shell, and a value that begins with `-` where the program would take it for an option is refused.
///
/// | place | takes | stands for |
/// |---|---|---|
/// | `{path}` | a string, a number or a boolean | its text |
/// | `{limit:integer}` | what the type says: `boolean`, `integer`, `json`, `number`, `string` | its text, or its JSON |
/// | `{path?}` | the same, or nothing | its text; without it the argument, or its group, is left out |
/// | `{paths...}` | a list, of one value at least; `{paths...?}` also of none | the argument, or its group, once for each |
/// | `{paths,}`, `{paths,?}` | the same; no value may have a comma | all of them, with commas between |
/// | `--all{all!}` | a boolean, or nothing | the argument, or its group, if it is true |
/// | `{-filter}` | a value that may begin with `-` | its text, also where it is an option |
/// | `{}` | | all arguments, as one JSON object |
/// | `{{`, `}}` | | one brace |
///
/// A group is several arguments that are there together, such as an option and its value. After an argument `--` no value is
/// an option, so none is refused.
///
/// ```
/// use toolpost_process::{CommandTool, Program, Supervisor};
/// use toolpost_tool::{Call, Tool as _};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let supervisor = Supervisor::new();
/// let join = CommandTool::builder("join", Program::new("printf"))
///     .args(["%s ", "{words...}"])
///     .with_spec(|spec| spec.with_description("Joins words.").read_only())
///     .build(&supervisor)?;
/// assert_eq!(join.spec().input_schema()["required"], serde_json::json!(["words"]));
///
/// let output = join.call(Call::new(&serde_json::json!({"words": ["a;b", "$HOME"]}))?).await?;
/// assert_eq!(output.as_text(), Some("a;b $HOME "));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # How a call ends
///
/// With exit status 0 the call has its result. Every other end is an error with the exit status and the last lines of
/// stderr, without secrets (see [`Redactor`]). While it runs, the first thousand lines
/// of stderr are log messages of the call. A program
/// that writes more than its limit is ended at once. A call that is dropped, at its time limit say, ends the program and all
/// that it has started.
pub struct CommandTool {
    declared: Arc<Declared>,
    supervisor: Supervisor,
}

/// What a command tool does, whoever's its processes are.
pub(crate) struct Declared {
    spec: ToolSpec,
    template: Template,
    program: Program,
    redactor: Redactor,
    output: CommandOutput,
    limit: usize,
    exits: BTreeMap<u8, Option<ErrorKind>>,
}

impl Declared {
    /// The tool, whose processes are the supervisor's.
    pub(crate) fn under(self, supervisor: &Supervisor) -> CommandTool {
        CommandTool { declared: Arc::new(self), supervisor: supervisor.clone() }
    }
}

impl CommandTool {
    /// A tool called `name` that runs `program`. The program's own arguments come first, as they are.
    pub fn builder(name: impl Into<String>, program: Program) -> CommandToolBuilder {
        CommandToolBuilder::new(name.into(), program)
    }

    async fn run(&self, call: &Call) -> Result<Output, ToolError> {
        let Declared { template, program, redactor, output, limit, exits, .. } = &*self.declared;
        let CommandLine { arguments, stdin } = template.fill(call.arguments())?;
        let program = program.clone().args(arguments);
        let mut process = self
            .supervisor
            .spawn(&program, listener(call, redactor))
            .map_err(ProcessError::into_tool_error)?;
        let mut answer = Answer::new(*output, *limit, template.program());
        let status = attend(&mut process, stdin, &mut answer, call, redactor).await?;
        let mut said = ending::last_lines(&process.stderr(), redactor);
        if let Some(failed) = ending::failure(template.program(), status, exits) {
            if said.is_empty() {
                said = ending::last_lines(&answer.last_lines(redactor), redactor);
            }
            return Err(failed.error(&said));
        }
        answer.into_output(redactor).map_err(|fault| Failure::failed(fault).error(&said))
    }
}

/// Feeds the process, reads what it says, and waits for its end, all at once.
async fn attend(
    process: &mut Process,
    stdin: Option<String>,
    answer: &mut Answer<'_>,
    call: &Call,
    redactor: &Redactor,
) -> Result<ExitStatus, ToolError> {
    let mut feeding = pin!(feed(process.take_stdin(), stdin));
    let mut reading = pin!(answer.read(process.take_stdout(), call, redactor));
    let (mut fed, mut read) = (false, false);
    let status = loop {
        tokio::select! {
            () = &mut feeding, if !fed => fed = true,
            done = &mut reading, if !read => {
                done?;
                read = true;
            }
            status = process.wait() => break status.map_err(ProcessError::into_tool_error)?,
        }
    };
    // What it wrote last is in the pipe. A process that has left its group may hold the pipe open, for good.
    if !read && let Ok(done) = tokio::time::timeout(output::REST, &mut reading).await {
        done?;
    }
    Ok(status)
}

/// Writes `text`; the program may end, or close its stdin, without having read all of it.
async fn feed(pipe: Option<pipe::Sender>, text: Option<String>) {
    if let (Some(mut pipe), Some(text)) = (pipe, text) {
        drop(pipe.write_all(text.as_bytes()).await);
    }
}

/// Makes log messages of lines on stderr, as many as are bearable.
fn listener(call: &Call, redactor: &Redactor) -> impl Fn(&str) + Send + Sync + 'static {
    let heard = call.is_observed().then(|| (call.clone(), redactor.clone()));
    let lines = AtomicUsize::new(0);
    move |line| {
        let Some((call, redactor)) = &heard else { return };
        match lines.fetch_add(1, Ordering::Relaxed) {
            ..LINES_LOGGED => call.log(LogLevel::Info, &*ending::line(line, redactor)),
            LINES_LOGGED => call.log(LogLevel::Info, "..: more lines are not passed on"),
            _ => {}
        }
    }
}

impl Tool for CommandTool {
    fn spec(&self) -> &ToolSpec {
        &self.declared.spec
    }

    async fn call(&self, call: Call) -> Result<Output, ToolError> {
        // A fault may name what the host gave as a secret, a path say.
        self.run(&call).await.map_err(|error| self.declared.redactor.redact_error(&error))
    }
}

impl fmt::Debug for CommandTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Declared { spec, program, output, limit, .. } = &*self.declared;
        f.debug_struct("CommandTool")
            .field("name", &spec.name())
            .field("program", program)
            .field("output", output)
            .field("limit", limit)
            .finish_non_exhaustive()
    }
}

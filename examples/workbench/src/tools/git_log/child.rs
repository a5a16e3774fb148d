//! Reads the log in a child of this program: what goes wrong in there ends the child alone.
//!
//! The question goes by the command line and the answer by the child's stdout, bounded. The child is killed when the
//! call is dropped, at its time limit say.

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use toolpost_tool::{Call, ErrorKind, ToolError};

use super::{GitLog, Log, run};
use crate::checkout::Checkout;
use crate::root::{Root, exhausted, is_exhausted};

/// The hidden command that the child is.
const COMMAND: &str = "git-log-child";

/// The longest answer of a child, in bytes.
const ANSWER_MAX: u64 = 8 << 20;

/// What a child may take: bytes of memory of its own, and seconds of a processor.
#[cfg(unix)]
const MEMORY_MAX: u64 = 512 << 20;
#[cfg(unix)]
const SECONDS_MAX: u64 = 30;

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Lets `git_log` read in children of `program`, which is this one, in all tools that are made from now on. Without
/// this it reads in the process that calls it.
pub fn read_in_children_of(program: PathBuf) {
    let _first = PROGRAM.set(program);
}

pub(super) fn program() -> Option<&'static Path> {
    PROGRAM.get().map(PathBuf::as_path)
}

/// What a child says.
#[derive(Deserialize, Serialize)]
enum Answer {
    Log(Log),
    /// With the kind of an error of which there are three.
    Error {
        kind: Kind,
        text: String,
    },
}

#[derive(Clone, Copy, Deserialize, Serialize)]
enum Kind {
    Arguments,
    Failed,
    Unavailable,
}

/// Asks a child of `program` for the log of `root`.
///
/// # Cancel safety
///
/// Dropping the future kills the child.
pub(super) async fn ask(program: &Path, root: &Path, args: &GitLog) -> Result<Log, ToolError> {
    let mut command = Command::new(program);
    command.arg(COMMAND).arg("--root").arg(root).arg(serde_json::to_string(args)?);
    ask_by(command).await
}

async fn ask_by(mut command: Command) -> Result<Log, ToolError> {
    let child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) if is_exhausted(&error) => return Err(exhausted()),
        Err(error) => {
            return Err(ToolError::unavailable("the reader of the log cannot be started").with_source(error));
        }
    };
    let mut said = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(ANSWER_MAX + 1).read_to_end(&mut said).await?;
    }
    if said.len() as u64 > ANSWER_MAX {
        return Err(ToolError::new("the log takes too much to show; ask for fewer commits"));
    }
    let status = child.wait().await?;
    match serde_json::from_slice(&said) {
        Ok(Answer::Log(log)) => Ok(log),
        Ok(Answer::Error { kind, text }) => Err(ToolError::with_kind(kind.into(), text)),
        Err(_) => Err(ToolError::new(format!(
            "the history of this checkout cannot be read: its reader ended without an answer ({status}). Its .git may \
             be damaged, or have been changed just then; try again"
        ))),
    }
}

/// The whole of a child: reads the log that `arguments` ask for and writes it to stdout.
///
/// # Errors
///
/// If `root` is no directory, `arguments` are none, or nobody reads stdout.
pub fn answer(root: &Path, arguments: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    bound();
    let args: GitLog = serde_json::from_str(arguments)?;
    let call = Call::new(&args).map_err(ToolError::into_std)?;
    let checkout = Checkout::of(Arc::new(Root::open(root)?));
    let answer = match run(&checkout, &args, &call) {
        Ok(log) => Answer::Log(log),
        Err(error) => Answer::Error { kind: error.kind().into(), text: error.to_string() },
    };
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, &answer)?;
    Ok(out.flush()?)
}

/// Bounds what this process may take: a fault in there is the end of it, and of nothing else.
fn bound() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        for (resource, most) in
            [(Resource::Data, MEMORY_MAX), (Resource::Cpu, SECONDS_MAX), (Resource::Core, 0)]
        {
            // A bound that cannot be set is one of several.
            let _ = setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
        }
    }
}

impl From<ErrorKind> for Kind {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidArguments => Self::Arguments,
            ErrorKind::Unavailable => Self::Unavailable,
            _ => Self::Failed,
        }
    }
}

impl From<Kind> for ErrorKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Arguments => Self::InvalidArguments,
            Kind::Failed => Self::Failed,
            Kind::Unavailable => Self::Unavailable,
        }
    }
}

#[cfg(all(test, unix))]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]
mod tests {
    use super::*;

    async fn asked(program: &str) -> ToolError {
        ask_by(Command::new(program)).await.unwrap_err()
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_child_that_dies_is_an_error_and_no_more() {
        let error = asked("/bin/false").await;
        assert_eq!(error.kind(), ErrorKind::Failed);
        assert!(error.to_string().contains("ended without an answer"), "{error}");
        assert_eq!(asked("/nowhere").await.kind(), ErrorKind::Unavailable);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_a_child_says_is_bounded() {
        let error = asked("yes").await;
        assert!(error.to_string().contains("too much to show"), "{error}");
    }
}

//! Calls that wait for the approval of a person: which tools ask for one, who decides, and how.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use toolpost::{ApprovalRequest, Approvals, Settings};

use crate::report::{Form, shown};
use crate::serve::{Failure, executor};

/// How long a call of a client that cannot ask its user waits for a decision, before it is told to come again.
const PATIENCE: Duration = Duration::from_secs(20);

/// The widest that arguments are shown, in characters.
const ARGUMENTS_MAX: usize = 400;

/// Which calls need the approval of a person.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Asking {
    /// Runs a call of this tool only once a person has approved it: by a form that the client shows, or where it shows none,
    /// with `workbench approve`. May be given more than once.
    #[arg(long, value_name = "TOOL")]
    pub ask_before: Vec<String>,
    /// Keeps what waits for a person in this directory, for `workbench approve`; servers that share it decide for each other.
    #[arg(long, value_name = "DIR")]
    pub approvals: Option<PathBuf>,
}

impl Asking {
    /// How a person is asked.
    ///
    /// # Errors
    ///
    /// If the directory cannot be made.
    pub fn approvals(&self) -> Result<Approvals, Failure> {
        Ok(match &self.approvals {
            Some(path) => Approvals::in_directory(path)
                .map_err(|error| format!("cannot keep approvals in {}: {error}", path.display()))?
                .out_of_band(PATIENCE),
            None => Approvals::new(),
        })
    }

    /// What makes the tools ask.
    ///
    /// # Errors
    ///
    /// If the settings cannot be read, which they can.
    pub fn settings(&self) -> Result<Settings, Failure> {
        let asks = json!({ "needs-approval": true });
        let tools: serde_json::Map<_, _> =
            self.ask_before.iter().map(|tool| (tool.clone(), asks.clone())).collect();
        Ok(Settings::from_json(&json!({ "tools": tools }).to_string())?)
    }
}

/// Shows which calls wait in `directory`, or decides about the one whose id begins with `id`.
///
/// # Errors
///
/// If the directory cannot be read, no request or more than one begins so, or somebody decided in between.
pub fn run(directory: &Path, id: Option<&str>, is_approved: bool, form: Form) -> Result<bool, Failure> {
    if !directory.is_dir() {
        return Err(format!("there is no directory {}", directory.display()).into());
    }
    let approvals = Approvals::in_directory(directory)?;
    let mut out = io::stdout().lock();
    executor()?.block_on(async {
        let waiting = approvals.waiting().await.map_err(|error| error.to_string())?;
        let Some(id) = id else {
            return list(&mut out, &waiting, form);
        };
        let found: Vec<&ApprovalRequest> =
            waiting.iter().filter(|request| request.id.starts_with(id)).collect();
        let [request] = *found else {
            let what = if found.is_empty() { "no call" } else { "more than one call" };
            return Err(format!(
                "{what} waits whose id begins with `{id}`; `approve` without an id lists them"
            )
            .into());
        };
        let decided = approvals.decide(&request.id, is_approved).await.map_err(|error| error.to_string())?;
        if !decided {
            return Err(format!("somebody decided about {} in between", request.id).into());
        }
        let what = if is_approved { "approved" } else { "declined" };
        writeln!(out, "{what}: {}", line(request))?;
        Ok(true)
    })
}

fn list(out: &mut impl io::Write, waiting: &[ApprovalRequest], form: Form) -> Result<bool, Failure> {
    if form == Form::Json {
        writeln!(out, "{}", json!({ "waiting": waiting }))?;
        return Ok(true);
    }
    if waiting.is_empty() {
        writeln!(out, "no call waits for a person")?;
    }
    for request in waiting {
        writeln!(out, "{}  {}", form.paint("1", &request.id), line(request))?;
    }
    Ok(true)
}

fn line(request: &ApprovalRequest) -> String {
    let by = request.principal.as_deref().unwrap_or("an anonymous caller");
    let arguments = shown(&request.arguments, ARGUMENTS_MAX);
    format!("{} {arguments}, for {}", request.tool, shown(by, 60))
}

//! Checks that everything is there and works: both transports, both eras, every tool. It takes a fraction of a second
//! of work; how long that takes is the machine's affair, so what does not end is given up late.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::client::{Client, Era};
use crate::clock::now;
use crate::plan::{self, Expected, Planned};
use crate::report::{Form, Report};
use crate::serve::{Failure, executor, runtime, server, url};

/// When what has not ended hangs, also on a machine that is busy with something else.
const DEADLINE: Duration = Duration::from_secs(30);

/// Checks the workbench over `root`; says whether all went as it had to.
///
/// # Errors
///
/// If stdout fails.
pub fn run(root: &Path, form: Form) -> Result<bool, Failure> {
    let start = now();
    let step = Step::default();
    let mut report = Report::new(form);
    let executor = executor()?;
    let done = executor
        .block_on(async { tokio::time::timeout(DEADLINE, check(root, form, &step, &mut report)).await });
    match done {
        Ok(Ok(())) => {}
        Ok(Err(error)) => report.fault(format!("{}: {error}", step.now())),
        Err(_) => report.fault(format!("not done within {DEADLINE:?}; the last step was: {}", step.now())),
    }
    // A blocking call that is still under way must not hold up the verdict.
    executor.shutdown_background();
    Ok(report.finish(now() - start)?)
}

async fn check(root: &Path, form: Form, step: &Step, report: &mut Report) -> Result<(), Failure> {
    step.set(form, "opening the root".into());
    let server = server(&runtime(root, |builder| builder)?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = url(listener.local_addr()?);
    let program = std::env::current_exe()?;
    let driven = async {
        for wire in [Wire::Http(url), Wire::Stdio(program, root.to_owned())] {
            for era in Era::ALL {
                let title = format!("{}, revision {}", wire.name(), era.revision());
                step.set(form, format!("{title}: handshake"));
                report.section(&*title)?;
                exercise(&wire, era, &title, form, step, report).await?;
            }
        }
        server.stop();
        Ok(())
    };
    tokio::select! {
        ended = server.serve(listener) => Err(format!("the server ended early: {ended:?}").into()),
        done = driven => done,
    }
}

/// How the server is reached.
enum Wire {
    Http(String),
    Stdio(PathBuf, PathBuf),
}

impl Wire {
    const fn name(&self) -> &'static str {
        match self {
            Self::Http(_) => "Streamable HTTP",
            Self::Stdio(..) => "stdio",
        }
    }
}

async fn exercise(
    wire: &Wire,
    era: Era,
    title: &str,
    form: Form,
    step: &Step,
    report: &mut Report,
) -> Result<(), Failure> {
    let client = match wire {
        Wire::Http(url) => Client::over_http(url, era).await?,
        Wire::Stdio(program, root) => Client::over_stdio(program, root, era).await?,
    };
    step.set(form, format!("{title}: list"));
    let listed: Vec<_> = client.list().await?.into_iter().map(|tool| tool.name).collect();
    for name in plan::TOOLS {
        if !listed.iter().any(|listed| listed == name) {
            return Err(format!("the tool {name} is missing from the list").into());
        }
    }
    step.set(form, format!("{title}: list_files"));
    let first =
        Planned { tool: "list_files", arguments: json!({ "limit": 1_000 }), expected: Expected::Result };
    let (_, result) = plan::make(&client, &first).await?;
    for planned in plan::each_tool(&result.structured_content.unwrap_or(Value::Null)) {
        step.set(form, format!("{title}: {}", planned.tool));
        report.call(plan::make(&client, &planned).await?.0)?;
    }
    step.set(form, format!("{title}: goodbye"));
    client.close().await
}

/// What is being done, for the reason of a failure.
#[derive(Clone, Debug, Default)]
struct Step(Arc<Mutex<String>>);

impl Step {
    fn set(&self, form: Form, text: String) {
        form.progress(&text);
        // A name that is half replaced by a panic is still a name.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }

    fn now(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

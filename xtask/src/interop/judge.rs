//! One run: starts the servers and the client, does what its script asks for, and judges what it prints.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::cutter::Cutter;
use super::proxied::Nginx;
use super::{Era, Lab, Run, Runner, Transport, install};
use crate::served::Served;

/// The longest that a run may take: each check has a bound of its own, which is shorter.
const LONGEST: Duration = Duration::from_secs(300);

/// Items on a page of the fixture's lists, so that each list has several.
const PAGE: &str = "2";

/// A secret for a server that is started twice; nobody else gets to know it, nor has to.
const STATE_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

/// A check's name, and whether it applies to a run.
type Check = (&'static str, fn(&Run) -> bool);

const CHECKS: &[Check] = &[
    ("connect", |_| true),
    ("ping", |run| run.era == Era::Legacy),
    ("tools", |_| true),
    ("questions", |_| true),
    ("declined", |_| true),
    ("undeclared", |_| true),
    ("refusals", |_| true),
    ("concurrent", |_| true),
    ("progress", |_| true),
    ("logging", |_| true),
    ("cancel", |_| true),
    ("resources", |_| true),
    ("subscribe", |_| true),
    ("list changed", |_| true),
    ("prompts", |_| true),
    ("completion", |_| true),
    ("tasks", |_| true),
    ("resumed stream", is_cut),
    ("close", |_| true),
    ("workbench", |_| true),
    ("restart", is_restarted),
    ("resumed run", is_resumed),
    ("close workbench", |_| true),
];

/// A pipe ends with its process; behind a proxy this would show the same again.
fn is_restarted(run: &Run) -> bool {
    run.transport == Transport::Http
}

/// A session ends with the process that asks on its stream. The SDKs of two languages do it; others would show the same again.
fn is_resumed(run: &Run) -> bool {
    is_restarted(run) && run.era == Era::Modern && ["v2.mjs", "v2.py"].contains(&run.client.script)
}

/// 2026-07-28 has no streams that resume.
fn is_cut(run: &Run) -> bool {
    run.transport == Transport::Http && run.era == Era::Legacy
}

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) revision: Option<String>,
    pub(crate) passed: usize,
    pub(crate) faults: Vec<String>,
    /// What the client cannot do, and why.
    pub(crate) skipped: Vec<(&'static str, &'static str)>,
}

impl Verdict {
    pub(crate) fn holds(&self) -> bool {
        self.faults.is_empty() && 0 < self.passed
    }
}

/// Makes one run.
pub(crate) fn judge(lab: &Lab, run: &Run) -> Verdict {
    let lines = made(lab, run);
    let mut verdict = Verdict::default();
    let lines = lines.unwrap_or_else(|(lines, error)| {
        verdict.faults.push(error);
        lines
    });
    weigh(run, &lines, &mut verdict);
    verdict
}

/// Judges the lines of a run: every check that applies must have passed, but for those that the client is known to lack,
/// which must not have been made.
fn weigh(run: &Run, lines: &[Value], verdict: &mut Verdict) {
    verdict.revision = lines.iter().find_map(|line| line["revision"].as_str()).map(ToOwned::to_owned);
    if verdict.revision.as_deref() != Some(run.era.revision()) {
        verdict.faults.push(format!("{} was not agreed on", run.era.revision()));
    }
    let made = |name: &str| lines.iter().find(|line| line["check"] == name);
    for line in lines {
        if line["check"].as_str().is_some_and(|name| CHECKS.iter().all(|(known, _)| *known != name)) {
            verdict.faults.push(format!("{}: nobody knows this check", line["check"]));
        }
    }
    for &(name, applies) in CHECKS {
        let lack = run
            .client
            .lacks
            .iter()
            .find(|(lacked, era, _)| *lacked == name && era.is_none_or(|era| era == run.era));
        match (made(name), applies(run), lack) {
            (None, true, Some((_, _, reason))) => verdict.skipped.push((name, reason)),
            (None, true, None) => verdict.faults.push(format!("{name}: was not made")),
            (None, false, _) => {}
            (Some(_), true, Some(_)) => {
                verdict.faults.push(format!("{name}: was made, though the client is said to lack it"));
            }
            (Some(_), false, _) => verdict.faults.push(format!("{name}: was made, and does not apply")),
            (Some(line), true, None) if line["ok"] == true => verdict.passed += 1,
            (Some(line), true, None) => {
                verdict.faults.push(format!("{name}: {}", line["why"].as_str().unwrap_or("no reason given")));
            }
        }
    }
}

pub(crate) type Lines = Result<Vec<Value>, (Vec<Value>, String)>;

/// What the script printed; and, if it did not end well, how it ended.
fn made(lab: &Lab, run: &Run) -> Lines {
    let none = |error| (Vec::new(), error);
    match run.transport {
        Transport::Stdio => {
            let served = |name: &str, args: &[&str]| json!({ "command": lab.root.join("target/debug").join(name), "args": args });
            let files = lab.dir.join("files").display().to_string();
            let config = json!({
                "era": run.era.name(),
                "fixture": served("conformance", &["stdio", PAGE]),
                "workbench": served("workbench", &["serve", "--with-sleep", "--root", &files]),
            });
            played(lab, run, &config, |what| Err(format!("nothing can be done about `{what}` here")))
        }
        Transport::Http | Transport::Nginx | Transport::NginxUnbuffered => {
            let fixture = Served::start(&lab.root, "conformance", &["127.0.0.1:0", PAGE]).map_err(none)?;
            let behind = !matches!(run.transport, Transport::Http);
            let mut workbench = Workbench::start(lab, behind).map_err(none)?;
            match run.transport {
                Transport::Http => thread::scope(|scope| {
                    let cutter = Cutter::start(scope, fixture.address()).map_err(none)?;
                    let config = json!({
                        "era": run.era.name(),
                        "fixture": { "url": format!("http://{}/mcp", cutter.address()) },
                        "workbench": { "url": workbench.served.url },
                        "restart": is_restarted(run),
                        "resume": is_resumed(run),
                        "cut": is_cut(run),
                    });
                    played(lab, run, &config, |what| match what {
                        "restart" => workbench.restart(lab),
                        "cut" => {
                            cutter.cut();
                            Ok(())
                        }
                        what => Err(format!("nobody knows how to `{what}`")),
                    })
                }),
                proxy => {
                    let buffered = proxy == Transport::Nginx;
                    let upstreams = [fixture.address(), workbench.served.address()];
                    let nginx = Nginx::start(lab, upstreams, buffered).map_err(none)?;
                    let config = json!({
                        "era": run.era.name(),
                        "fixture": { "url": nginx.urls[0] },
                        "workbench": { "url": nginx.urls[1] },
                    });
                    played(lab, run, &config, |what| Err(format!("nothing can be done about `{what}` here")))
                }
            }
        }
    }
}

/// workbench over HTTP, which can be killed and started again where it was.
struct Workbench {
    served: Served,
}

impl Workbench {
    fn start(lab: &Lab, behind: bool) -> Result<Self, String> {
        let address = if behind { "0.0.0.0:0" } else { "127.0.0.1:0" };
        Ok(Self { served: Self::serve(lab, address, behind)? })
    }

    fn serve(lab: &Lab, address: &str, behind: bool) -> Result<Served, String> {
        let (files, key) = (lab.dir.join("files"), lab.dir.join("state-key"));
        std::fs::write(&key, STATE_KEY).map_err(|error| format!("{}: {error}", key.display()))?;
        let (files, key) = (files.display().to_string(), key.display().to_string());
        let mut args =
            vec!["serve", "--http", address, "--with-sleep", "--root", &files, "--state-key-file", &key];
        if behind {
            args.extend(["--allow-public", "--allow-host", super::proxied::HOST]);
        }
        Served::start(&lab.root, "workbench", &args)
    }

    fn restart(&mut self, lab: &Lab) -> Result<(), String> {
        self.served.kill();
        self.served = Self::serve(lab, self.served.address(), false)?;
        Ok(())
    }
}

/// A client's process, which ends with this value.
struct Playing(Mutex<Child>);

impl Playing {
    fn kill(&self) {
        let mut child = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _gone = child.kill();
        let _reaped = child.wait();
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs the client's script over `config`, and does what it asks for.
fn played(lab: &Lab, run: &Run, config: &Value, asked: impl FnMut(&str) -> Result<(), String>) -> Lines {
    play(command(lab, run.client.runner, run.client.script), lab, config, asked)
}

/// Runs a script over `config`, and does what it asks for.
pub(crate) fn play(
    mut script: Command,
    lab: &Lab,
    config: &Value,
    mut asked: impl FnMut(&str) -> Result<(), String>,
) -> Lines {
    let none = |error| (Vec::new(), error);
    let mut child = script
        .arg(config.to_string())
        // What a client keeps for itself belongs below `target` too.
        .env("HOME", lab.dir.join("home"))
        .current_dir(&lab.dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| none(format!("the client did not start: {error}")))?;
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(none("the client has no stdin or stdout".into()));
    };
    let playing = &Playing(Mutex::new(child));
    let (over, is_over) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let watched = scope.spawn(move || {
            let late = is_over.recv_timeout(LONGEST) == Err(mpsc::RecvTimeoutError::Timeout);
            if late {
                playing.kill();
            }
            late
        });
        let mut lines = Vec::new();
        let mut fault = None;
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
            if let Some(what) = line["ask"].as_str() {
                if let Err(error) = asked(what).and_then(|()| tell(&mut stdin)) {
                    fault = Some(format!("{what}: {error}"));
                    playing.kill();
                }
            } else {
                lines.push(line);
            }
        }
        drop(over);
        if watched.join().unwrap_or(true) {
            fault = Some(format!("the client did not end within {LONGEST:?}"));
        }
        match fault {
            None => Ok(lines),
            Some(fault) => Err((lines, fault)),
        }
    })
}

fn tell(stdin: &mut ChildStdin) -> Result<(), String> {
    stdin.write_all(b"done\n").and_then(|()| stdin.flush()).map_err(|error| error.to_string())
}

/// What starts this script.
pub(crate) fn command(lab: &Lab, runner: Runner, script: &str) -> Command {
    match runner {
        Runner::Node => {
            let mut command = Command::new(install::node(lab));
            command.arg(lab.dir.join("js").join(script));
            command
        }
        Runner::Python(requirements) => {
            let mut command = Command::new(install::python(lab, requirements));
            command.arg("-B").arg(lab.root.join("interop/py").join(script));
            command
        }
        Runner::Cargo => Command::new(lab.dir.join("rmcp/debug/interop-rmcp")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::CLIENTS;
    use super::*;

    fn run() -> Run {
        Run { client: &CLIENTS[4], transport: Transport::Stdio, era: Era::Modern }
    }

    fn weighed(lines: &[Value]) -> Verdict {
        let mut verdict = Verdict::default();
        weigh(&run(), lines, &mut verdict);
        verdict
    }

    fn perfect() -> Vec<Value> {
        let lacked = |name: &str| run().client.lacks.iter().any(|(lacked, ..)| *lacked == name);
        let made = CHECKS.iter().filter(|(name, applies)| applies(&run()) && !lacked(name));
        let lines = made.map(|(name, _)| json!({ "check": name, "ok": true }));
        [json!({ "revision": "2026-07-28" })].into_iter().chain(lines).collect()
    }

    #[test]
    fn a_run_holds_only_if_each_check_that_applies_was_made_and_passed() {
        let verdict = weighed(&perfect());
        assert!(verdict.holds(), "{verdict:?}");
        assert_eq!(verdict.skipped.len(), run().client.lacks.len(), "{verdict:?}");
        for at in 0..perfect().len() {
            let mut lines = perfect();
            let _missing = lines.remove(at);
            assert!(!weighed(&lines).holds(), "without line {at}");
        }
        let mut lines = perfect();
        lines[1]["ok"] = json!(false);
        assert!(!weighed(&lines).holds(), "a check that failed");
        for stray in ["ping", "subscribe", "dance"] {
            let mut lines = perfect();
            lines.push(json!({ "check": stray, "ok": true }));
            assert!(!weighed(&lines).holds(), "{stray}");
        }
    }
}

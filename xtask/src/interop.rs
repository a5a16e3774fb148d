//! Clients that are not ours, against workbench and the fixture: the scripts of `interop/` do what a client does and print
//! a line for each check; here it is judged which lines there must be.

mod cutter;
mod install;
mod judge;
mod proxied;
mod servers;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::{Done, build_binaries, root, run_in};
use judge::Verdict;

/// How a client and a server get to know each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Era {
    /// `server/discover`, then requests that each stand alone.
    Modern,
    /// `initialize`, then a session.
    Legacy,
}

impl Era {
    /// What scripts call it.
    fn name(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Legacy => "legacy",
        }
    }

    /// The revision that a client of today and a server of ours agree on.
    fn revision(self) -> &'static str {
        match self {
            Self::Modern => "2026-07-28",
            Self::Legacy => "2025-11-25",
        }
    }
}

/// What carries the messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Transport {
    Http,
    Stdio,
    /// HTTP through nginx as it comes: responses buffered, HTTP/1.0 to the server.
    Nginx,
    /// HTTP through nginx that buffers nothing and keeps its connections to the server.
    NginxUnbuffered,
}

impl Transport {
    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Stdio => "stdio",
            Self::Nginx => "nginx",
            Self::NginxUnbuffered => "nginx, unbuffered",
        }
    }
}

/// What runs a client's script.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Runner {
    Node,
    /// Python, with the packages of this requirements file.
    Python(&'static str),
    Cargo,
}

/// A client that is not ours.
#[derive(Debug)]
pub(crate) struct Client {
    name: &'static str,
    script: &'static str,
    runner: Runner,
    eras: &'static [Era],
    /// The checks that the client cannot do, in which era, and why.
    lacks: &'static [(&'static str, Option<Era>, &'static str)],
}

const BOTH: &[Era] = &[Era::Modern, Era::Legacy];
const ONE_SHOT: &str = "each request is a process of its own";

const CLIENTS: &[Client] = &[
    Client {
        name: "@modelcontextprotocol/sdk 1.32.2",
        script: "v1.mjs",
        runner: Runner::Node,
        eras: &[Era::Legacy],
        lacks: &[],
    },
    Client {
        name: "@modelcontextprotocol/client 2.4.0",
        script: "v2.mjs",
        runner: Runner::Node,
        eras: BOTH,
        lacks: &[],
    },
    Client {
        name: "mcp 1.30.0",
        script: "v1.py",
        runner: Runner::Python("requirements-v1.txt"),
        eras: &[Era::Legacy],
        lacks: &[],
    },
    Client {
        name: "mcp 2.3.0",
        script: "v2.py",
        runner: Runner::Python("requirements.txt"),
        eras: BOTH,
        lacks: &[("tasks", None, "has no tasks")],
    },
    Client {
        name: "fastmcp 4.2.3",
        script: "fast.py",
        runner: Runner::Python("requirements.txt"),
        eras: BOTH,
        lacks: &[
            ("subscribe", Some(Era::Modern), "its client does not listen"),
            ("list changed", Some(Era::Modern), "its client does not listen"),
            ("tasks", None, "its tasks are another package, which asks for an older one of this"),
        ],
    },
    Client {
        name: "rmcp 3.11.0",
        script: "",
        runner: Runner::Cargo,
        eras: BOTH,
        lacks: &[("tasks", Some(Era::Legacy), "has those of 2026-07-28 alone")],
    },
    Client {
        name: "@modelcontextprotocol/inspector 2.12.0 --cli",
        script: "inspector.mjs",
        runner: Runner::Node,
        eras: BOTH,
        lacks: &[
            ("ping", None, ONE_SHOT),
            ("questions", None, "nobody is there to answer"),
            ("declined", None, "nobody is there to answer"),
            ("undeclared", None, "declares what it declares"),
            ("concurrent", None, ONE_SHOT),
            ("progress", None, "prints results alone"),
            ("logging", None, "prints results alone"),
            ("cancel", None, ONE_SHOT),
            ("subscribe", None, ONE_SHOT),
            ("list changed", None, ONE_SHOT),
            ("completion", None, "has no such command"),
            ("resumed stream", None, ONE_SHOT),
            ("close", None, ONE_SHOT),
            ("close workbench", None, ONE_SHOT),
        ],
    },
];

/// One run: a client, over a transport, in an era.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    client: &'static Client,
    transport: Transport,
    era: Era,
}

/// What all runs share.
#[derive(Debug)]
pub(crate) struct Lab {
    root: PathBuf,
    /// What was installed, below `target`.
    dir: PathBuf,
}

/// How many runs go on at once: most of their time they wait.
const AT_ONCE: usize = 4;

/// Runs every client over every transport in each of its eras, and servers that are not ours behind the gateway; prints a
/// line for each. `quick` leaves out most of the clients behind a proxy, and in front of the gateway.
#[expect(clippy::disallowed_methods, reason = "prints how long it took")]
pub(crate) fn run(quick: bool) -> Done {
    let start = Instant::now();
    let root = root();
    let lab = Lab { dir: root.join("target/interop"), root };
    let there = install::all(&lab)?;
    build_binaries(&lab.root)?;
    write_files(&lab.dir.join("files"))?;
    println!("interop: installed and built, {:.0} s", start.elapsed().as_secs_f64());

    let mut runs = Vec::new();
    for client in CLIENTS {
        if let Err(reason) = there.of(client.runner) {
            println!("skipped {}: {reason}", client.name);
            continue;
        }
        for &era in client.eras {
            runs.extend([Transport::Http, Transport::Stdio].map(|transport| Run { client, transport, era }));
            let behind = match client.script {
                "v2.mjs" => true,
                "inspector.mjs" => false,
                _ => !quick,
            };
            match &there.nginx {
                Ok(()) if behind => {
                    let proxies = [Transport::Nginx, Transport::NginxUnbuffered];
                    runs.extend(proxies.map(|transport| Run { client, transport, era }));
                }
                _ => {}
            }
        }
    }
    if let Err(reason) = &there.nginx {
        println!("skipped nginx: {reason}");
    }
    let failed = all(&lab, &runs);
    let refused = proxied::strangers_are_refused(&lab);
    let behind = servers::run(&lab, &there, quick)?;
    println!("interop: {} runs, {:.0} s", runs.len(), start.elapsed().as_secs_f64());
    refused?;
    match (failed, behind) {
        (0, 0) => Ok(()),
        (failed, behind) => {
            Err(format!("{failed} of {} runs failed, and {behind} of those over the gateway", runs.len()))
        }
    }
}

/// Runs servers that are not ours behind the gateway, and nothing else.
pub(crate) fn servers() -> Done {
    let root = root();
    let lab = Lab { dir: root.join("target/interop"), root };
    let there = install::all(&lab)?;
    run_in(&lab.root, "cargo", &["build", "--quiet", "-p", "gateway"])?;
    write_files(&lab.dir.join("files"))?;
    match servers::run(&lab, &there, false)? {
        0 => Ok(()),
        failed => Err(format!("{failed} runs failed")),
    }
}

/// Makes the runs, some at once; says how many failed.
fn all(lab: &Lab, runs: &[Run]) -> usize {
    let (next, failed, printing) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let verdict = judge::judge(lab, run);
                    let _one_at_a_time = printing.lock();
                    report(run, &verdict);
                    failed.fetch_add(usize::from(!verdict.holds()), Ordering::Relaxed);
                }
            });
        }
    });
    failed.into_inner()
}

fn report(run: &Run, verdict: &Verdict) {
    let mark = if verdict.holds() { "ok    " } else { "FAILED" };
    let revision = verdict.revision.as_deref().unwrap_or("no revision");
    let (transport, passed) = (run.transport.name(), verdict.passed);
    println!("{mark} {} · {transport} · {revision} · {passed} checks", run.client.name);
    for fault in &verdict.faults {
        println!("         {fault}");
    }
    for (check, reason) in &verdict.skipped {
        println!("       skipped {check}: {reason}");
    }
}

/// What workbench is let see.
fn write_files(dir: &Path) -> Done {
    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text);
    let written = std::fs::create_dir_all(dir)
        .and_then(|()| write("notes.md", "# Notes\n\nsnow ☃ on the lathe\n"))
        .and_then(|()| write("lathe.rs", "//! A lathe.\n\nfn main() {\n    // TODO: turn\n}\n"));
    written.map_err(|error| format!("{}: {error}", dir.display()))
}

//! Servers that are not ours, behind the gateway: the official ones of npm and PyPI, and one of rmcp's, listed and called
//! through it by clients that are not ours either.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::thread;

use serde_json::{Value, json};

use super::judge::{Verdict, command, play};
use super::{CLIENTS, Client, Era, Lab, Runner, Transport, install};
use crate::served::Served;
use crate::{Done, run_in};

/// A server: its name in `calls.json`, and what starts it.
struct RealServer {
    name: &'static str,
    argv: Vec<String>,
    values: Vec<(&'static str, String)>,
}

/// The page that the server `fetch` is asked for.
const PAGE: &str = "<!doctype html><title>Lathes</title><article><h1>Lathes</h1><p>This is a page about lathes.</p></article>";

/// Lists and calls the servers through one gateway, by each client over each transport; says how many runs failed. `quick`
/// takes one client alone, over HTTP.
pub(crate) fn run(lab: &Lab, there: &install::There, quick: bool) -> Result<usize, String> {
    let repo = repository(lab)?;
    let page = page()?;
    let servers = servers(lab, there);
    if servers.is_empty() {
        return Ok(0);
    }
    let file = lab.dir.join("gateway.toml");
    std::fs::write(&file, configuration(&servers)).map_err(|error| format!("{}: {error}", file.display()))?;
    let calls = calls(lab, &servers, &repo, &page)?;
    let mut failed = 0;
    for client in CLIENTS.iter().filter(|client| ["v2.mjs", "v2.py"].contains(&client.script)) {
        if there.of(client.runner).is_err() || (quick && client.script != "v2.mjs") {
            continue;
        }
        for &era in client.eras {
            for transport in [Transport::Http, Transport::Stdio] {
                if quick && (era, transport) != (Era::Modern, Transport::Http) {
                    continue;
                }
                let verdict = judge(lab, client, era, transport, &file, &calls);
                let mark = if verdict.holds() { "ok    " } else { "FAILED" };
                let (transport, passed, count) = (transport.name(), verdict.passed, servers.len());
                let revision = verdict.revision.as_deref().unwrap_or("no revision");
                println!(
                    "{mark} gateway of {count} servers · {} · {transport} · {revision} · {passed} checks",
                    client.name
                );
                verdict.faults.iter().for_each(|fault| println!("         {fault}"));
                failed += usize::from(!verdict.holds());
            }
        }
    }
    Ok(failed)
}

/// The servers that there are; of those that are not, a line says why.
fn servers(lab: &Lab, there: &install::There) -> Vec<RealServer> {
    let text = |path: PathBuf| path.display().to_string();
    let files = text(lab.dir.join("files"));
    let npm = |name: &str, args: &[&str]| {
        let program =
            lab.dir.join("servers/node_modules/@modelcontextprotocol").join(name).join("dist/index.js");
        let command = [text(install::node(lab)), text(program)];
        command.into_iter().chain(args.iter().map(|arg| (*arg).to_owned())).collect::<Vec<_>>()
    };
    let python = text(install::python(lab, install::SERVERS));
    let pip = |module: &str, args: &[&str]| {
        let command = [&*python, "-m", module];
        command.iter().chain(args).map(|arg| (*arg).to_owned()).collect::<Vec<_>>()
    };
    let of = |name, argv| RealServer { name, argv, values: Vec::new() };
    let memory = RealServer {
        values: vec![("MEMORY_FILE_PATH", text(lab.dir.join("memory.jsonl")))],
        ..of("memory", npm("server-memory", &[]))
    };
    let by_runner = [
        (
            &there.node_servers,
            vec![
                of("files", npm("server-filesystem", &[&files])),
                of("everything", npm("server-everything", &["stdio"])),
                memory,
            ],
        ),
        (
            &there.python_servers,
            vec![
                of("git", pip("mcp_server_git", &[])),
                of("time", pip("mcp_server_time", &["--local-timezone", "UTC"])),
                of("fetch", pip("mcp_server_fetch", &["--ignore-robots-txt", "--allow-private-ips"])),
            ],
        ),
        (
            there.of(Runner::Cargo),
            vec![of("rmcp", vec![text(lab.dir.join("rmcp/debug/interop-rmcp-server"))])],
        ),
    ];
    let mut all = Vec::new();
    for (is_there, servers) in by_runner {
        match is_there {
            Ok(()) => all.extend(servers),
            Err(reason) => {
                let names: Vec<&str> = servers.iter().map(|server| server.name).collect();
                println!("skipped the servers {}: {reason}", names.join(", "));
            }
        }
    }
    all
}

/// `gateway.toml` of these servers. (A JSON string is one of TOML, too.)
fn configuration(servers: &[RealServer]) -> String {
    let mut text = String::new();
    for RealServer { name, argv, values } in servers {
        text += &format!("[upstreams.{name}]\nargv = {}\n", json!(argv));
        for (variable, value) in values {
            text += &format!("env-values.{variable} = {}\n", json!(value));
        }
    }
    text
}

/// The calls that are made of these servers, by the names that the gateway gives their tools.
fn calls(lab: &Lab, servers: &[RealServer], repo: &Path, page: &str) -> Result<Vec<Value>, String> {
    let listed = lab.root.join("interop/servers/calls.json");
    let text = std::fs::read_to_string(&listed).map_err(|error| format!("{}: {error}", listed.display()))?;
    let places = [
        ("{files}", lab.dir.join("files").display().to_string()),
        ("{repo}", repo.display().to_string()),
        ("{page}", page.to_owned()),
    ];
    let text = places.iter().fold(text, |text, (place, value)| text.replace(place, value));
    let all: Value = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", listed.display()))?;
    let mut calls = Vec::new();
    for RealServer { name, .. } in servers {
        let of = all[name].as_array().ok_or(format!("{}: has no calls of {name}", listed.display()))?;
        calls.extend(of.iter().map(|call| {
            let tool = call["tool"].as_str().unwrap_or_default();
            json!({ "name": format!("{name}_{tool}"), "arguments": call["arguments"], "text": call["text"] })
        }));
    }
    Ok(calls)
}

/// One client, over one transport: it must have listed and called everything.
fn judge(
    lab: &Lab,
    client: &'static Client,
    era: Era,
    transport: Transport,
    file: &Path,
    calls: &[Value],
) -> Verdict {
    let mut verdict = Verdict::default();
    // What an earlier run made the server remember.
    let _gone = std::fs::remove_file(lab.dir.join("memory.jsonl"));
    let file = file.display().to_string();
    let args = ["serve", "--config", &file];
    let (served, gateway) = match transport {
        Transport::Stdio => (None, json!({ "command": lab.root.join("target/debug/gateway"), "args": args })),
        _ => match Served::start(&lab.root, "gateway", &[&args[..], &["--http", "127.0.0.1:0"]].concat()) {
            Ok(served) => {
                let url = served.url.clone();
                (Some(served), json!({ "url": url }))
            }
            Err(error) => {
                verdict.faults.push(error);
                return verdict;
            }
        },
    };
    let config = json!({ "era": era.name(), "gateway": gateway, "calls": calls });
    let script = client.script.replace("v2", "gateway");
    let nothing = |what: &str| Err(format!("nothing can be done about `{what}` here"));
    let lines =
        play(command(lab, client.runner, &script), lab, &config, nothing).unwrap_or_else(|(lines, error)| {
            verdict.faults.push(error);
            lines
        });
    if let Some(mut served) = served {
        served.end();
    }
    verdict.revision = lines.iter().find_map(|line| line["revision"].as_str()).map(ToOwned::to_owned);
    if verdict.revision.as_deref() != Some(era.revision()) {
        verdict.faults.push(format!("{} was not agreed on", era.revision()));
    }
    let wanted = ["list"].into_iter().chain(calls.iter().filter_map(|call| call["name"].as_str()));
    for name in wanted {
        match lines.iter().find(|line| line["check"] == name) {
            Some(line) if line["ok"] == true => verdict.passed += 1,
            Some(line) => {
                verdict.faults.push(format!("{name}: {}", line["why"].as_str().unwrap_or("no reason given")))
            }
            None => verdict.faults.push(format!("{name}: was not made")),
        }
    }
    verdict
}

/// A repository with one commit.
fn repository(lab: &Lab) -> Result<PathBuf, String> {
    let dir = lab.dir.join("repository");
    if dir.join(".git").is_dir() {
        return Ok(dir);
    }
    std::fs::create_dir_all(&dir)
        .and_then(|()| std::fs::write(dir.join("notes.md"), "# Notes\n"))
        .map_err(|error| format!("{}: {error}", dir.display()))?;
    let commands: [&[&str]; 3] = [
        &["init", "--quiet"],
        &["add", "notes.md"],
        &[
            "-c",
            "user.name=interop",
            "-c",
            "user.email=interop@example.org",
            "commit",
            "--quiet",
            "-m",
            "notes",
        ],
    ];
    commands.iter().try_for_each(|args| -> Done { run_in(&dir, "git", args) })?;
    Ok(dir)
}

/// Serves a page on a loopback port, until the process ends; its URL.
fn page() -> Result<String, String> {
    let faulty = |error: std::io::Error| format!("the page about lathes: {error}");
    let listener = TcpListener::bind("127.0.0.1:0").map_err(faulty)?;
    let address = listener.local_addr().map_err(faulty)?;
    #[expect(clippy::disallowed_methods, reason = "ends with the process")]
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _asked = stream.read(&mut [0; 4 << 10]);
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length:";
            let _answered = write!(stream, "{head} {}\r\n\r\n{PAGE}", PAGE.len());
        }
    });
    Ok(format!("http://{address}/lathes"))
}

//! `docs/gateway.md`, done as it says.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::fixture::{Ended, GATEWAY, Place};

const PAGE: &str = include_str!("../../../../docs/gateway.md");

/// The text of the fence of this language whose first line is `first`.
fn fence(language: &str, first: &str) -> &'static str {
    let begin = format!("```{language}\n");
    let fences = PAGE.split(&*begin).skip(1).filter_map(|rest| rest.split_once("```"));
    fences.map(|(text, _)| text).find(|text| text.starts_with(first)).unwrap()
}

/// The page's file, without what is on the network: what is there is closed.
fn file() -> String {
    let toml = fence("toml", "# gateway.toml");
    ["https://api.githubcopilot.com/mcp/", "https://mcp.deepwiki.com/mcp"]
        .into_iter()
        .fold(toml.to_owned(), |toml, url| toml.replace(url, "http://127.0.0.1:1/mcp"))
}

/// A directory with the page's file, and programs in `bin` that stand for those that start servers: each serves one tool of
/// the server that it is asked for.
fn place() -> Place {
    let place = Place::with(&file());
    for starter in ["npx", "uvx"] {
        let script = format!(
            "#!/bin/sh\nfor name; do case $name in *server-*) break;; esac; done\n\
             exec {GATEWAY} serve --config \"{}/stand-in-${{name##*server-}}.toml\"\n",
            place.path("").display(),
        );
        place.program(starter, &script);
    }
    for (server, tool) in [
        ("filesystem", "read_text_file"),
        ("memory", "read_graph"),
        ("sequential-thinking", "sequentialthinking"),
        ("everything", "echo"),
        ("git", "git_log"),
        ("time", "convert_time"),
        ("fetch", "fetch"),
    ] {
        let inner = format!(
            "[programs.{tool}]\ndescription = 'Stands for {server}.'\nargv = ['echo', '{server}']\nread-only = true\n\
             [programs.{tool}.input-schema]\ntype = 'object'\n"
        );
        place.write(&format!("stand-in-{server}.toml"), &inner);
    }
    place
}

/// A command of the page, as a shell runs it.
fn sh(place: &Place, line: &str, token: Option<&str>) -> Ended {
    let here = Path::new(GATEWAY).parent().unwrap().display().to_string();
    let path = format!("{}:{here}:{}", place.path("bin").display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(place.path("")).env("PATH", path).env("PWD", place.path(""));
    command.env_remove("GITHUB_TOKEN");
    if let Some(token) = token {
        command.env("GITHUB_TOKEN", token);
    }
    Ended::of(&command.output().unwrap())
}

/// The lines of the page that begin like this.
fn lines(begin: &str) -> Vec<&'static str> {
    PAGE.lines().filter(|line| line.starts_with(begin)).collect()
}

#[test]
fn the_file_of_the_page_has_no_fault_and_its_faults_are_told_as_it_says() {
    let place = place();
    let [check] = lines("gateway check")[..] else { panic!("one check") };
    let ended = sh(&place, check, Some("0123456789"));
    assert_eq!((ended.code, &*ended.stdout), (Some(0), fence("text", "ok:")), "{ended:?}");
    place.write("gateway.toml", &file().replace("at-once", "at-onec"));
    let ended = sh(&place, check, None);
    assert_eq!((ended.code, &*ended.stderr), (Some(2), fence("text", "gateway: ")), "{ended:?}");

    let whole = [&file(), fence("toml", "# policies.toml"), fence("toml", "# serve.toml")].concat();
    place.write("gateway.toml", &whole);
    place.write("tokens", "ada 0123456789abcdef0123456789abcdef\n");
    let ended = sh(&place, check, Some("0123456789"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn the_commands_of_the_page_list_and_call() {
    let place = place();
    place.write("gateway.toml", &[&file(), fence("toml", "# policies.toml")].concat());
    let [list] = lines("gateway list")[..] else { panic!("one list") };
    let ended = sh(&place, &format!("{list} --json"), Some("0123456789"));
    let document: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
    for (origin, state) in document["origins"].as_object().unwrap() {
        let is_far = ["upstreams.github", "upstreams.wiki", "upstreams.docs"].contains(&&**origin);
        assert_eq!(state["state"], if is_far { "down" } else { "ready" }, "{origin}: {ended:?}");
    }
    assert_eq!(ended.code, Some(1), "not all are there: {}", ended.stderr);
    let tool =
        |name: &str| document["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == name).unwrap();
    assert_eq!(tool("time_convert_time")["origin"], "upstreams.time");
    assert!(tool("time_convert_time")["policies"].to_string().contains("cached 3600s"));
    assert!(tool("fetch_fetch")["policies"].to_string().contains("60 per 60s"));

    let calls = lines("gateway call");
    assert_eq!(calls.len(), 2);
    for (call, part) in calls.into_iter().zip(["/", "time"]) {
        let ended = sh(&place, call, Some("0123456789"));
        assert!(ended.code == Some(0) && ended.stdout.contains(part), "{call}: {ended:?}");
    }
}

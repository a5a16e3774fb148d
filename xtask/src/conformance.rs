//! The official conformance suite against `examples/conformance`.

use std::path::Path;
use std::process::Command;

use crate::served::Served;
use crate::{Done, build_binaries, root, run_in};

const SUITE: &str = "@modelcontextprotocol/conformance@0.2.0-alpha.12";
/// The suite needs a newer node than many machines have; the package brings it.
const NODE: &str = "node@22";

/// Scenarios that the suite runs beside its set of 2026-07-28 and does not score, and that apply to us.
/// (`tasks-status-notifications` is always skipped.)
const UNSCORED: &[&str] = &[
    "http-header-validation",
    "http-custom-header-server-validation",
    "json-schema-2020-12",
    "tasks-capability-negotiation",
    "tasks-dispatch-and-envelope",
    "tasks-lifecycle",
    "tasks-mrtr-composition",
    "tasks-mrtr-input",
    "tasks-request-headers",
    "tasks-request-state-removal",
    "tasks-required-task-error",
    "tasks-wire-fields",
];

/// What is run, and the suite's options for it. Two revisions have a set that is frozen; of the one before, the suite
/// has scenarios; of 2025-03-26 it has one (`server-session-lifecycle`), which is in all that follow; of 2024-11-05 none.
const SETS: &[(&str, &[&str])] = &[
    ("2026-07-28", &["--requirements", "2026-07-28"]),
    ("2025-11-25", &["--requirements", "2025-11-25"]),
    ("2025-06-18", &["--suite", "all", "--spec-version", "2025-06-18"]),
];

/// Runs every set, prints one line for each, and fails if one is not perfect.
pub(crate) fn run() -> Done {
    let root = root();
    let dir = root.join("target/conformance");
    if let Err(reason) = install(&dir) {
        println!("skipped: the conformance suite cannot be installed ({reason})");
        return Ok(());
    }
    build_binaries(&root)?;
    let server = Served::start(&root, "conformance", &["127.0.0.1:0"])?;
    let mut failed = Vec::new();
    for (set, options) in SETS {
        let scenarios = suite(&dir, &server.url, set, options)?;
        let (scored, unscored): (Vec<_>, Vec<_>) =
            scenarios.into_iter().partition(|scenario| scenario.scored);
        let mut perfect = report(set, &scored);
        if *set == "2026-07-28" {
            let apply: Vec<_> = unscored.into_iter().filter(|s| UNSCORED.contains(&&*s.name)).collect();
            perfect &= apply.len() == UNSCORED.len();
            perfect &= report(&format!("{set} unscored"), &apply);
        }
        if !perfect {
            failed.push(*set);
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(format!("the set {} is not at 100 %", failed.join(", "))),
    }
}

fn install(dir: &Path) -> Done {
    std::fs::create_dir_all(dir).map_err(|error| error.to_string())?;
    if !dir.join("node_modules/@modelcontextprotocol/conformance/dist/index.js").is_file() {
        let args = ["install", "--silent", "--no-audit", "--no-fund", "--prefix", ".", SUITE, NODE];
        run_in(dir, "npm", &args)?;
    }
    run_in(dir, "node_modules/.bin/node", &["-e", ""])
}

/// What the suite says of one scenario.
struct Scenario {
    name: String,
    scored: bool,
    passed: u32,
    failed: u32,
}

fn suite(dir: &Path, url: &str, set: &str, options: &[&str]) -> Result<Vec<Scenario>, String> {
    let args = ["node_modules/@modelcontextprotocol/conformance/dist/index.js", "server", "--url", url];
    let out = Command::new("node_modules/.bin/node")
        .args(args)
        .args(options)
        .args(["-o", &format!("out/{set}")])
        .current_dir(dir)
        .output()
        .map_err(|error| format!("the suite did not start: {error}"))?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let scenarios = parse(&text);
    if scenarios.is_empty() {
        return Err(format!("the suite printed no summary:\n{text}"));
    }
    Ok(scenarios)
}

/// Reads the summary: a line for each scenario, then the names of those that are not scored.
fn parse(text: &str) -> Vec<Scenario> {
    let summary = text.rsplit("=== SUMMARY ===").next().unwrap_or("");
    let (results, unscored) = summary.split_once("Not scored for").unwrap_or((summary, ""));
    let is_unscored = |name: &str| unscored.lines().any(|line| line.split_whitespace().nth(1) == Some(name));
    let scenario = |line: &str| -> Option<Scenario> {
        let (name, counts) = line.trim().trim_start_matches(['✓', '✗', ' ']).split_once(": ")?;
        let (passed, failed) = counts.split_once(" passed, ")?;
        let (passed, failed) = (passed.parse().ok()?, failed.split(' ').next()?.parse().ok()?);
        Some(Scenario { name: name.to_owned(), scored: !is_unscored(name), passed, failed })
    };
    results.lines().filter(|line| !line.starts_with("Total")).filter_map(scenario).collect()
}

/// Prints `SET scenarios P/N checks P/N`, and each scenario that is not perfect; says whether all are.
fn report(set: &str, scenarios: &[Scenario]) -> bool {
    let perfect = scenarios.iter().filter(|scenario| scenario.failed == 0).count();
    let passed: u32 = scenarios.iter().map(|scenario| scenario.passed).sum();
    let failed: u32 = scenarios.iter().map(|scenario| scenario.failed).sum();
    println!("{set} scenarios {perfect}/{} checks {passed}/{}", scenarios.len(), passed + failed);
    for Scenario { name, passed, failed, .. } in scenarios.iter().filter(|scenario| scenario.failed != 0) {
        println!("  {name}: {passed} passed, {failed} failed");
    }
    perfect == scenarios.len() && !scenarios.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_read() {
        let text = "noise: 9 passed, 9 failed\n=== SUMMARY ===\n✓ a: 2 passed, 0 failed\n✗ b: 1 passed, 3 failed\n\
                    \nTotal: 3 passed, 3 failed\n\nNot scored for X: 1 scenario(s)\n  ✗ b (pending)\n";
        let scenarios = parse(text);
        let seen: Vec<_> = scenarios.iter().map(|s| (&*s.name, s.scored, s.passed, s.failed)).collect();
        assert_eq!(seen, [("a", true, 2, 0), ("b", false, 1, 3)]);
    }
}

//! Load, for a moment.

use std::process::{Command, Output};

use serde_json::Value;

use crate::fixture::Place;

fn load(args: &[&str]) -> Output {
    let place = Place::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_workbench"));
    command.arg("load").args(args).arg("--root").arg(place.root()).output().unwrap()
}

fn figures(args: &[&str]) -> Value {
    let output = load(args);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_closed_loop_is_measured() {
    let figures = figures(&["--seconds", "1", "--connections", "4", "--json"]);
    let latencies = &figures["answered"];
    assert!(latencies["count"].as_u64() > Some(0), "{figures}");
    assert!(latencies["micros"]["p50"].as_u64() <= latencies["micros"]["max"].as_u64(), "{figures}");
    assert_eq!((&figures["failed"], &figures["refused"]["count"]), (&0.into(), &0.into()), "{figures}");
}

#[test]
fn an_open_loop_makes_every_call_that_is_due() {
    let figures = figures(&["--seconds", "1", "--connections", "4", "--rate", "50", "--json"]);
    let made = figures["answered"]["count"].as_u64().unwrap() + figures["unsent"].as_u64().unwrap();
    assert_eq!(made, 50, "{figures}");
}

#[test]
fn what_people_see_has_a_histogram() {
    let output = load(&["--seconds", "1", "--connections", "2"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("p99 ") && text.contains("  up to ") && text.contains('#'), "{text}");
}

#[test]
fn what_cannot_be_loaded_is_said() {
    for (args, said) in [
        (&["--url", "http://example.com/mcp"][..], "not on this machine"),
        (&["--connections", "0"], "0 is not in 1..=1000"),
        (&["--seconds", "100000"], "is not in 1..=3600"),
        (&["--arguments", "{"], "--arguments"),
        (&["--overload", "--rate", "5"], "cannot be used with"),
    ] {
        let output = load(args);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(said), "{args:?}: {text}");
    }
}

/// A tool that only fails is a load that fails, and the exit code says so.
#[test]
fn failures_are_counted_and_end_badly() {
    let output =
        load(&["--seconds", "1", "--tool", "read_file", "--arguments", r#"{"path":"nowhere"}"#, "--json"]);
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(!output.status.success() && figures["failed"].as_u64() > Some(0), "{figures}");
    assert!(figures["first_failure"].as_str().unwrap().contains("nowhere"), "{figures}");
}

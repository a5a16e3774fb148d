//! Runs that have names: killed, shown, resumed, cancelled, run again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fixture::write;

/// Programs that leave a line in a file for each time they are called. `wait` and `brittle` need a file `go`.
const PROGRAMS: &str = r#"
    [programs.first]
    argv = ["sh", "-c", "echo x >> effects; echo one"]
    cwd = "."
    read-only = true
    [programs.wait]
    argv = ["sh", "-c", "echo x >> waits; while ! [ -e go ]; do sleep 0.02; done; echo two"]
    cwd = "."
    read-only = true
    [programs.brittle]
    argv = ["sh", "-c", "echo x >> tries; if [ -e go ]; then echo three; else echo no go >&2; exit 3; fi"]
    cwd = "."
    read-only = true
"#;

/// A root, programs, a journal, and a workflow whose second step is of the program `second`.
struct Shop {
    dir: TempDir,
}

impl Shop {
    fn new(second: &str, durable: Option<&str>) -> Self {
        let shop = Self { dir: TempDir::new().unwrap() };
        write(&shop.path("programs.toml"), PROGRAMS);
        let mut plan = json!({
            "steps": {
                "first": { "tool": "first", "arguments": {} },
                "second": { "tool": second, "arguments": {}, "after": ["first"] }
            },
            "output": [{ "$ref": "/steps/first/output" }, { "$ref": "/steps/second/output" }]
        });
        if let Some(name) = durable {
            plan["durable"] = json!(name);
        }
        write(&shop.path("plan.json"), &plan.to_string());
        fs::create_dir(shop.path("root")).unwrap();
        shop
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// How many lines a file has.
    fn lines(&self, name: &str) -> usize {
        fs::read_to_string(self.path(name)).map_or(0, |text| text.lines().count())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_workbench"));
        command.args(args).arg("--root").arg(self.path("root"));
        command
    }

    fn on_runs(&self, args: &[&str]) -> Command {
        let mut command = self.command(args);
        command.arg("--runs").arg(self.path("runs"));
        if matches!(args, ["workflow", ..] | ["runs", "resume" | "retry", ..]) {
            command.arg("--programs").arg(self.path("programs.toml"));
        }
        command
    }

    fn begin(&self, more: &[&str]) -> Command {
        let plan = self.path("plan.json");
        self.on_runs(&[&["workflow", "run", plan.to_str().unwrap()], more].concat())
    }

    /// What `runs` says on stdout, or on stderr if it ends badly.
    fn runs(&self, args: &[&str]) -> Result<String, String> {
        said(&self.on_runs(&[&["runs"], args].concat()).output().unwrap())
    }

    fn shown(&self, name: &str) -> Value {
        serde_json::from_str(&self.runs(&["show", name, "--json"]).unwrap()).unwrap()
    }

    /// Begins the run `order` and comes back when its first step is recorded as done, and its second waits.
    fn begun(&self, more: &[&str]) -> Child {
        let mut child = self.begin(more).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        while self.lines("waits") == 0 || self.shown("order")["steps"][0]["state"] != "succeeded" {
            if child.try_wait().unwrap().is_some() {
                panic!("it ended: {:?}", said(&child.wait_with_output().unwrap()));
            }
        }
        child
    }

    /// Begins it, and kills the process with signal 9.
    fn killed(&self, more: &[&str]) {
        let mut child = self.begun(more);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn go(&self) {
        write(&self.path("go"), "");
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        // A program whose workbench was killed may wait for it still.
        let _ = fs::write(self.path("go"), "");
    }
}

fn said(output: &Output) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[track_caller]
fn holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in {text}");
    }
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("{text}"))
}

#[test]
fn a_run_that_was_killed_goes_on_by_its_name_and_repeats_no_step_that_was_done() {
    let shop = Shop::new("wait", Some("order"));
    let mut child = shop.begun(&[]);
    // While it runs, one looks and nobody else writes.
    holds(&shop.runs(&["list"]).unwrap(), &["order", "unfinished", "1 of 2 steps"]);
    for verb in ["resume", "retry", "cancel"] {
        holds(&shop.runs(&[verb, "order"]).unwrap_err(), &["in use by another process", "one at a time"]);
    }
    holds(&said(&shop.begin(&[]).output().unwrap()).unwrap_err(), &["in use by another process"]);
    child.kill().unwrap();
    child.wait().unwrap();

    let listed = shop.runs(&["list"]).unwrap();
    holds(&listed, &["order", "unfinished", "1 of 2 steps", "began 20", "changed 20"]);
    let listed = json_of(&shop.runs(&["list", "--json"]).unwrap());
    assert_eq!((&listed["runs"][0]["name"], listed["runs"].as_array().unwrap().len()), (&json!("order"), 1));
    let told = shop.runs(&["show", "order"]).unwrap();
    holds(
        &told,
        &["order: unfinished", "first ", "succeeded", "1 attempt", r#""one"#, "workbench runs resume order"],
    );
    let shown = shop.shown("order");
    assert_eq!((&shown["state"], &shown["steps"][0]["attempts"]), (&json!("unfinished"), &json!(1)));

    shop.go();
    let output = json_of(&shop.runs(&["resume", "order"]).unwrap());
    holds(&output.to_string(), &["one", "two"]);
    assert_eq!((shop.lines("effects"), shop.lines("waits")), (1, 2), "what was done is not done again");
    let told = shop.runs(&["show", "order"]).unwrap();
    holds(&told, &["order: succeeded", r#""two"#]);
    assert!(!told.contains("workbench runs"), "there is nothing left to do: {told}");

    // What has ended is there to be read, and nothing else.
    assert_eq!(json_of(&shop.runs(&["resume", "order"]).unwrap()), output);
    assert_eq!(json_of(&said(&shop.begin(&[]).output().unwrap()).unwrap()), output);
    assert_eq!((shop.lines("effects"), shop.lines("waits")), (1, 2));
    holds(&shop.runs(&["retry", "order"]).unwrap_err(), &["succeeded", "runs resume"]);
    holds(&shop.runs(&["cancel", "order"]).unwrap_err(), &["has ended (succeeded)", "nothing to cancel"]);
}

#[test]
fn a_step_that_failed_runs_again_when_it_is_asked_to_and_those_before_it_do_not() {
    let shop = Shop::new("brittle", None);
    let failed = said(&shop.begin(&["--name", "order"]).output().unwrap()).unwrap_err();
    holds(&failed, &["FAIL", "step `second`", "workbench runs retry order"]);
    let tries = shop.lines("tries");
    assert_eq!(shop.lines("effects"), 1);
    holds(&shop.runs(&["list"]).unwrap(), &["order", "failed", "1 of 2 steps"]);
    holds(
        &shop.runs(&["show", "order"]).unwrap(),
        &["order: failed", "second ", "exit status 3", "runs retry order"],
    );

    holds(&shop.runs(&["resume", "order"]).unwrap_err(), &["failed, and stays so", "runs retry order"]);
    assert_eq!(shop.lines("tries"), tries);
    holds(&shop.runs(&["retry", "order"]).unwrap_err(), &["FAIL", "step `second`"]);
    assert!(tries < shop.lines("tries"), "it was tried again");

    shop.go();
    holds(&shop.runs(&["retry", "order"]).unwrap(), &["one", "three"]);
    assert_eq!(shop.lines("effects"), 1);
    holds(&shop.runs(&["show", "order"]).unwrap(), &["order: succeeded", "3 attempts", r#""three"#]);
}

#[test]
fn a_run_that_is_cancelled_is_not_resumed() {
    let shop = Shop::new("wait", Some("another"));
    shop.killed(&["--name", "order"]);
    holds(&shop.runs(&["cancel", "order"]).unwrap(), &["order: cancelled"]);
    holds(&shop.runs(&["list"]).unwrap(), &["order", "cancelled"]);
    shop.go();
    for verb in ["resume", "retry"] {
        holds(&shop.runs(&[verb, "order"]).unwrap_err(), &["was cancelled", "workflow run --name"]);
    }
    let again = said(&shop.begin(&["--name", "order"]).output().unwrap()).unwrap_err();
    holds(&again, &["was cancelled", "under another name"]);
    assert_eq!((shop.lines("effects"), shop.lines("waits")), (1, 1));
    // The name of the document is free.
    holds(&said(&shop.begin(&[]).output().unwrap()).unwrap(), &["one", "two"]);
    holds(&shop.runs(&["list"]).unwrap(), &["another ", "succeeded", "order "]);
}

#[test]
fn a_run_without_a_name_or_a_directory_is_told_which_option_it_lacks() {
    let shop = Shop::new("first", Some("order"));
    let plan = shop.path("plan.json");
    let programs = shop.path("programs.toml");
    let args = ["workflow", "run", plan.to_str().unwrap(), "--programs", programs.to_str().unwrap()];
    let refused = said(&shop.command(&args).output().unwrap()).unwrap_err();
    holds(&refused, &["/durable", "`order`", "--runs DIR", "leave `durable` out"]);
    let refused = said(&shop.begin(&["--name", "a name"]).output().unwrap()).unwrap_err();
    holds(&refused, &["the name of a run has 1 to 128"]);
    let shop = Shop::new("first", None);
    holds(&said(&shop.begin(&[]).output().unwrap()).unwrap_err(), &["has no name", "--name NAME"]);
    assert_eq!(shop.lines("effects"), 0);
    for args in [["list", "--json"], ["show", "order"], ["resume", "order"], ["cancel", "order"]] {
        holds(&shop.runs(&args).unwrap_err(), &["cannot read the runs in", "workflow run FILE --runs DIR"]);
    }
    assert!(!shop.path("runs").exists(), "who looks makes no journal");
    said(&shop.begin(&["--name", "one"]).output().unwrap()).unwrap();
    for verb in ["show", "resume", "retry", "cancel"] {
        holds(
            &shop.runs(&[verb, "two"]).unwrap_err(),
            &["there is no run `two`", "workbench runs list --runs"],
        );
    }
    // Its programs are not kept with it.
    let runs = shop.path("runs");
    let args = ["runs", "resume", "one", "--runs", runs.to_str().unwrap()];
    let refused = said(&shop.command(&args).output().unwrap()).unwrap_err();
    holds(&refused, &["/steps/first/tool: ", "run `one`", "--programs FILE"]);
    // Another document under a name that is taken.
    write(&shop.path("plan.json"), r#"{ "steps": { "first": { "tool": "first" } }, "output": 1 }"#);
    holds(
        &said(&shop.begin(&["--name", "one"]).output().unwrap()).unwrap_err(),
        &["another document", "another name"],
    );
}

#[test]
fn a_journal_that_is_damaged_is_an_error_everywhere_and_stays_as_it_is() {
    let shop = Shop::new("first", None);
    for name in ["one", "two", "three"] {
        said(&shop.begin(&["--name", name]).output().unwrap()).unwrap();
    }
    let largest = largest(&shop.path("runs"));
    let mut bytes = fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    fs::write(&largest, &bytes).unwrap();
    for args in
        [&["list"][..], &["list", "--json"], &["show", "one"], &["resume", "three"], &["cancel", "two"]]
    {
        holds(&shop.runs(args).unwrap_err(), &["cannot read the runs in", "is damaged at byte"]);
    }
    let begun = said(&shop.begin(&["--name", "four"]).output().unwrap()).unwrap_err();
    holds(&begun, &["cannot open the runs in", "is damaged at byte"]);
    assert_eq!(fs::read(&largest).unwrap(), bytes);
}

fn largest(directory: &Path) -> PathBuf {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap()
}

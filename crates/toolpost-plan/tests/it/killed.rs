//! The process is killed in the middle of runs: each goes on, nothing that was done is done again, and what may have been
//! done is asked about.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};
use toolpost_plan::{PlanInput, PlanLimits, PlanRunState, PlanRuns, StepCall, StepCaller};
use toolpost_tool::{BoxFuture, Call, Output, ToolError};
use toolpost_workflow::{OnUnknown, RunOutcome};

use crate::support::{compile, tools};

/// Runs that are killed, if `TOOLPOST_CASES` says nothing; 200 in the long form.
const KILLS: u64 = 12;

/// Steps that are safe to repeat beside such that are not, in chains and side by side.
fn document() -> Value {
    let step =
        |tool: &str, after: &[&str]| json!({ "tool": tool, "arguments": { "text": 1 }, "after": after });
    json!({
        "steps": {
            "s1": step("send", &[]), "e1": step("echo", &[]),
            "s2": step("send", &["s1"]), "e2": step("echo", &["s1", "e1"]), "s3": step("send", &["e1"]),
            "e3": step("echo", &["s2"]), "s4": step("send", &["e2", "s3"]),
            "each": { "tool": "echo", "arguments": { "text": { "$ref": "/item" } }, "map": { "over": [1, 2, 3] }, "after": ["s3"] },
            "s5": step("send", &["e3", "s4", "each"])
        },
        "output": { "$ref": "/steps/s5/output" }
    })
}

/// Writes down when a call begins and ends.
struct Effects(PathBuf);

impl Effects {
    #[expect(clippy::print_stdout, reason = "the parent reads it")]
    fn say(&self, what: &str, step: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(&self.0).expect("effects");
        file.write_all(format!("{what} {step}\n").as_bytes()).expect("written");
        println!("{what} {step}");
    }
}

impl StepCaller for Effects {
    fn call(&self, step: StepCall) -> BoxFuture<'static, Result<Output, ToolError>> {
        let effects = Self(self.0.clone());
        Box::pin(async move {
            effects.say("begin", &step.step);
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            effects.say("end", &step.step);
            Output::json(&json!({ "text": step.item }))
        })
    }
}

/// One life of the run that the environment names; run by the tests below in a process of its own.
#[test]
#[ignore = "run by the other tests, as a process of its own"]
fn the_child() {
    let Ok(path) = std::env::var("TOOLPOST_PLAN_RUNS").map(PathBuf::from) else { return };
    let name = std::env::var("TOOLPOST_PLAN_RUN").expect("a name");
    let answer = std::env::var("TOOLPOST_PLAN_ANSWER").ok();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let runs = PlanRuns::open(&path).expect("the journal");
        let caller = Arc::new(Effects(path.with_file_name(format!("{name}.effects"))));
        let call = Call::new(&json!({})).expect("an object");
        let plan = compile(&document()).expect("a plan");
        let known = runs.show(&name).await.expect("a record").is_some();
        let start = match known {
            false => runs.begin(&name, &plan, PlanInput::new(call, caller)).await.expect("a run"),
            true => {
                let limits = PlanLimits::default();
                runs.resume(&name, &tools(), &limits, call, caller).await.expect("a run").1
            }
        };
        println!("begun");
        let start = match answer.as_deref() {
            Some("retry") => start.decide_unknown(|step| {
                println!("retry {step}");
                OnUnknown::Retry
            }),
            Some(_) => start.decide_unknown(|_| OnUnknown::GiveUp),
            None => start,
        };
        let report = start.run().await;
        if report.outcome() == RunOutcome::Succeeded {
            let output = plan.finish(report).expect("an output");
            println!("ended {}", output.structured().expect("structured content"));
        } else {
            println!("ended {:?}", report.outcome());
        }
    });
}

fn child(path: &Path, name: &str, answer: Option<&str>) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "killed::the_child", "--ignored", "--nocapture"]);
    command.env("TOOLPOST_PLAN_RUNS", path).env("TOOLPOST_PLAN_RUN", name);
    if let Some(answer) = answer {
        command.env("TOOLPOST_PLAN_ANSWER", answer);
    }
    command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("a child")
}

/// Lines of a child until it ends, or until `most` of them, when it is killed.
fn life(path: &Path, name: &str, answer: Option<&str>, most: Option<u64>) -> Vec<String> {
    let mut child = child(path, name, answer);
    let output = BufReader::new(child.stdout.take().expect("its output"));
    let mut lines = Vec::new();
    for line in output.lines().map_while(Result::ok) {
        lines.push(line);
        if most.is_some_and(|most| most <= lines.len() as u64) {
            break;
        }
    }
    let _ = child.kill();
    child.wait().expect("its end");
    lines
}

fn begun(path: &Path, name: &str) -> BTreeMap<String, usize> {
    let text = fs::read_to_string(path.with_file_name(format!("{name}.effects"))).unwrap_or_default();
    text.lines().filter_map(|line| line.strip_prefix("begin ")).fold(BTreeMap::new(), |mut counts, step| {
        *counts.entry(step.to_owned()).or_default() += 1;
        counts
    })
}

#[test]
fn killed_at_random_moments_a_run_ends_and_repeats_nothing() {
    let kills = std::env::var("TOOLPOST_CASES").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("runs");
    let (mut seed, mut killed, mut asked, mut given_up) = (0x9e37_79b9_u64, 0, 0, 0);
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut run = 0;
    while killed < kills || asked == 0 && killed < 10 * kills {
        let name = format!("run-{run}");
        run += 1;
        // Steps that the record says are done, and how often each had begun by then.
        let mut done: BTreeMap<String, usize> = BTreeMap::new();
        let mut allowed: BTreeMap<String, usize> = BTreeMap::new();
        let mut answer = None;
        for life_of_it in 0.. {
            let most = (life_of_it < 3).then(|| 3 + random(26));
            let lines = life(&path, &name, answer, most);
            let ended = lines.iter().find_map(|line| line.strip_prefix("ended "));
            killed += u64::from(ended.is_none());
            for step in lines.iter().filter_map(|line| line.strip_prefix("retry ")) {
                *allowed.entry(step.to_owned()).or_default() += 1;
            }
            let counts = begun(&path, &name);
            for (step, count) in &done {
                assert_eq!(counts.get(step), Some(count), "{name}: `{step}` was done, and began again");
            }
            for (step, count) in counts.iter().filter(|(step, _)| step.starts_with('s')) {
                let most = 1 + allowed.get(step).copied().unwrap_or(0);
                assert!(*count <= most, "{name}: `{step}` began {count} times, and nobody was asked");
            }
            let shown = PlanRuns::look(&path).unwrap();
            let Some(shown) = shown.iter().find(|shown| shown.name() == name) else { continue };
            let succeeded: BTreeSet<&str> =
                shown.steps().filter(|(_, state)| *state == "succeeded").map(|(step, _)| step).collect();
            for step in succeeded {
                done.insert(step.to_owned(), counts.get(step).copied().unwrap_or(0));
            }
            match ended {
                Some("Unknown") => {
                    asked += 1;
                    assert_eq!(shown.state(), PlanRunState::Unfinished, "{name}");
                    answer = Some(if random(4) == 0 { "give up" } else { "retry" });
                }
                Some("Failed") => {
                    assert_eq!(answer, Some("give up"), "{name}");
                    given_up += 1;
                    break;
                }
                Some(output) => {
                    assert_eq!(output, r#"{"text":null}"#, "{name}");
                    assert_eq!((shown.state(), done.len()), (PlanRunState::Finished, 9), "{name}");
                    break;
                }
                None => {}
            }
            assert!(life_of_it < 20, "{name} does not end");
        }
    }
    println!("{killed} kills in {run} runs; asked {asked} times, given up {given_up}");
    assert!(0 < asked, "no kill came in the middle of what is not safe to repeat");
}

//! Runs that have names.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;
use toolpost_json::Frame;
use toolpost_plan::{CompiledPlan, PlanInput, PlanLimits, PlanRunState, PlanRuns, StepCall, StepCaller};
use toolpost_tool::{BoxFuture, Call, CallParts, ErrorKind, Output, Principal, ToolError};
use toolpost_workflow::{OnUnknown, RunOutcome};

use crate::support::{Made, compile, tools};

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("runs");
    (directory, path)
}

fn document() -> Value {
    json!({
        "steps": {
            "a": { "tool": "echo", "arguments": { "n": { "$ref": "/input/n" } } },
            "b": { "tool": "send", "arguments": { "text": { "$ref": "/steps/a/output/n" } } }
        },
        "output": { "$ref": "/steps/b/output/text" }
    })
}

fn call_of(principal: &str) -> Call {
    let mut parts = CallParts::default();
    parts.principal = Principal::new(principal);
    Call::from_parts(parts)
}

fn input(principal: &str, caller: &Arc<dyn StepCaller>, n: i64) -> PlanInput {
    let input = Frame::from_serialize(&json!({ "n": n })).expect("encodes");
    PlanInput::new(call_of(principal), Arc::clone(caller)).with_input(input)
}

fn caller(made: &Made) -> Arc<dyn StepCaller> {
    Arc::new(made.clone())
}

async fn resumed(runs: &PlanRuns, name: &str, caller: &Arc<dyn StepCaller>) -> Result<Value, ToolError> {
    let limits = PlanLimits::default();
    let (plan, start) = runs.resume(name, &tools(), &limits, call_of("ada"), Arc::clone(caller)).await?;
    let output = plan.finish(start.run().await)?;
    Ok(serde_json::from_str(output.structured().expect("structured content"))?)
}

fn plan() -> CompiledPlan {
    compile(&document()).expect("a plan")
}

#[tokio::test]
async fn a_run_that_has_ended_is_answered_from_its_record() {
    let (_directory, path) = place();
    let made = Made::default();
    let (plan, caller) = (plan(), caller(&made));
    let runs = PlanRuns::open(&path).unwrap();
    let start = runs.begin("one", &plan, input("ada", &caller, 7)).await.unwrap();
    assert_eq!(plan.finish(start.run().await).unwrap().structured(), Some("7"));
    // Asked for again, and in another process by its name alone.
    let start = runs.begin("one", &plan, input("ada", &caller, 7)).await.unwrap();
    assert_eq!(plan.finish(start.run().await).unwrap().structured(), Some("7"));
    drop(runs);
    let runs = PlanRuns::open(&path).unwrap();
    assert_eq!(resumed(&runs, "one", &caller).await.unwrap(), json!(7));
    assert_eq!(made.count(), 2);
    let shown = &runs.list().await.unwrap()[0];
    assert_eq!((shown.name(), shown.owner(), shown.state()), ("one", "ada", PlanRunState::Finished));
    assert_eq!(shown.steps().collect::<Vec<_>>(), [("a", "succeeded"), ("b", "succeeded")]);
    let json = serde_json::to_value(shown).unwrap();
    assert_eq!((&json["state"], &json["outcome"]), (&json!("finished"), &json!("succeeded")));
    let output = r#"{"n":7}"#;
    assert_eq!(
        json["steps"][0],
        json!({ "step": "a", "state": "succeeded", "attempts": 1, "output": output })
    );
    // While it is open here, it is looked at from outside.
    assert_eq!(PlanRuns::look(&path).unwrap()[0].steps().count(), 2);
}

#[tokio::test]
async fn a_name_is_one_document_one_input_and_one_principal() {
    let (_directory, path) = place();
    let caller = caller(&Made::default());
    let plan = plan();
    let runs = PlanRuns::open(&path).unwrap();
    drop(runs.begin("one", &plan, input("ada", &caller, 1)).await.unwrap());
    let refused = |result: Result<_, ToolError>| result.map(drop).unwrap_err().to_string();
    let other = compile(&json!({ "steps": {}, "output": 1 })).unwrap();
    assert!(refused(runs.begin("one", &other, input("ada", &caller, 1)).await).contains("another document"));
    assert!(refused(runs.begin("one", &plan, input("ada", &caller, 2)).await).contains("another input"));
    assert!(refused(runs.begin("one", &plan, input("bob", &caller, 1)).await).contains("is taken"));
    assert!(refused(runs.begin("o/ne", &plan, input("ada", &caller, 1)).await).contains("1 to 128"));
    assert!(refused(runs.begin("one~plan", &plan, input("ada", &caller, 1)).await).contains("1 to 128"));
    let limits = PlanLimits::default();
    let bob = runs.resume("one", &tools(), &limits, call_of("bob"), Arc::clone(&caller)).await;
    assert_eq!(bob.map(drop).unwrap_err().to_string(), "you have no run `one`");
    assert!(runs.cancel("one", &Principal::new("bob")).await.is_err());
    assert!(runs.remove("one", &Principal::new("bob")).await.is_err());
    runs.remove("one", &Principal::new("ada")).await.unwrap();
    assert!(runs.list().await.unwrap().is_empty());
    assert_eq!(resumed(&runs, "one", &caller).await.unwrap_err().to_string(), "you have no run `one`");
}

#[tokio::test]
async fn a_run_that_was_dropped_goes_on_and_one_that_was_cancelled_does_not() {
    let (_directory, path) = place();
    let made = Made::default();
    let (plan, answering) = (plan(), caller(&made));
    let runs = PlanRuns::open(&path).unwrap();
    let silent: Arc<dyn StepCaller> =
        Arc::new(|_: StepCall| -> BoxFuture<'static, Result<Output, ToolError>> {
            Box::pin(std::future::pending())
        });
    let start = runs.begin("one", &plan, input("ada", &silent, 1)).await.unwrap();
    let mut run = start.run();
    assert!(tokio::time::timeout(std::time::Duration::ZERO, &mut run).await.is_err());
    assert_eq!(runs.show("one").await.unwrap().unwrap().state(), PlanRunState::Running);
    assert!(runs.remove("one", &Principal::new("ada")).await.is_err(), "it is under way");
    drop(run);
    assert_eq!(runs.show("one").await.unwrap().unwrap().state(), PlanRunState::Unfinished);
    assert_eq!(resumed(&runs, "one", &answering).await.unwrap(), json!(1));

    let start = runs.begin("two", &plan, input("ada", &silent, 1)).await.unwrap();
    let (report, cancelled) =
        tokio::join!(start.run(), async { runs.cancel("two", &Principal::new("ada")).await });
    cancelled.unwrap();
    assert_eq!(report.outcome(), RunOutcome::Cancelled);
    assert_eq!(runs.show("two").await.unwrap().unwrap().state(), PlanRunState::Cancelled);
    assert!(resumed(&runs, "two", &answering).await.unwrap_err().to_string().contains("was cancelled"));
    let again = runs.begin("two", &plan, input("ada", &answering, 1)).await.map(drop);
    assert!(again.unwrap_err().to_string().contains("was cancelled"));
    runs.cancel("two", &Principal::new("ada")).await.unwrap();
}

#[tokio::test]
async fn a_cancel_reaches_a_run_also_where_a_second_one_was_prepared_in_vain() {
    let (_directory, path) = place();
    let made = Made::default();
    let (plan, answering) = (plan(), caller(&made));
    let runs = PlanRuns::open(&path).unwrap();
    let silent: Arc<dyn StepCaller> =
        Arc::new(|_: StepCall| -> BoxFuture<'static, Result<Output, ToolError>> {
            Box::pin(std::future::pending())
        });
    let start = runs.begin("one", &plan, input("ada", &silent, 1)).await.unwrap();
    let mut run = start.run();
    assert!(tokio::time::timeout(std::time::Duration::ZERO, &mut run).await.is_err());
    // It is under way, which the second one is told.
    assert!(resumed(&runs, "one", &answering).await.is_err());
    assert_eq!(runs.show("one").await.unwrap().unwrap().state(), PlanRunState::Running);
    let prepared = runs.begin("one", &plan, input("ada", &answering, 1)).await.unwrap();
    runs.cancel("one", &Principal::new("ada")).await.unwrap();
    assert_eq!(run.await.outcome(), RunOutcome::Cancelled);
    assert_eq!(prepared.run().await.outcome(), RunOutcome::Cancelled);
    assert_eq!(made.count(), 0);
}

#[tokio::test]
async fn a_run_is_removed_with_its_document_at_once() {
    let (_directory, path) = place();
    let made = Made::default();
    let (plan, caller) = (plan(), caller(&made));
    let journal = toolpost_runs::FileJournal::open(&path).unwrap();
    let runs = PlanRuns::of(journal.clone());
    let start = runs.begin("one", &plan, input("ada", &caller, 1)).await.unwrap();
    plan.finish(start.run().await).unwrap();
    let (records, groups) = journal.writes();
    runs.remove("one", &Principal::new("ada")).await.unwrap();
    // A crash between the two would leave a document whose steps run again.
    assert_eq!(journal.writes(), (records + 2, groups + 1));
    assert!(journal.list().unwrap().is_empty());
}

#[tokio::test]
async fn a_damaged_journal_is_not_looked_at_as_if_it_were_whole() {
    let (_directory, path) = place();
    let made = Made::default();
    let (plan, caller) = (plan(), caller(&made));
    let runs = PlanRuns::open(&path).unwrap();
    for name in ["one", "two"] {
        let start = runs.begin(name, &plan, input("ada", &caller, 1)).await.unwrap();
        plan.finish(start.run().await).unwrap();
    }
    drop(runs);
    let segment = path.join(format!("{:020}.log", 1));
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    assert!(PlanRuns::look(&path).is_err());
}

#[tokio::test]
async fn nobody_is_not_the_one_without_a_name() {
    let (_directory, path) = place();
    let made = Made::default();
    let (plan, caller) = (plan(), caller(&made));
    let runs = PlanRuns::open(&path).unwrap();
    let nobody = PlanInput::new(Call::from_parts(CallParts::default()), Arc::clone(&caller));
    drop(runs.begin("one", &plan, nobody).await.unwrap());
    assert!(runs.cancel("one", &Principal::new("")).await.is_err());
    runs.cancel("one", &Principal::anonymous()).await.unwrap();
}

/// Fails until it is told not to.
struct Flaky(AtomicBool, Made);

impl StepCaller for Flaky {
    fn call(&self, step: StepCall) -> BoxFuture<'static, Result<Output, ToolError>> {
        match step.call.tool() == "send" && self.0.load(Ordering::Relaxed) {
            true => Box::pin(async { Err(ToolError::new("the line is down")) }),
            false => self.1.call(step),
        }
    }
}

#[tokio::test]
async fn a_failed_run_goes_on_from_the_step_that_failed() {
    let (_directory, path) = place();
    let flaky = Arc::new(Flaky(AtomicBool::new(true), Made::default()));
    let caller: Arc<dyn StepCaller> = flaky.clone();
    let plan = plan();
    let runs = PlanRuns::open(&path).unwrap();
    let start = runs.begin("one", &plan, input("ada", &caller, 1)).await.unwrap();
    assert!(plan.finish(start.run().await).unwrap_err().to_string().contains("the line is down"));
    assert!(resumed(&runs, "one", &caller).await.is_err(), "what failed stays failed");
    let shown = runs.show("one").await.unwrap().unwrap();
    assert_eq!(shown.steps().collect::<Vec<_>>(), [("a", "succeeded"), ("b", "failed")]);
    flaky.0.store(false, Ordering::Relaxed);
    let limits = PlanLimits::default();
    let (plan, start) = runs.resume("one", &tools(), &limits, call_of("ada"), caller).await.unwrap();
    assert_eq!(plan.finish(start.rerun_failed().run().await).unwrap().structured(), Some("1"));
    assert_eq!(flaky.1.count(), 2, "`a` ran once");
}

#[tokio::test]
async fn a_step_that_was_under_way_and_is_not_safe_to_repeat_is_asked_about() {
    let (_directory, path) = place();
    let made = Made::default();
    let (plan, answering) = (plan(), caller(&made));
    let stuck: Arc<dyn StepCaller> = Arc::new(Stuck(made.clone()));
    begun(&path, &plan, &stuck).await;
    let runs = PlanRuns::open(&path).unwrap();
    let error = resumed(&runs, "one", &answering).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
    assert!(error.to_string().starts_with("step `b`: it was started before a crash"), "{error}");
    assert_eq!(made.count(), 1, "`a` alone, once");
    let limits = PlanLimits::default();
    let (plan, start) = runs.resume("one", &tools(), &limits, call_of("ada"), answering).await.unwrap();
    let start = start.decide_unknown(|step| {
        assert_eq!(step, "b");
        OnUnknown::Retry
    });
    assert_eq!(plan.finish(start.run().await).unwrap().structured(), Some("1"));
    assert_eq!(made.count(), 2);
}

/// Never answers `send`.
struct Stuck(Made);

impl StepCaller for Stuck {
    fn call(&self, step: StepCall) -> BoxFuture<'static, Result<Output, ToolError>> {
        match step.call.tool() {
            "send" => Box::pin(std::future::pending()),
            _ => self.0.call(step),
        }
    }
}

/// A run that stops in the middle of `b`.
async fn begun(path: &Path, plan: &CompiledPlan, caller: &Arc<dyn StepCaller>) {
    let runs = PlanRuns::open(path).expect("a journal");
    let start = runs.begin("one", plan, input("ada", caller, 1)).await.expect("a run");
    let mut run = start.run();
    loop {
        let _ = tokio::time::timeout(std::time::Duration::ZERO, &mut run).await;
        let shown = runs.show("one").await.expect("a record").expect("a run");
        if shown.steps().any(|step| step == ("b", "running")) {
            return;
        }
        tokio::task::yield_now().await;
    }
}

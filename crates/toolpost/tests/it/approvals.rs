//! Calls that run only when a person has said yes.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test unwraps, on a paused clock")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use toolpost::tool::{
    BoxFuture, Call, ErrorKind, InputRequest, Output, Refusal, Tool, ToolError, ToolSpec, tool_fn,
};
use toolpost::{ApprovalRequest, ApprovalState, ApprovalStore, Approvals, Runtime, Settings};
use toolpost_test::{CallBuilder, Version, assert_kind, assert_text, call, client, run};

const QUESTION: &str = "dev.toolpost/approval";

const DECLINED: ErrorKind = ErrorKind::Refused(Refusal::ApprovalDeclined);
const PENDING: ErrorKind = ErrorKind::Refused(Refusal::ApprovalPending);
const UNAVAILABLE: ErrorKind = ErrorKind::Refused(Refusal::ApprovalUnavailable);

/// A tool that counts how often it ran, and needs an approval.
struct Scrap {
    spec: ToolSpec,
    ran: Arc<AtomicUsize>,
}

impl Tool for Scrap {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, _: Call) -> Result<Output, ToolError> {
        self.ran.fetch_add(1, Ordering::Relaxed);
        Ok(Output::text("scrapped"))
    }
}

struct World {
    runtime: Runtime,
    ran: Arc<AtomicUsize>,
    approvals: Approvals,
}

impl World {
    fn new(approvals: Approvals) -> Self {
        let ran = Arc::<AtomicUsize>::default();
        let spec = ToolSpec::new("scrap").unwrap().needs_approval();
        let scrap = Scrap { spec, ran: Arc::clone(&ran) };
        let runtime = Runtime::builder().tool(scrap).approvals(approvals.clone()).build().unwrap();
        Self { runtime, ran, approvals }
    }

    async fn call(&self, call: CallBuilder) -> Result<Output, ToolError> {
        self.runtime.dispatcher().call_within(call.of("scrap").build()).await
    }

    /// The state that comes with the question.
    async fn asked(&self, call: CallBuilder) -> Value {
        state_of(&self.call(call).await.unwrap_err())
    }

    fn ran(&self) -> usize {
        self.ran.load(Ordering::Relaxed)
    }
}

fn state_of(error: &ToolError) -> Value {
    serde_json::from_str(error.as_input_required().unwrap().state().unwrap()).unwrap()
}

fn yes(call: CallBuilder) -> CallBuilder {
    call.accepting(QUESTION, json!({ "approve": true }))
}

fn a() -> CallBuilder {
    call(json!({ "part": "a" })).by("ada")
}

#[test]
fn a_form_is_shown_and_yes_runs_the_tool_once() {
    run(async {
        let world = World::new(Approvals::new());
        let error = world.call(a()).await.unwrap_err();
        let asked = error.as_input_required().unwrap();
        let params: Value = serde_json::from_str(asked.requests()[QUESTION].params().unwrap()).unwrap();
        assert_eq!(params["mode"], "form");
        assert_eq!(params["message"], r#"May `scrap` run, this once, with {"part":"a"}?"#);
        assert_eq!(world.ran(), 0);
        let state = state_of(&error);
        assert_text(&world.call(yes(a()).resuming(state.clone())).await, "scrapped");
        assert_eq!(world.ran(), 1);
        assert_kind(&world.call(yes(a()).resuming(state)).await, DECLINED);
        assert_eq!(world.ran(), 1, "a replayed approval does not pass");
    });
}

#[test]
fn an_approval_of_one_set_of_arguments_does_not_pass_another() {
    run(async {
        let world = World::new(Approvals::new());
        let state = world.asked(a()).await;
        let other = call(json!({ "part": "b" })).by("ada");
        assert_kind(&world.call(yes(other).resuming(state.clone())).await, ErrorKind::InputRequired);
        assert_eq!(world.ran(), 0);
        // The same arguments, written otherwise.
        let world = World::new(Approvals::new());
        let both = call(json!({ "x": 1, "y": 2.0 })).by("ada");
        let state = world.asked(both).await;
        let again = call(json!({ "y": 2.0, "x": 1 })).by("ada");
        assert_text(&world.call(yes(again).resuming(state)).await, "scrapped");
    });
}

#[test]
fn another_persons_approval_does_not_pass() {
    run(async {
        let world = World::new(Approvals::new());
        let state = world.asked(a()).await;
        for other in [call(json!({ "part": "a" })).by("bob"), call(json!({ "part": "a" }))] {
            let answer = world.call(yes(other).resuming(state.clone())).await;
            assert_kind(&answer, ErrorKind::InputRequired);
        }
        assert_eq!(world.ran(), 0);
    });
}

#[test]
fn an_approval_that_expired_does_not_pass() {
    run(async {
        let world = World::new(Approvals::new().expiring(Duration::from_secs(60)));
        let state = world.asked(a()).await;
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_kind(&world.call(yes(a()).resuming(state)).await, ErrorKind::InputRequired);
        assert_eq!(world.ran(), 0);
    });
}

#[test]
fn a_forged_approval_does_not_pass() {
    run(async {
        let world = World::new(Approvals::new());
        // An answer to what was never asked.
        assert_kind(&world.call(yes(a())).await, ErrorKind::InputRequired);
        let mut state = world.asked(a()).await;
        state["id"] = json!("0".repeat(32));
        assert_kind(&world.call(yes(a()).resuming(state)).await, ErrorKind::InputRequired);
        assert_kind(
            &world.call(yes(a()).resuming(json!({ "granted": true }))).await,
            ErrorKind::InputRequired,
        );
        assert_eq!(world.ran(), 0);
    });
}

#[test]
fn a_state_that_was_changed_on_its_way_is_no_state() {
    run(async {
        let world = World::new(Approvals::new());
        let mut client =
            client(world.runtime.dispatcher()).person(|_| Some(json!({ "approve": true }))).connect().await;
        let forged = json!({
            "name": "scrap", "arguments": {}, "requestState": "AAAA",
            "inputResponses": { QUESTION: { "action": "accept", "content": { "approve": true } } }
        });
        let error = client.request("tools/call", forged).await.unwrap_err();
        assert!(error.message().contains("requestState"), "{error:?}");
        assert_eq!(world.ran(), 0);
        assert_eq!(client.call("scrap", &json!({})).await.unwrap()["content"][0]["text"], "scrapped");
        assert_eq!(world.ran(), 1);
    });
}

#[test]
fn cannot_ask_declined_and_no_answer_are_three_ends_and_none_runs_the_tool() {
    run(async {
        let world = World::new(Approvals::new());
        assert_kind(&world.call(a().incapable()).await, UNAVAILABLE);
        let state = world.asked(a()).await;
        let cancelled = a().answering(QUESTION, json!({ "action": "cancel" }));
        assert_kind(&world.call(cancelled.resuming(state.clone())).await, PENDING);
        assert_kind(&world.call(a().declining(QUESTION).resuming(state.clone())).await, DECLINED);
        assert_kind(&world.call(yes(a()).resuming(state)).await, DECLINED);
        let state = world.asked(a()).await;
        let no = a().accepting(QUESTION, json!({ "approve": false }));
        assert_kind(&world.call(no.resuming(state)).await, DECLINED);
        assert_eq!(world.ran(), 0);
    });
}

#[test]
fn either_era_asks_the_person_of_its_client() {
    run(async {
        for version in [Version::V2025_11_25, Version::V2026_07_28] {
            for (answer, text) in [(true, "scrapped"), (false, "said no")] {
                let world = World::new(Approvals::new());
                let client = client(world.runtime.dispatcher()).version(version);
                let mut client = client.person(move |_| Some(json!({ "approve": answer }))).connect().await;
                let result = client.call("scrap", &json!({})).await.unwrap();
                let said = result["content"][0]["text"].as_str().unwrap();
                assert!(said.contains(text), "{version:?}: {said}");
                assert_eq!(world.ran(), usize::from(answer));
            }
            let world = World::new(Approvals::new());
            let mut alone = client(world.runtime.dispatcher()).version(version).connect().await;
            let result = alone.call("scrap", &json!({})).await.unwrap();
            assert_eq!(result["isError"], true);
            assert_eq!(result["_meta"]["dev.toolpost/rejection"]["reason"], "approval_unavailable");
            assert_eq!(world.ran(), 0);
        }
    });
}

#[test]
fn a_page_is_where_the_user_decides() {
    run(async {
        let page = |request: &ApprovalRequest| format!("https://example.org/approve/{}", request.id);
        let world = World::new(Approvals::new().without_forms().by_page(page));
        let error = world.call(a()).await.unwrap_err();
        let asked = error.as_input_required().unwrap();
        let params: Value = serde_json::from_str(asked.requests()[QUESTION].params().unwrap()).unwrap();
        let id = world.approvals.waiting().await.unwrap()[0].id.clone();
        assert_eq!(params["url"], format!("https://example.org/approve/{id}"));

        // The client says that its user went there, and the user has not decided yet.
        let went = || a().answering(QUESTION, json!({ "action": "accept" })).resuming(state_of(&error));
        assert_kind(&world.call(went()).await, PENDING);
        let decides = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            assert!(world.approvals.decide(&id, true).await.unwrap());
            assert!(!world.approvals.decide(&id, false).await.unwrap(), "it is decided");
        };
        let (answer, ()) = tokio::join!(world.call(went()), decides);
        assert_text(&answer, "scrapped");
        assert_kind(&world.call(went()).await, PENDING);
        assert_eq!(world.ran(), 1);
    });
}

#[test]
fn a_client_whose_user_was_sent_to_a_page_cannot_answer_in_its_place() {
    run(async {
        let page = |request: &ApprovalRequest| format!("https://example.org/approve/{}", request.id);
        let world = World::new(Approvals::new().without_forms().by_page(page));
        let state = world.asked(a()).await;
        assert_kind(&world.call(yes(a()).resuming(state.clone())).await, PENDING);
        // Nor by saying that it can do less than it said.
        assert_kind(&world.call(yes(a()).incapable().resuming(state)).await, PENDING);
        // One that shows forms is not believed where forms are not.
        let forms = World::new(Approvals::new());
        let state = forms.asked(a()).await;
        assert_kind(&world.call(yes(a()).resuming(state)).await, PENDING);
        assert_eq!(world.ran(), 0);
    });
}

#[test]
fn out_of_band_a_call_waits_a_little_and_comes_again() {
    run(async {
        let world = World::new(Approvals::new().without_forms().out_of_band(Duration::from_secs(5)));
        let begun = tokio::time::Instant::now();
        assert_kind(&world.call(a()).await, PENDING);
        assert_eq!(begun.elapsed(), Duration::from_secs(5));
        let waiting = world.approvals.waiting().await.unwrap();
        assert_eq!(
            (waiting.len(), &*waiting[0].tool, &*waiting[0].arguments),
            (1, "scrap", r#"{"part":"a"}"#)
        );
        assert_eq!(waiting[0].principal.as_deref(), Some("ada"));
        assert!(world.approvals.decide(&waiting[0].id, true).await.unwrap());

        let others = [call(json!({ "part": "b" })).by("ada"), call(json!({ "part": "a" })).by("bob")];
        for other in others {
            assert_kind(&world.call(other).await, PENDING);
        }
        assert_text(&world.call(a()).await, "scrapped");
        assert_kind(&world.call(a()).await, PENDING);

        let id = world.approvals.waiting().await.unwrap().pop().unwrap().id;
        assert!(world.approvals.decide(&id, false).await.unwrap());
        assert_kind(&world.call(a()).await, DECLINED);
        assert_eq!(world.ran(), 1);
    });
}

#[test]
fn a_decision_that_expired_is_none() {
    run(async {
        let approvals = Approvals::new().out_of_band(Duration::ZERO).expiring(Duration::from_secs(60));
        let world = World::new(approvals);
        assert_kind(&world.call(a().incapable()).await, PENDING);
        let id = world.approvals.waiting().await.unwrap()[0].id.clone();
        assert!(world.approvals.decide(&id, true).await.unwrap());
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_kind(&world.call(a().incapable()).await, PENDING);
        assert_eq!(world.ran(), 0);
    });
}

/// A tool that asks something of its own.
fn asking() -> impl Tool {
    let schema = json!({ "type": "object", "properties": { "name": { "type": "string" } } });
    tool_fn("scrap", move |_: Value, call: Call| {
        let name = call.input("name", InputRequest::elicit("Whose?", &schema)).map(|answer| {
            answer.pointer("/content/name").and_then(|name| name.as_str()).unwrap_or_default().into_owned()
        });
        async move { name.map(|name| format!("scrapped that of {name}")) }
    })
    .with_spec(|spec: ToolSpec| spec.with_input_schema(json!({ "type": "object" })).needs_approval())
}

#[test]
fn a_tool_with_a_question_of_its_own_goes_on_once() {
    run(async {
        let runtime = Runtime::builder().tool(asking()).build().unwrap();
        let made = |call: CallBuilder| runtime.dispatcher().call_within(call.of("scrap").build());
        let first = state_of(&made(a()).await.unwrap_err());
        let error = made(yes(a()).resuming(first)).await.unwrap_err();
        let requests = error.as_input_required().unwrap().requests();
        assert_eq!(requests.keys().collect::<Vec<_>>(), ["name"], "it was approved");
        let second = state_of(&error);
        let named = || yes(a()).accepting("name", json!({ "name": "bob" })).resuming(second.clone());
        assert_text(&made(named()).await, "scrapped that of bob");
        assert_kind(&made(named()).await, DECLINED);

        for version in [Version::V2025_11_25, Version::V2026_07_28] {
            let person = |form: &Value| {
                Some(match form["requestedSchema"]["properties"]["approve"].is_object() {
                    true => json!({ "approve": true }),
                    false => json!({ "name": "eve" }),
                })
            };
            let mut client = client(runtime.dispatcher()).version(version).person(person).connect().await;
            let result = client.call("scrap", &json!({})).await.unwrap();
            assert_eq!(result["content"][0]["text"], "scrapped that of eve", "{version:?}");
        }
    });
}

#[test]
fn a_host_may_ask_for_approvals_that_a_tool_does_not_declare() {
    run(async {
        let settings =
            Settings::from_json(r#"{ "tools": { "quiet": { "needs-approval": true } } }"#).unwrap();
        let quiet = tool_fn("quiet", |_: toolpost::tool::NoArgs, _: Call| async { Ok("ran") });
        let runtime = Runtime::builder().tool(quiet).settings(settings).build().unwrap();
        assert_kind(&runtime.call("quiet", &json!({})).await, UNAVAILABLE);
    });
}

#[test]
fn processes_that_share_a_directory_decide_for_each_other() {
    let dir = tempfile::TempDir::new().unwrap();
    let approvals = || {
        let approvals = Approvals::in_directory(dir.path().join("approvals")).unwrap();
        approvals.out_of_band(Duration::ZERO)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (one, other) = (World::new(approvals()), World::new(approvals()));
        assert_kind(&one.call(a().incapable()).await, PENDING);
        assert_kind(&one.call(a().incapable()).await, PENDING);
        let waiting = other.approvals.waiting().await.unwrap();
        assert_eq!(waiting.len(), 1, "asked once");
        assert!(other.approvals.decide(&waiting[0].id, true).await.unwrap());
        assert!(!one.approvals.decide(&waiting[0].id, true).await.unwrap());
        assert!(one.approvals.waiting().await.unwrap().is_empty());
        assert!(!other.approvals.decide("../../etc/passwd", true).await.unwrap());

        // Of many calls that come at once, wherever, one takes it.
        let calls = (0..8).map(|n| if n % 2 == 0 { &one } else { &other });
        let ends = futures_util::future::join_all(calls.map(|world| world.call(a().incapable()))).await;
        assert_eq!(ends.iter().filter(|end| end.is_ok()).count(), 1);
        for end in ends.iter().filter(|end| end.is_err()) {
            assert_kind(end, PENDING);
        }
        assert_eq!(one.ran() + other.ran(), 1);

        // What a form approved is used up everywhere.
        let form = || call(json!({ "part": "f" })).by("ada");
        let state = one.asked(form()).await;
        assert_text(&other.call(yes(form()).resuming(state.clone())).await, "scrapped");
        assert_kind(&one.call(yes(form()).resuming(state)).await, DECLINED);
    });
}

#[test]
fn a_full_memory_refuses_what_comes_next() {
    run(async {
        let world = World::new(Approvals::new().without_forms().out_of_band(Duration::ZERO));
        for n in 0..100 {
            assert_kind(&world.call(call(json!({ "n": n })).by("ada")).await, PENDING);
        }
        let full = ErrorKind::Refused(Refusal::TooManyAtOnce);
        assert_kind(&world.call(call(json!({ "n": 100 })).by("ada")).await, full);
        assert_kind(&world.call(call(json!({ "n": 1 })).by("ada")).await, PENDING);
        for n in 0..900 {
            assert_kind(&world.call(call(json!({})).by(&format!("p{n}"))).await, PENDING);
        }
        assert_kind(&world.call(call(json!({})).by("eve")).await, full);
        let long = call(json!({ "text": "x".repeat(64 << 10) })).by("bob");
        assert_kind(&world.call(long).await, ErrorKind::InvalidArguments);
        assert_eq!(world.ran(), 0);
    });
}

#[test]
fn a_full_directory_refuses_what_comes_next_and_has_room_once_it_has_expired() {
    let dir = tempfile::TempDir::new().unwrap();
    let approvals = Approvals::in_directory(dir.path()).unwrap().without_forms();
    let world = World::new(approvals.out_of_band(Duration::ZERO));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        std::fs::write(dir.path().join("README"), "not ours").unwrap();
        let ask = |n: u64, by: &str| world.call(call(json!({ "n": n })).by(by));
        for n in 0..100 {
            assert_kind(&ask(n, "ada").await, PENDING);
        }
        let full = ErrorKind::Refused(Refusal::TooManyAtOnce);
        assert_kind(&ask(100, "ada").await, full);
        assert_kind(&ask(100, "eve").await, PENDING);
        // They expire, and nobody asks for them again, or looks what waits.
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "waiting") {
                let mut request: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
                request["expires"] = json!(1);
                std::fs::write(path, request.to_string()).unwrap();
            }
        }
        assert_kind(&ask(100, "ada").await, PENDING);
        assert_eq!(world.approvals.waiting().await.unwrap().len(), 1);
        assert!(dir.path().join("README").exists());
    });
}

/// A store that is gone.
struct Gone;

impl ApprovalStore for Gone {
    fn ask<'a>(&'a self, _: &'a ApprovalRequest) -> BoxFuture<'a, Result<(), ToolError>> {
        Box::pin(async { Err(ToolError::unavailable("gone")) })
    }

    fn take<'a>(&'a self, _: &'a str, _: u64) -> BoxFuture<'a, Result<ApprovalState, ToolError>> {
        Box::pin(async { Err(ToolError::unavailable("gone")) })
    }

    fn decide<'a>(&'a self, _: &'a str, _: bool, _: u64) -> BoxFuture<'a, Result<bool, ToolError>> {
        Box::pin(async { Err(ToolError::unavailable("gone")) })
    }

    fn waiting(&self, _: u64) -> BoxFuture<'_, Result<Vec<ApprovalRequest>, ToolError>> {
        Box::pin(async { Err(ToolError::unavailable("gone")) })
    }

    fn spend<'a>(&'a self, _: &'a str, _: u64, _: u64) -> BoxFuture<'a, Result<bool, ToolError>> {
        Box::pin(async { Err(ToolError::unavailable("gone")) })
    }
}

#[test]
fn without_its_store_nothing_runs() {
    run(async {
        let world = World::new(Approvals::with_store(Gone).out_of_band(Duration::ZERO));
        assert_kind(&world.call(a()).await, ErrorKind::Unavailable);
        let world = World::new(Approvals::with_store(Gone));
        let state = world.asked(a()).await;
        assert_kind(&world.call(yes(a()).resuming(state)).await, ErrorKind::Unavailable);
        assert_eq!(world.ran(), 0);
    });
}

//! Whole workflows as one call, and those that wait for a person.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use toolpost::dispatch::{Access, Decision, Target};
use toolpost::plan::{PlanDocument, PlanLimits, Template, TemplateRegistry};
use toolpost::tool::{
    AnyTool, CachePolicy, Call, ErrorKind, InputRequest, Json, Output, Principal, Refusal, ToolError,
    ToolSpec, tool_fn,
};
use toolpost::{Approvals, Peers, PlanRunner, Runtime, RuntimeBuilder};
use toolpost_test::{CallBuilder, Recording, Version, assert_kind, call, client, run};

/// A runtime with tools that say what they were called with.
struct World {
    runtime: Runtime,
    /// By tool, how often each ran.
    ran: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl World {
    fn new() -> Self {
        Self::with(|runner| runner, |builder| builder)
    }

    fn with(
        set_up: impl FnOnce(PlanRunner) -> PlanRunner,
        build: impl FnOnce(RuntimeBuilder) -> RuntimeBuilder,
    ) -> Self {
        let (peers, ran) = (Peers::new(), Arc::<Mutex<BTreeMap<String, usize>>>::default());
        let runner = set_up(PlanRunner::new(&peers));
        let tools = ["echo", "write", "ask"].map(|name| tool(name, &ran));
        let cached = tool("cached", &ran);
        let builder = tools.into_iter().fold(Runtime::builder(), RuntimeBuilder::any);
        let runtime = build(builder.any(cached).any(runner.tool())).build().unwrap();
        assert!(peers.bind(&runtime));
        Self { runtime, ran }
    }

    async fn made(&self, call: CallBuilder) -> Result<Output, ToolError> {
        self.runtime.dispatcher().call_within(call.of("run_workflow").build()).await
    }

    async fn run(&self, workflow: Value) -> Result<Value, ToolError> {
        let output = self.made(call(json!({ "workflow": workflow }))).await?;
        Ok(serde_json::from_str(output.structured().unwrap()).unwrap())
    }

    fn ran(&self, tool: &str) -> usize {
        self.ran.lock().unwrap().get(tool).copied().unwrap_or_default()
    }
}

/// `echo` answers with its arguments, `write` does too and does not only read, `ask` asks for a name first, and what
/// `cached` answers is remembered.
fn tool(name: &'static str, ran: &Arc<Mutex<BTreeMap<String, usize>>>) -> AnyTool {
    let ran = Arc::clone(ran);
    let tool = tool_fn(name, move |args: Value, call: Call| {
        let named = match name {
            "ask" => {
                let form = json!({ "type": "object", "properties": { "name": { "type": "string" } } });
                call.input("name", InputRequest::elicit("Whose?", &form)).map(|answer| {
                    let name = answer.pointer("/content/name").and_then(|name| name.as_str());
                    json!({ "name": name, "of": args })
                })
            }
            _ => Ok(args),
        };
        if named.is_ok() {
            *ran.lock().unwrap().entry(name.to_owned()).or_default() += 1;
        }
        async move { named.map(Json) }
    });
    let tool = tool.with_spec(move |spec: ToolSpec| {
        let spec = spec.with_input_schema(json!({ "type": "object" }));
        match name {
            "write" => spec,
            "cached" => spec.read_only().with_cache(CachePolicy::new(Duration::from_secs(60))),
            _ => spec.read_only(),
        }
    });
    AnyTool::new(tool)
}

fn state_of(error: &ToolError) -> Value {
    serde_json::from_str(error.as_input_required().unwrap().state().unwrap()).unwrap()
}

fn questions(error: &ToolError) -> Vec<&str> {
    error.as_input_required().unwrap().requests().keys().map(String::as_str).collect()
}

#[test]
fn only_what_is_asked_for_comes_back() {
    run(async {
        let world = World::new();
        let output = world.run(json!({
            "steps": {
                "a": { "tool": "echo", "arguments": { "large": "x".repeat(10_000), "n": 41 } },
                "b": { "tool": "echo", "arguments": { "m": { "$ref": "/steps/a/output/n" } } }
            },
            "output": { "$cel": "steps.b.output.m + 1" }
        }));
        assert_eq!(output.await.unwrap(), json!(42));
        assert_eq!(world.ran("echo"), 2);
    });
}

#[test]
fn everything_that_is_wrong_is_said_and_nothing_runs() {
    run(async {
        let world = World::new();
        let error = world.run(json!({
            "steps": {
                "a": { "tool": "ehco" },
                "b": { "tool": "write", "arguments": { "x": { "$ref": "/steps/c/output" } } }
            },
            "output": { "$ref": "/steps/d/output" }
        }));
        let error = error.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArguments);
        let text = error.to_string();
        for said in ["/steps/a/tool", "`echo`", "/steps/b/arguments/x", "/output"] {
            assert!(text.contains(said), "`{said}` is not in {text}");
        }
        assert_eq!(world.ran("write"), 0);
    });
}

#[test]
fn a_step_is_under_the_rights_of_its_caller() {
    run(async {
        let rule = |access: &Access<'_>| match access.target {
            Target::Tool(tool) if tool.name() == "write" && access.principal.as_str() != "ada" => {
                Decision::Hide
            }
            _ => Decision::Allow,
        };
        let world = World::with(|runner| runner, |builder| builder.authorize(rule));
        let workflow = json!({ "steps": { "a": { "tool": "write" } }, "output": 1 });
        let by = |who: &str| call(json!({ "workflow": workflow })).by(who);
        let error = world.made(by("bob")).await.unwrap_err();
        assert!(error.to_string().contains("unknown") || error.to_string().contains("no tool"), "{error}");
        assert_eq!(world.ran("write"), 0);
        assert_eq!(world.made(by("ada")).await.unwrap().structured(), Some("1"));
        assert_eq!(world.ran("write"), 1);
    });
}

#[test]
fn a_runner_that_only_reads_uses_nothing_that_writes() {
    run(async {
        let world = World::with(PlanRunner::read_only, |builder| builder);
        let spec = world.runtime.dispatcher().catalog().find("run_workflow").unwrap().spec().clone();
        assert_eq!(spec.annotations().read_only, Some(true));
        let error =
            world.run(json!({ "steps": { "a": { "tool": "write" } }, "output": 1 })).await.unwrap_err();
        assert!(error.to_string().contains("only read"), "{error}");
        assert_eq!(world.run(json!({ "steps": { "a": { "tool": "echo" } }, "output": 1 })).await.unwrap(), 1);
        let spec = World::new().runtime.dispatcher().catalog().find("run_workflow").unwrap().spec().clone();
        assert_eq!(spec.annotations().destructive, Some(true), "the worst is assumed");
    });
}

#[test]
fn an_answer_from_the_cache_is_visible_in_the_report() {
    run(async {
        let world = World::new();
        let workflow = json!({
            "steps": {
                "a": { "tool": "cached", "arguments": { "n": 1 } },
                "b": { "tool": "cached", "arguments": { "n": 1 }, "after": ["a"] }
            },
            "output": { "$ref": "/steps/b/output/n" }
        });
        let output = world.made(call(json!({ "workflow": workflow, "report": true }))).await.unwrap();
        let reported: Value = serde_json::from_str(output.structured().unwrap()).unwrap();
        assert_eq!(reported["output"], 1);
        let steps = reported["steps"].as_array().unwrap();
        let cached = |name: &str| {
            let step = steps.iter().find(|step| step["step"] == name).unwrap();
            (step["state"].clone(), step["cached"].clone())
        };
        assert_eq!(cached("a"), (json!("succeeded"), json!(false)));
        assert_eq!(cached("b"), (json!("succeeded"), json!(true)));
        assert_eq!(world.ran("cached"), 1);
    });
}

#[test]
fn the_work_of_plans_within_plans_is_bounded_together() {
    run(async {
        let limits = PlanLimits { calls: 10, ..PlanLimits::default() };
        let world = World::with(|runner| runner.limits(limits), |builder| builder);
        let inner = json!({
            "steps": { "e": { "tool": "echo", "map": { "over": [1, 2, 3], "atMost": 3 } } }, "output": 0
        });
        let nested = json!({ "steps": {
            "n": { "tool": "run_workflow", "arguments": { "workflow": { "$literal": inner } },
                "map": { "over": [1, 2, 3, 4, 5], "atMost": 5, "concurrency": 1 } }
        }, "output": 0 });
        let error = world.run(nested).await.unwrap_err();
        assert!(error.to_string().contains("more calls than they may"), "{error}");
        assert!(world.ran("echo") <= 10, "{}", world.ran("echo"));
        assert_eq!(world.run(inner).await.unwrap(), 0, "each begins anew");
    });
}

#[test]
fn a_plan_that_runs_itself_ends() {
    run(async {
        let text =
            r#"{ "name": "again", "version": "1.0.0", "steps": { "n": { "tool": "again" } }, "output": 0 }"#;
        let mut templates = TemplateRegistry::new();
        templates.register(Template::from_json(text).unwrap()).unwrap();
        let peers = Peers::new();
        let again = PlanRunner::new(&peers).template(&Arc::new(templates), "again", None).unwrap();
        let runtime = Runtime::builder().any(again).build().unwrap();
        assert!(peers.bind(&runtime));
        let error = runtime.call("again", &json!({})).await.unwrap_err().to_string();
        assert!(error.contains("within 16 calls"), "{error}");
    });
}

#[test]
fn progress_is_steps_ended_of_all_steps() {
    run(async {
        let world = World::new();
        let recording = Recording::new();
        let workflow = json!({ "steps": { "a": { "tool": "echo" }, "b": { "tool": "echo", "after": ["a"] } },
            "output": { "$ref": "/steps/b/output" } });
        let call = call(json!({ "workflow": workflow })).recording(&recording);
        world.made(call).await.unwrap();
        let messages: Vec<String> =
            recording.progress().iter().filter_map(|progress| progress.message.clone()).collect();
        assert_eq!(messages, ["a: succeeded", "b: succeeded"]);
    });
}

/// Two steps that end, one that asks, and one that follows it.
fn asking() -> Value {
    json!({
        "steps": {
            "before": { "tool": "write", "arguments": { "n": 1 } },
            "asks": { "tool": "ask", "arguments": { "n": { "$ref": "/steps/before/output/n" } } },
            "beside": { "tool": "echo", "arguments": { "n": 2 } },
            "after": { "tool": "echo", "arguments": { "who": { "$ref": "/steps/asks/output/name" } } }
        },
        "output": { "$ref": "/steps/after/output/who" }
    })
}

#[test]
fn a_run_that_waits_for_input_is_resumed_by_another_server_that_never_saw_it() {
    run(async {
        let (first, second) = (World::new(), World::new());
        let begun = || call(json!({ "workflow": asking() })).by("ada");
        let error = first.made(begun()).await.unwrap_err();
        assert_eq!(questions(&error), ["asks:name"]);
        assert_eq!((first.ran("write"), first.ran("echo")), (1, 1), "what does not wait for it has run");
        let answered = begun().accepting("asks:name", json!({ "name": "eve" })).resuming(state_of(&error));
        let output = second.made(answered).await.unwrap();
        assert_eq!(output.structured(), Some(r#""eve""#));
        assert_eq!(
            (second.ran("write"), second.ran("echo"), second.ran("ask")),
            (0, 1, 1),
            "nothing is repeated"
        );
    });
}

#[test]
fn a_step_that_waits_is_dropped_with_its_run_and_goes_on_as_often_as_it_is_answered() {
    run(async {
        let world = World::new();
        let begun = || call(json!({ "workflow": asking() }));
        let error = world.made(begun()).await.unwrap_err();
        for name in ["a", "b"] {
            let answered = begun().accepting("asks:name", json!({ "name": name })).resuming(state_of(&error));
            let output = world.made(answered).await.unwrap();
            assert_eq!(output.structured(), Some(format!("{name:?}").as_str()));
        }
        // An answer that is missing is asked for again, and nothing runs twice.
        let again = world.made(begun().resuming(state_of(&error))).await.unwrap_err();
        assert_eq!(questions(&again), ["asks:name"]);
        assert_eq!(world.ran("write"), 1);
    });
}

#[test]
fn either_era_asks_and_goes_on() {
    run(async {
        for version in [Version::V2025_11_25, Version::V2026_07_28] {
            let world = World::new();
            let client = client(world.runtime.dispatcher()).version(version);
            let mut client = client.person(|_| Some(json!({ "name": "eve" }))).connect().await;
            let result = client.call("run_workflow", &json!({ "workflow": asking() })).await.unwrap();
            assert_eq!(result["content"][0]["text"], r#""eve""#, "{version:?}");
            assert_eq!((world.ran("write"), world.ran("ask")), (1, 1), "{version:?}");
        }
    });
}

#[test]
fn items_of_a_list_ask_each_and_none_runs_twice() {
    run(async {
        let world = World::new();
        let workflow = json!({
            "steps": { "each": { "tool": "ask", "arguments": { "n": { "$ref": "/item" } },
                "map": { "over": (0..12).collect::<Vec<_>>(), "concurrency": 12 } } },
            "output": { "$cel": "steps.each.output.map(one, one.name)" }
        });
        let begun = || call(json!({ "workflow": workflow }));
        let (mut state, mut rounds): (Option<(Vec<String>, Value)>, _) = (None, 0);
        let output = loop {
            let mut next = begun();
            if let Some((asked, carried)) = state.take() {
                next = next.resuming(carried);
                for key in asked {
                    next = next.accepting(&key, json!({ "name": key }));
                }
            }
            match world.made(next).await {
                Ok(output) => break output,
                Err(error) => {
                    let asked: Vec<String> = questions(&error).into_iter().map(str::to_owned).collect();
                    assert!(asked.len() <= 8, "{asked:?}");
                    state = Some((asked, state_of(&error)));
                }
            }
            rounds += 1;
        };
        assert_eq!(rounds, 2);
        assert!(output.structured().unwrap().contains(r#""each#11:name""#), "{output:?}");
        assert_eq!(world.ran("ask"), 12);
    });
}

#[test]
fn what_is_too_long_to_travel_is_kept_where_both_find_it() {
    let dir = tempfile::TempDir::new().unwrap();
    let world = || World::with(|runner| runner.keep_in(dir.path().join("runs")).unwrap(), |builder| builder);
    let (first, second) = (world(), world());
    let workflow = json!({
        "steps": {
            "long": { "tool": "write", "arguments": { "text": "x".repeat(20_000) } },
            "asks": { "tool": "ask", "after": ["long"] }
        },
        "output": { "$cel": "steps.asks.output.name + string(size(steps.long.output.text))" }
    });
    let begun = || call(json!({ "workflow": workflow }));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let error = first.made(begun()).await.unwrap_err();
        let state = error.as_input_required().unwrap().state().unwrap();
        assert!(state.len() < 100, "{state}");
        let answered = || begun().accepting("asks:name", json!({ "name": "eve" })).resuming(state_of(&error));
        assert_eq!(second.made(answered()).await.unwrap().structured(), Some(r#""eve20000""#));
        assert_eq!((first.ran("write"), second.ran("write")), (1, 0));
        let lost = World::new().made(answered()).await.unwrap_err();
        assert!(lost.to_string().contains("kept no more"), "{lost}");
        // In memory, one process finds it.
        let alone = World::new();
        let error = alone.made(begun()).await.unwrap_err();
        let answered = begun().accepting("asks:name", json!({ "name": "eve" })).resuming(state_of(&error));
        assert_eq!(alone.made(answered).await.unwrap().structured(), Some(r#""eve20000""#));
    });
}

#[test]
fn a_step_may_need_an_approval() {
    run(async {
        let workflow = json!({
            "steps": {
                "w": { "tool": "write", "arguments": { "n": 1 }, "needsApproval": true },
                "e": { "tool": "echo", "arguments": { "n": { "$ref": "/steps/w/output/n" } } }
            },
            "output": { "$ref": "/steps/e/output/n" }
        });
        let begun = || call(json!({ "workflow": workflow })).by("ada");
        let world = World::new();
        let error = world.made(begun()).await.unwrap_err();
        assert_eq!(questions(&error), ["w:dev.toolpost/approval"]);
        assert_eq!(world.ran("write"), 0);
        let yes = || begun().accepting("w:dev.toolpost/approval", json!({ "approve": true }));
        // Without having been asked.
        assert_kind(&world.made(yes()).await, ErrorKind::InputRequired);
        assert_eq!(world.ran("write"), 0);
        let approved = || yes().resuming(state_of(&error));
        assert_eq!(world.made(approved()).await.unwrap().structured(), Some("1"));
        let declined = ErrorKind::Refused(Refusal::ApprovalDeclined);
        assert_kind(&world.made(approved()).await, declined);
        assert_eq!(world.ran("write"), 1, "a replayed approval does not pass");

        let no = begun().declining("w:dev.toolpost/approval").resuming(state_of(&error));
        assert_kind(&world.made(no).await, declined);
        assert_kind(&world.made(begun().incapable()).await, ErrorKind::Refused(Refusal::ApprovalUnavailable));
        assert_eq!(world.ran("write"), 1);
    });
}

#[test]
fn who_has_said_no_is_not_asked_again() {
    run(async {
        let world = World::new();
        let workflow = json!({
            "steps": { "e": { "tool": "echo", "needsApproval": true, "retry": { "attempts": 3 } } },
            "output": { "$ref": "/steps/e/output" }
        });
        let begun = || call(json!({ "workflow": workflow })).by("ada");
        let error = world.made(begun()).await.unwrap_err();
        let no = begun().declining("e:dev.toolpost/approval").resuming(state_of(&error));
        assert_kind(&world.made(no).await, ErrorKind::Refused(Refusal::ApprovalDeclined));
        assert_eq!(world.ran("echo"), 0);
    });
}

#[test]
fn what_is_too_long_to_be_kept_is_not_done_again() {
    run(async {
        let long = |name: &'static str, reads: bool| {
            let tool = tool_fn(name, |_: Value, _: Call| async { Ok("x".repeat(5 << 20)) });
            tool.with_spec(move |spec| {
                let spec = spec.with_input_schema(json!({ "type": "object" }));
                if reads { spec.read_only() } else { spec }
            })
        };
        let world = World::with(
            |runner| runner,
            |builder| builder.tool(long("send", false)).tool(long("look", true)),
        );
        let begun = |tool: &str| {
            call(json!({ "workflow": {
                "steps": { "long": { "tool": tool }, "asks": { "tool": "ask", "after": ["long"] } },
                "output": 1
            } }))
        };
        let error = world.made(begun("send")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Failed);
        assert!(error.to_string().contains("`long@1`"), "{error}");
        assert_kind(&world.made(begun("look")).await, ErrorKind::InputRequired);
    });
}

#[test]
fn a_run_that_asks_to_be_kept_where_none_is_kept_is_refused() {
    run(async {
        let world = World::new();
        let workflow = json!({ "steps": { "w": { "tool": "write" } }, "output": 1, "durable": "order-42" });
        let error = world.run(workflow).await.unwrap_err();
        assert!(error.to_string().contains("/durable"), "{error}");
        assert_eq!(world.ran("write"), 0);
    });
}

#[test]
fn an_approval_out_of_band_lets_a_step_of_the_next_call_run() {
    run(async {
        let approvals = Approvals::new().without_forms().out_of_band(Duration::ZERO);
        let world = World::with(|runner| runner.approvals(approvals.clone()), |builder| builder);
        let workflow = json!({ "steps": { "w": { "tool": "write", "needsApproval": true } }, "output": 1 });
        assert_kind(
            &world.made(call(json!({ "workflow": workflow }))).await,
            ErrorKind::Refused(Refusal::ApprovalPending),
        );
        let waiting = approvals.waiting().await.unwrap();
        assert_eq!(waiting[0].tool, "write");
        assert!(approvals.decide(&waiting[0].id, true).await.unwrap());
        assert_eq!(world.run(workflow).await.unwrap(), 1);
        assert_eq!(world.ran("write"), 1);
    });
}

#[test]
fn a_tool_that_needs_an_approval_itself_asks_once() {
    run(async {
        let settings =
            toolpost::Settings::from_json(r#"{ "tools": { "write": { "needs-approval": true } } }"#);
        let world = World::with(|runner| runner, |builder| builder.settings(settings.unwrap()));
        let workflow = json!({ "steps": { "w": { "tool": "write", "needsApproval": true } }, "output": 1 });
        let mut client = client(world.runtime.dispatcher());
        let asked = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&asked);
        client = client.person(move |_| {
            *counted.lock().unwrap() += 1;
            Some(json!({ "approve": true }))
        });
        let mut client = client.connect().await;
        let result = client.call("run_workflow", &json!({ "workflow": workflow })).await.unwrap();
        assert_eq!(result["content"][0]["text"], "1");
        assert_eq!((*asked.lock().unwrap(), world.ran("write")), (1, 1));
    });
}

#[test]
fn a_template_is_a_tool() {
    run(async {
        let template = Template::from_json(
            r#"{ "name": "greet", "version": "1.2.0", "description": "Greets.",
                "parameters": { "who": { "type": "string" } },
                "steps": { "e": { "tool": "echo", "arguments": { "text": "hello ${who}" } } },
                "output": { "$ref": "/steps/e/output/text" } }"#,
        );
        let mut templates = TemplateRegistry::new();
        templates.register(template.unwrap()).unwrap();
        let (templates, peers) = (Arc::new(templates), Peers::new());
        let runner = PlanRunner::new(&peers);
        assert!(runner.template(&templates, "greet", Some("^2")).is_none());
        let greet = runner.template(&templates, "greet", None).unwrap();
        let ran = Arc::default();
        let runtime = Runtime::builder().any(tool("echo", &ran)).any(greet).build().unwrap();
        assert!(peers.bind(&runtime));
        let spec = runtime.dispatcher().catalog().find("greet").unwrap().spec().clone();
        assert_eq!((spec.description(), spec.version()), ("Greets.", Some("1.2.0")));
        assert_eq!(spec.input_schema()["required"], json!(["who"]));
        let output = runtime.call("greet", &json!({ "who": "eve" })).await.unwrap();
        assert_eq!(output.structured(), Some(r#""hello eve""#));
        for wrong in [json!({}), json!({ "who": 1 }), json!({ "who": "a", "whom": "b" })] {
            assert_kind(&runtime.call("greet", &wrong).await, ErrorKind::InvalidArguments);
        }
    });
}

#[test]
fn a_document_is_checked_without_running_it() {
    let world = World::new();
    let peers = Peers::new();
    assert!(peers.bind(&world.runtime));
    let runner = PlanRunner::new(&peers);
    let document = |text: &str| PlanDocument::parse(text.to_owned(), &PlanLimits::default()).unwrap();
    let good =
        document(r#"{ "steps": { "a": { "tool": "echo" } }, "output": { "$ref": "/steps/a/output" } }"#);
    let plan = runner.compile(&good, &Principal::anonymous()).unwrap();
    assert_eq!(plan.calls(), 1);
    let bad =
        document(r#"{ "steps": { "a": { "tool": "none" } }, "output": { "$ref": "/steps/b/output" } }"#);
    assert_eq!(runner.compile(&bad, &Principal::anonymous()).unwrap_err().faults().len(), 2);
    assert!(PlanRunner::new(&Peers::new()).compile(&good, &Principal::anonymous()).is_err(), "no runtime");
}

#[test]
fn the_argument_is_described_as_every_client_takes_it_and_as_the_document_is() {
    let world = World::new();
    let warnings: Vec<String> =
        world.runtime.warnings().filter(|warning| warning.contains("run_workflow")).collect();
    assert_eq!(warnings, [""; 0]);
    let catalog = world.runtime.dispatcher().catalog();
    let listed = catalog.find("run_workflow").unwrap().spec().input_schema();
    let schema = PlanDocument::schema();
    let names = |schema: &Value, pointer: &str| -> Vec<String> {
        let members = schema.pointer(pointer).and_then(Value::as_object);
        members.unwrap_or_else(|| panic!("{pointer}")).keys().cloned().collect()
    };
    let mut step = names(&schema, "/$defs/toolStep/properties");
    step.extend(names(&schema, "/$defs/planStep/properties"));
    step.sort();
    step.dedup();
    let at = "/properties/workflow/properties/steps/additionalProperties/properties";
    let mut shown = names(listed, at);
    shown.sort();
    assert_eq!(shown, step, "a member of a step is described in one of the two and not in the other");
    let mut map = names(&schema, "/$defs/map/properties");
    map.sort();
    let mut shown = names(listed, &format!("{at}/map/properties"));
    shown.sort();
    assert_eq!(shown, map);
}

#[test]
fn dropping_the_call_drops_every_step() {
    run(async {
        let world = World::new();
        let workflow = json!({ "steps": { "a": { "tool": "write" } }, "output": 1 });
        let made = || {
            let call = call(json!({ "workflow": workflow })).of("run_workflow").build();
            world.runtime.dispatcher().call_within(call)
        };
        let made = async || drop(made().await.unwrap());
        toolpost_test::cancel_at_each_await(made, |_| {
            assert_eq!(world.runtime.dispatcher().running(), 0);
        })
        .await;
    });
}

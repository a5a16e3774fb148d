//! A workflow whose steps are tools is a tool.
#![expect(clippy::unwrap_used, reason = "tests fail by panic")]

use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use toolpost::cache::Capacity;
use toolpost::dispatch::{Access, Authorize, CallRequest, Decision};
use toolpost::layers::ResultCache;
use toolpost::scheduler::rt::Gate;
use toolpost::scheduler::{Fair, Limit, QueueLimits};
use toolpost::tool::{
    AnyTool, Call, CallParts, ErrorKind, Json, LogLevel, NoArgs, Output, Principal, Priority, Refusal,
    ResultFlag, Sink, Tool, ToolError, ToolSpec, tool_fn,
};
use toolpost::workflow::{MapOptions, OnFailure, Plan, StepHandle, StepPolicy, Workflow, all};
use toolpost::{CallStep as _, Peers, Runtime, ToolExt as _, WorkflowTool};
use toolpost_test::{Script, assert_kind, mock, run};

/// A number to double.
#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Number {
    number: u64,
}

fn double() -> impl Tool {
    tool_fn("double", |n: Number, _| async move { Ok(Json(n.number * 2)) })
}

fn spec(name: &str) -> ToolSpec {
    ToolSpec::new(name).unwrap()
}

fn now() -> std::time::Instant {
    #[expect(clippy::disallowed_methods, reason = "the paused clock of a test")]
    tokio::time::Instant::now().into_std()
}

/// Doubles the argument twice, the second time from the first.
fn quadruple(first: impl Tool, second: impl Tool) -> Plan<Call, Json<u64>> {
    let mut w = Workflow::<Call>::new("quadruple");
    let number = w.step("arguments").arguments::<Number>();
    let a: StepHandle<u64> = w.step("first").call_for(first, number, |n| Number { number: n.number });
    let b: StepHandle<u64> = w.step("second").call_for(second, a, |a| Number { number: *a });
    let out = w.step("out").compute(b, |b| Json(*b));
    w.build(out).unwrap()
}

#[test]
fn steps_pass_values_and_arguments_have_a_schema() {
    run(async {
        let tool = WorkflowTool::new(spec("quadruple"), quadruple(double(), double())).taking::<Number>();
        assert_eq!(tool.spec().description(), "A number to double.");
        assert_eq!(tool.spec().input_schema()["required"], serde_json::json!(["number"]));
        assert!(tool.spec().output_schema().is_some());
        // Wrapped, it is a tool still.
        let runtime = Runtime::builder().tool(tool.timed(Duration::from_secs(1))).build().unwrap();
        let output = runtime.call("quadruple", &Number { number: 10 }).await.unwrap();
        assert_eq!(output.structured(), Some("40"));
        let wrong = runtime.call("quadruple", &serde_json::json!({"number": "ten"})).await;
        assert_kind(&wrong, ErrorKind::InvalidArguments);
    });
}

#[test]
fn a_step_runs_as_its_caller_with_what_is_left_of_the_time() {
    run(async {
        let (tool, mut handle) = mock("look");
        let mut w = Workflow::<Call>::new("w");
        let slow = w.step("slow").run((), |()| async {
            #[expect(clippy::disallowed_methods, reason = "the paused clock of a test")]
            tokio::time::sleep(Duration::from_secs(2)).await;
            Ok(())
        });
        let limited = StepPolicy::new().time_limit(Duration::from_secs(60));
        let out = w.step("look").policy(limited).call(tool, slow, |_| NoArgs {});
        let tool = WorkflowTool::new(spec("w"), w.build(out).unwrap());

        let due = now() + Duration::from_secs(10);
        let mut parts = CallParts::default();
        parts.principal = Principal::new("ada");
        let call = Call::from_parts(parts).due_by(due).with_priority(Priority::Urgent);
        let (result, ()) = tokio::join!(tool.call(call), async {
            let received = handle.next().await;
            let inner = received.call();
            assert_eq!(
                (inner.tool(), inner.principal().as_str(), inner.priority()),
                ("look", "ada", Priority::Urgent)
            );
            assert_eq!(inner.deadline(), Some(due));
            assert_eq!(inner.remaining(now()), Some(Duration::from_secs(8)));
            received.respond(Output::text("seen"));
        });
        assert_eq!(result.unwrap().as_text(), Some("seen"));

        // And when the time is up, so is the workflow, and the step's future is gone.
        let call = Call::new(&NoArgs {}).unwrap().due_by(now() + Duration::from_secs(5));
        let (result, received) = tokio::join!(tool.call(call), handle.next());
        assert!(received.is_cancelled());
        assert_kind(&result, ErrorKind::TimedOut);
        assert_eq!(
            result.unwrap_err().to_string(),
            "step `look`: the run's deadline passed; 1 of 2 steps succeeded"
        );
    });
}

#[test]
fn dropping_the_call_drops_the_steps() {
    run(async {
        let (tool, mut handle) = mock("look");
        let mut w = Workflow::<Call>::new("w");
        let out = w.step("look").call(tool, (), |()| NoArgs {});
        let tool = WorkflowTool::new(spec("w"), w.build(out).unwrap());
        let received = {
            let call = tool.call(Call::new(&NoArgs {}).unwrap());
            tokio::pin!(call);
            tokio::select! {
                _ = &mut call => unreachable!("nobody answered"),
                received = handle.next() => received,
            }
        };
        assert!(received.is_cancelled());
    });
}

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Sink for Heard {
    fn progress(&self, done: f64, total: Option<f64>, message: Option<&str>) {
        self.0.lock().unwrap().push(format!("{done}/{} {}", total.unwrap(), message.unwrap()));
    }

    fn log(&self, _: LogLevel, _: Option<&str>, _: &str) {}

    fn log_level(&self) -> Option<LogLevel> {
        None
    }
}

#[test]
fn progress_is_steps_ended_of_all_steps() {
    run(async {
        let heard = Arc::new(Heard::default());
        let mut parts = CallParts::default().with_arguments(&Number { number: 1 }).unwrap();
        parts.set_sink(Some(Arc::clone(&heard) as Arc<dyn Sink>));
        let tool = WorkflowTool::new(
            spec("w"),
            quadruple(double(), Script::new("double").fails(ToolError::new("no"))),
        );
        let error = tool.call(Call::from_parts(parts)).await.unwrap_err();
        assert_eq!(error.to_string(), "step `second`: no; 2 of 4 steps succeeded");
        let wanted =
            ["1/4 arguments: succeeded", "2/4 first: succeeded", "3/4 second: failed", "4/4 out: skipped"];
        assert_eq!(*heard.0.lock().unwrap(), wanted);
    });
}

#[test]
fn a_failed_step_says_which_and_keeps_what_a_caller_can_act_on() {
    run(async {
        let fail = async |tool: Script| {
            let tool = WorkflowTool::new(spec("w"), quadruple(double(), tool));
            tool.call(Call::new(&Number { number: 1 }).unwrap()).await.unwrap_err()
        };
        let wait = Duration::from_secs(3);
        let busy = ToolError::refused(Refusal::QueueFull, "the queue is full", Some(wait));
        let error = fail(Script::new("double").fails(busy)).await;
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Refused(Refusal::QueueFull), Some(wait)));
        let error =
            fail(Script::new("double").fails(ToolError::invalid_arguments("number: too large"))).await;
        assert_eq!(error.kind(), ErrorKind::Failed, "they were not the caller's arguments");
        let error = fail(Script::new("double").panics()).await;
        assert_eq!(error.kind(), ErrorKind::Panicked);
        assert_eq!(error.to_string(), "step `second`: panicked; 2 of 4 steps succeeded");
        let error = fail(Script::new("double").outputs(Output::text("disk full").into_error())).await;
        assert_eq!(error.to_string(), "step `second`: disk full; 2 of 4 steps succeeded");
        let error = fail(Script::new("double").outputs(Output::json("x").unwrap())).await;
        assert!(error.to_string().contains("not what the workflow expects"), "{error}");
        let tool = WorkflowTool::new(spec("w"), quadruple(double(), double()));
        let error = tool.call(Call::new(&serde_json::json!({"number": -1})).unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArguments);
    });
}

#[test]
fn the_step_that_decided_is_named_and_judged_by_also_in_a_list() {
    run(async {
        let wait = Duration::from_secs(30);
        let down = || ToolError::unavailable("weather is down").with_retry_after(wait);
        let mut w = Workflow::<Call>::new("w");
        let number = w.step("arguments").arguments::<Number>();
        let ask = |n: Arc<Number>| Number { number: n.number };
        let allowed = StepPolicy::new().on_failure(OnFailure::Allow);
        let weather: StepHandle<u64> = w.step("optional weather").policy(allowed).call_for(
            Script::new("weather").fails(down()),
            number,
            ask,
        );
        let missing = Script::new("sales").fails(ToolError::new("no such table"));
        let sales: StepHandle<u64> =
            w.step("load sales").call_for(missing, (number, weather.optional()), move |(n, _)| ask(n));
        let out = w.step("out").compute(sales, |n| Json(*n));
        let tool = WorkflowTool::new(spec("w"), w.build(out).unwrap());
        let error = tool.call(Call::new(&Number { number: 1 }).unwrap()).await.unwrap_err();
        assert_eq!(error.to_string(), "step `load sales`: no such table; 1 of 4 steps succeeded");
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Failed, None));

        let mut w = Workflow::<Call>::new("w");
        let list = w.step("list").compute((), |()| vec![1_u64]);
        let each = w.step("each").call_for_each::<u64, _, _, _>(
            MapOptions::new(1),
            Script::new("weather").fails(down()),
            list,
            |n| Number { number: *n },
        );
        let out = w.step("sum").compute(each, |all| Json(all.len()));
        let tool = WorkflowTool::new(spec("w"), w.build(out).unwrap());
        let error = tool.call(Call::new(&NoArgs {}).unwrap()).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Unavailable, Some(wait)));
        assert!(error.to_string().contains("1 of 1 items failed"), "{error}");
    });
}

#[test]
fn failures_of_optional_steps_leave_a_partial_result() {
    run(async {
        let mut w = Workflow::<Call>::new("w");
        let number = w.step("arguments").arguments::<Number>();
        let allowed = StepPolicy::new().on_failure(OnFailure::Allow);
        let broken: StepHandle<u64> = w.step("broken").policy(allowed).call_for(
            Script::new("double").fails(ToolError::new("no")),
            number,
            |n| Number { number: n.number },
        );
        let works: StepHandle<u64> =
            w.step("works").call_for(double(), number, |n| Number { number: n.number });
        let out = w.step("out").compute((broken.optional(), works), |(a, b)| Json((a.is_some(), *b)));
        let tool = WorkflowTool::new(spec("w"), w.build(out).unwrap());
        let output = tool.call(Call::new(&Number { number: 4 }).unwrap()).await.unwrap();
        assert_eq!(output.structured(), Some("[false,8]"));
    });
}

#[test]
fn a_tool_is_called_for_each_item() {
    run(async {
        let mut w = Workflow::<Call>::new("w");
        let list = w.step("list").compute((), |()| vec![1_u64, 2, 3]);
        let each = MapOptions::new(2);
        let doubled =
            w.step("double").call_for_each::<u64, _, _, _>(each, double(), list, |n| Number { number: *n });
        let out = w.step("sum").compute(doubled, |all| Json(all.iter().flatten().sum::<u64>()));
        let tool = WorkflowTool::new(spec("w"), w.build(out).unwrap()).limit(1);
        assert_eq!(tool.call(Call::new(&NoArgs {}).unwrap()).await.unwrap().structured(), Some("12"));
    });
}

#[test]
fn a_cached_step_does_not_run_again_and_neither_does_a_cached_workflow() {
    run(async {
        let (cache, runs) = (ResultCache::new(Capacity::entries(100)), Arc::new(AtomicU32::new(0)));
        let count = Arc::clone(&runs);
        let slow = tool_fn("double", move |n: Number, _| {
            count.fetch_add(1, Ordering::Relaxed);
            async move { Ok(Json(n.number * 2)) }
        });
        let slow = slow.with_spec(ToolSpec::read_only).cached(&cache, Duration::from_secs(60));
        let tool = WorkflowTool::new(spec("quadruple").read_only(), quadruple(slow, double()));
        let call = async |tool: &dyn Fn() -> AnyTool| {
            let output = tool().call(Call::new(&Number { number: 10 }).unwrap()).await.unwrap();
            assert_eq!(output.structured(), Some("40"));
            output
        };
        let tool = Arc::new(tool);
        let plain = || AnyTool::new(Arc::clone(&tool));
        call(&plain).await;
        call(&plain).await;
        assert_eq!(runs.load(Ordering::Relaxed), 1, "the second time its step was a hit");
        let whole = AnyTool::new(Arc::clone(&tool).cached(&cache, Duration::from_secs(60)));
        let whole = || whole.clone();
        assert!(!call(&whole).await.has_flag(ResultFlag::CacheHit));
        assert!(call(&whole).await.has_flag(ResultFlag::CacheHit));
    });
}

#[test]
fn steps_wait_their_turn_at_the_gate_of_their_tools() {
    run(async {
        let running = Arc::new(Mutex::new((0, 0)));
        let gate = Gate::with_discipline(Limit::fixed(2), Fair::default(), QueueLimits::new(100));
        let seen = Arc::clone(&running);
        let busy = tool_fn("busy", move |_: NoArgs, _| {
            let seen = Arc::clone(&seen);
            async move {
                {
                    let mut seen = seen.lock().unwrap();
                    seen.0 += 1;
                    seen.1 = seen.1.max(seen.0);
                }
                #[expect(clippy::disallowed_methods, reason = "the paused clock of a test")]
                tokio::time::sleep(Duration::from_secs(1)).await;
                seen.lock().unwrap().0 -= 1;
                Ok(Json(1_u64))
            }
        });
        let busy = Arc::new(busy.scheduled(&gate));
        let mut w = Workflow::<Call>::new("w");
        let steps: Vec<StepHandle<u64>> = (0..6)
            .map(|i| w.step(&format!("step {i}")).call_for(Arc::clone(&busy), (), |()| NoArgs {}))
            .collect();
        let out = w.step("sum").compute(all(steps), |all| Json(all.iter().map(|n| **n).sum::<u64>()));
        let tool = WorkflowTool::new(spec("w"), w.build(out).unwrap());
        let start = now();
        assert_eq!(tool.call(Call::new(&NoArgs {}).unwrap()).await.unwrap().structured(), Some("6"));
        assert_eq!((running.lock().unwrap().1, now() - start), (2, Duration::from_secs(3)));
    });
}

/// Lets everybody call anything but `secret`, which is for `root`.
struct Guard;

impl Authorize for Guard {
    fn authorize(&self, access: &Access<'_>) -> Result<Decision, Box<dyn Error + Send + Sync>> {
        Ok(match access.target.name() == "secret" && access.principal.as_str() != "root" {
            true => Decision::Deny("it is secret".to_owned()),
            false => Decision::Allow,
        })
    }
}

#[test]
fn a_tool_called_by_name_is_authorized_checked_and_run_like_any_other() {
    run(async {
        let peers = Peers::new();
        let by_name = |name: &str, step: &str| {
            let mut w = Workflow::<Call>::new(name);
            let number = w.step("arguments").arguments::<serde_json::Value>();
            let out =
                w.step("step").call(peers.tool(step).unwrap(), number, |n| serde_json::Value::clone(&n));
            WorkflowTool::new(spec(name), w.build(out).unwrap())
        };
        let unbound = by_name("unbound", "double").call(Call::new(&NoArgs {}).unwrap()).await;
        assert_kind(&unbound, ErrorKind::Unavailable);

        let runtime = Runtime::builder()
            .authorize(Guard)
            .tool(double())
            .tool(tool_fn("secret", |_: NoArgs, _| async { Ok("the secret") }))
            .tool(by_name("doubles", "double"))
            .tool(by_name("tells", "secret"))
            .tool(by_name("misses", "duoble"))
            .build()
            .unwrap();
        assert!(peers.bind(&runtime));
        assert!(!peers.bind(&runtime));
        assert_eq!(runtime.call("doubles", &Number { number: 4 }).await.unwrap().structured(), Some("8"));
        let wrong = runtime.call("doubles", &serde_json::json!({"number": "x"})).await.unwrap_err();
        assert!(wrong.to_string().starts_with("step `step`: "), "{wrong}");
        let denied = runtime.call("tells", &NoArgs {}).await;
        assert_kind(&denied, ErrorKind::Refused(Refusal::Denied));
        let root = CallRequest::new("tells").by(Principal::new("root"));
        assert_eq!(runtime.dispatcher().call(root).await.unwrap().as_text(), Some("the secret"));
        let missing = runtime.call("misses", &NoArgs {}).await.unwrap_err();
        assert!(missing.to_string().contains("did you mean `double`"), "{missing}");

        // Peers keep no runtime alive.
        drop(runtime);
        let gone = by_name("gone", "double").call(Call::new(&NoArgs {}).unwrap()).await;
        assert_kind(&gone, ErrorKind::Unavailable);
    });
}

#[test]
fn a_workflow_takes_no_seat_that_its_steps_need() {
    run(async {
        let peers = Peers::new();
        let mut w = Workflow::<Call>::new("w");
        let out = w.step("step").call(peers.tool("double").unwrap(), (), |()| Number { number: 1 });
        let tool =
            WorkflowTool::new(spec("w").with_time_limit(Duration::from_secs(1)), w.build(out).unwrap());
        let one = Gate::with_discipline(Limit::fixed(1), Fair::default(), QueueLimits::new(10));
        let runtime = Runtime::builder().gate(&one).tool(double()).tool(tool).build().unwrap();
        assert!(peers.bind(&runtime));
        let (a, b) = tokio::join!(runtime.call("w", &NoArgs {}), runtime.call("w", &NoArgs {}));
        assert_eq!((a.unwrap().structured(), b.unwrap().structured()), (Some("2"), Some("2")));
    });
}

#[test]
fn a_workflow_that_calls_itself_fails_before_the_stack_is_used_up() {
    run(async {
        let peers = Peers::new();
        let by_name = |name: &str, step: &str| {
            let mut w = Workflow::<Call>::new(name);
            let out = w.step("step").call(peers.tool(step).unwrap(), (), |()| NoArgs {});
            WorkflowTool::new(spec(name), w.build(out).unwrap())
        };
        let runtime =
            Runtime::builder().tool(by_name("hen", "egg")).tool(by_name("egg", "hen")).build().unwrap();
        assert!(peers.bind(&runtime));
        for _again in 0..2 {
            let error = runtime.call("hen", &NoArgs {}).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Failed);
            let said = error.to_string();
            let last = "`egg` is called within 16 calls of other tools; does it call itself?";
            assert!(said.contains(last), "{said}");
        }
    });
}

#[test]
fn a_drain_lets_a_running_workflow_finish_its_steps() {
    run(async {
        let peers = Peers::new();
        let (gate, mut handle) = mock("gate");
        let mut w = Workflow::<Call>::new("w");
        let first = w.step("first").call(peers.tool("gate").unwrap(), (), |()| NoArgs {});
        let then = w.step("then").call(peers.tool("double").unwrap(), first, |_| Number { number: 1 });
        let tool = WorkflowTool::new(spec("w"), w.build(then).unwrap());
        let runtime = Runtime::builder().tool(gate).tool(double()).tool(tool).build().unwrap();
        assert!(peers.bind(&runtime));
        let due = now() + Duration::from_secs(1);
        let (result, drained, ()) = tokio::join!(
            runtime.call("w", &NoArgs {}),
            async {
                tokio::task::yield_now().await;
                runtime.dispatcher().drain(due).await
            },
            async {
                let received = handle.next().await;
                while !runtime.dispatcher().is_draining() {
                    tokio::task::yield_now().await;
                }
                received.respond(Output::text("open"));
            }
        );
        assert_eq!(result.unwrap().structured(), Some("2"));
        assert_eq!(drained, 0);
    });
}

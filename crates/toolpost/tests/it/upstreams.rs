//! Other servers in front of a runtime's clients.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::io::{DuplexStream, ReadHalf, WriteHalf, duplex, split};
use toolpost::dispatch::{Completing, Dispatcher, PromptSet, Registry, ResourceSet};
use toolpost::protocol::model::{
    GetPromptResult, Prompt, PromptArgument, PromptMessage, Resource, ResourceContents, ResourceTemplate,
    Role,
};
use toolpost::tool::{AnyTool, ErrorKind, NoArgs, ToolError, tool_fn};
use toolpost::upstream::{Endpoint, Upstream, UpstreamOptions, UpstreamStatus};
use toolpost::{Runtime, Settings, Upstreams};
use toolpost_server::Server;
use toolpost_test::client;

fn endpoint(dispatcher: &Dispatcher) -> Endpoint {
    let open = endpoint_streams(dispatcher.clone());
    Endpoint::streams(move || std::future::ready(Ok(open())))
}

/// Opens a connection to a server in memory.
fn endpoint_streams(
    dispatcher: Dispatcher,
) -> impl Fn() -> (ReadHalf<DuplexStream>, WriteHalf<DuplexStream>) + Send + Sync + 'static {
    let server = Server::builder(dispatcher).build();
    move || {
        let (ours, theirs) = duplex(1 << 16);
        let server = server.clone();
        #[expect(clippy::disallowed_methods, reason = "a server in memory is a task")]
        drop(tokio::spawn(async move {
            let (reader, writer) = split(theirs);
            drop(server.serve_io(reader, writer).await);
        }));
        split(ours)
    }
}

fn of(tools: impl IntoIterator<Item = AnyTool>) -> Dispatcher {
    let registry = tools.into_iter().fold(Registry::builder(), |registry, tool| registry.any(tool));
    Dispatcher::builder(registry.build().unwrap()).build()
}

/// A tool that only reads, and how often it did.
fn counting(name: &'static str) -> (AnyTool, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let tool = tool_fn(name, move |_: NoArgs, _| {
        let n = counted.fetch_add(1, Ordering::Relaxed);
        async move { Ok(format!("read {n}")) }
    });
    (AnyTool::new(tool.with_spec(|spec| spec.read_only())), count)
}

async fn until(upstream: &Upstream, is: impl Fn(&UpstreamStatus) -> bool) {
    let mut changes = upstream.changes();
    let reached = async {
        while !is(&upstream.status()) {
            changes.changed().await.unwrap();
        }
    };
    let late = tokio::time::timeout(Duration::from_secs(600), reached).await;
    assert!(late.is_ok(), "{:?}", upstream.status());
}

async fn listed(runtime: &Runtime) -> Vec<String> {
    let listed = client(runtime.dispatcher()).connect().await.list_tools().await;
    listed.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn tools_of_upstreams_are_behind_the_policies_of_the_settings() {
    let (stock, count) = counting("stock");
    let settings = r#"{"tools": {"shop_stock": {"cache": {"ttl-ms": 60000}, "time-limit-ms": 5000}}}"#;
    let upstreams = Upstreams::new();
    let options = UpstreamOptions::new().prefix("shop_");
    upstreams.add(Upstream::start("shop", endpoint(&of([stock])), options)).unwrap();
    let runtime = Runtime::builder().settings(Settings::from_json(settings).unwrap()).upstreams(&upstreams);
    let runtime = runtime.build().unwrap();
    until(&upstreams.get("shop").unwrap(), |status| !status.tools.is_empty()).await;
    tokio::time::timeout(Duration::from_secs(60), async {
        while listed(&runtime).await != ["shop_stock"] {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    for _ in 0..10 {
        let output = runtime.call("shop_stock", &NoArgs {}).await.unwrap();
        assert!(output.encode().contains("read 0"), "{output:?}");
    }
    assert_eq!(count.load(Ordering::Relaxed), 1, "the others are cached");
    runtime.drain(Duration::from_secs(5)).await.unwrap();
    assert!(!upstreams.get("shop").unwrap().is_running());
}

#[tokio::test(start_paused = true)]
async fn a_name_that_two_have_is_an_error_that_names_both_and_the_first_stays() {
    let upstreams = Upstreams::new();
    let runtime = Runtime::builder().upstreams(&upstreams).build().unwrap();
    let (first, second) = (counting("same").0, counting("same").0);
    let a = Upstream::start("a", endpoint(&of([first])), UpstreamOptions::new());
    upstreams.add(a.clone()).unwrap();
    until(&a, UpstreamStatus::is_healthy).await;
    until(&a, |status| status.tools == ["same"]).await;
    let b = Upstream::start("b", endpoint(&of([second])), UpstreamOptions::new());
    upstreams.add(b.clone()).unwrap();
    until(&b, |status| !status.faults.is_empty()).await;
    assert_eq!(b.status().faults, ["the name `same` is claimed by source `a` and by source `b`"]);
    runtime.call("same", &NoArgs {}).await.unwrap();

    let again = Upstream::start("a", endpoint(&of([])), UpstreamOptions::new());
    assert_eq!(upstreams.add(again).unwrap_err().to_string(), "two upstreams are called `a`");
    assert!(upstreams.remove("a").await && !upstreams.remove("a").await);
    assert!(!a.is_running());
    assert_eq!(listed(&runtime).await, [] as [&str; 0]);
    assert_eq!(runtime.call("same", &NoArgs {}).await.unwrap_err().kind(), ErrorKind::Protocol);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_too_long_with_its_prefix_is_refused_by_itself() {
    let upstreams = Upstreams::new();
    let runtime = Runtime::builder().upstreams(&upstreams).build().unwrap();
    let long: &'static str = "a_name_that_is_as_long_as_it_may_be_while_nothing_stands_before";
    let theirs = of([counting(long).0, counting("short").0]);
    let upstream = Upstream::start("long", endpoint(&theirs), UpstreamOptions::new().prefix("long_"));
    upstreams.add(upstream.clone()).unwrap();
    until(&upstream, |status| !status.faults.is_empty()).await;
    assert!(upstream.status().faults[0].contains("has 68 characters"), "{:?}", upstream.status().faults);
    assert_eq!(listed(&runtime).await, ["long_short"]);
}

#[tokio::test(start_paused = true)]
async fn resources_prompts_and_completions_go_through() {
    let resources = ResourceSet::new().text(Resource::new("notes://today", "today"), "buy oil").template(
        ResourceTemplate::new("notes://day/{day}", "a day"),
        |uri, day, _| async move {
            Ok(Some(vec![ResourceContents::text(uri, format!("nothing on {}", day["day"]))]))
        },
    );
    let explain = Prompt::new("explain").with_argument(PromptArgument::new("topic").required());
    let prompts = PromptSet::new().prompt(explain, |arguments, _| async move {
        let text = format!("Explain {}.", arguments["topic"]);
        Ok(GetPromptResult::new(vec![PromptMessage::new(Role::User, text)]))
    });
    let theirs = Dispatcher::builder(Registry::builder().any(counting("one").0).build().unwrap())
        .resources(resources)
        .prompts(prompts)
        .completions(
            |completing: Completing| async move { Ok(vec![format!("{}uck", completing.argument.value)]) },
        )
        .build();
    let upstreams = Upstreams::new();
    let runtime = Runtime::builder().upstreams(&upstreams).build().unwrap();
    let notes = Upstream::start("notes", endpoint(&theirs), UpstreamOptions::new().prefix("n_"));
    upstreams.add(notes.clone()).unwrap();
    until(&notes, UpstreamStatus::is_healthy).await;

    let mut client = client(runtime.dispatcher()).connect().await;
    assert_eq!(client.list("resources/list", "resources").await[0]["uri"], "notes://today");
    let templates = client.list("resources/templates/list", "resourceTemplates").await;
    assert_eq!(templates[0]["uriTemplate"], "notes://day/{day}");
    let read = client.read_resource("notes://today").await.unwrap();
    assert_eq!(read["contents"][0]["text"], "buy oil");
    let read = client.read_resource("notes://day/friday").await.unwrap();
    assert_eq!(read["contents"][0]["text"], "nothing on friday");
    assert!(client.read_resource("notes://tomorrow").await.is_err());
    assert_eq!(client.list("prompts/list", "prompts").await[0]["name"], "n_explain");
    let prompt = client.get_prompt("n_explain", &json!({ "topic": "lathes" })).await.unwrap();
    assert_eq!(prompt["messages"][0]["content"]["text"], "Explain lathes.");
    assert!(client.get_prompt("explain", &json!({ "topic": "lathes" })).await.is_err());
    let params = json!({ "ref": { "type": "ref/prompt", "name": "n_explain" }, "argument": { "name": "topic", "value": "ch" } });
    let completed = client.request("completion/complete", params).await.unwrap();
    assert_eq!(completed["completion"]["values"], json!(["chuck"]));
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "on a paused clock")]
async fn what_is_replaced_answers_until_its_successor_is_there() {
    let prompts = |name: &'static str| {
        let prompts =
            PromptSet::new().prompt(Prompt::new(name), |_, _| async { Ok(GetPromptResult::new(Vec::new())) });
        let registry = Registry::builder().any(counting(name).0).build().unwrap();
        Dispatcher::builder(registry).prompts(prompts).build()
    };
    let upstreams = Upstreams::new();
    let runtime = Runtime::builder().upstreams(&upstreams).build().unwrap();
    let before = Upstream::start("shop", endpoint(&prompts("before")), UpstreamOptions::new());
    upstreams.add(before.clone()).unwrap();
    until(&before, |status| !status.tools.is_empty()).await;
    let offered = async || {
        let mut client = client(runtime.dispatcher()).connect().await;
        let names = |listed: Vec<serde_json::Value>| {
            listed.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        (names(client.list_tools().await), names(client.list("prompts/list", "prompts").await))
    };
    let named = |name: &str| (vec![name.to_owned()], vec![name.to_owned()]);
    assert_eq!(offered().await, named("before"));

    let is_there = Arc::new(AtomicBool::new(false));
    let (waits, after) = (Arc::clone(&is_there), endpoint_streams(prompts("after")));
    let late = Endpoint::streams(move || {
        let is_there = waits.load(Ordering::Relaxed);
        let opened = is_there.then(&after).ok_or_else(|| io::ErrorKind::ConnectionRefused.into());
        std::future::ready(opened)
    });
    let after = Upstream::start("shop", late, UpstreamOptions::new());
    let former = upstreams.replace(after.clone()).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(offered().await, named("before"), "its successor is down, and was never there");
    is_there.store(true, Ordering::Relaxed);
    until(&after, |status| !status.tools.is_empty()).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(offered().await, named("after"));
    former.stop().await;
    assert_eq!(offered().await, named("after"));
}

#[tokio::test(start_paused = true)]
async fn a_drain_lets_calls_end_before_their_servers() {
    let slow = tool_fn("slow", |_: NoArgs, _| async {
        tokio::time::timeout(Duration::from_secs(3), std::future::pending::<()>()).await.unwrap_err();
        Ok("done")
    });
    let upstreams = Upstreams::new();
    let runtime = Runtime::builder().upstreams(&upstreams).build().unwrap();
    let shop = Upstream::start("shop", endpoint(&of([AnyTool::new(slow)])), UpstreamOptions::new());
    upstreams.add(shop.clone()).unwrap();
    until(&shop, |status| status.tools == ["slow"]).await;
    let call = async { runtime.call("slow", &NoArgs {}).await };
    let drain = async {
        tokio::task::yield_now().await;
        runtime.drain(Duration::from_secs(10)).await
    };
    let (ended, drained) = tokio::join!(call, drain);
    assert!(ended.unwrap().encode().contains("done"));
    drained.unwrap();
    assert!(!shop.is_running());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_or_is_gone_costs_nobody_else_anything() {
    let upstreams = Upstreams::new();
    let hangs = Endpoint::streams(|| async {
        let (ours, theirs) = duplex(64);
        // Kept open, and never answered.
        std::mem::forget(theirs);
        Ok(split(ours))
    });
    let gone = Endpoint::streams(|| {
        std::future::ready(Err::<(tokio::io::Empty, tokio::io::Sink), _>(
            io::ErrorKind::ConnectionRefused.into(),
        ))
    });
    upstreams.add(Upstream::start("hangs", hangs, UpstreamOptions::new())).unwrap();
    upstreams.add(Upstream::start("gone", gone, UpstreamOptions::new())).unwrap();
    let good = Upstream::start("good", endpoint(&of([counting("good").0])), UpstreamOptions::new());
    upstreams.add(good.clone()).unwrap();
    let runtime = Runtime::builder().upstreams(&upstreams).build().unwrap();
    until(&good, |status| status.tools == ["good"]).await;
    let begun = tokio_now();
    while listed(&runtime).await.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(listed(&runtime).await, ["good"]);
    runtime.call("good", &NoArgs {}).await.unwrap();
    assert_eq!(begun, tokio_now(), "nobody waited for the others");
    tokio::time::timeout(Duration::from_secs(5), runtime.drain(Duration::from_secs(5)))
        .await
        .unwrap()
        .unwrap();
}

#[expect(clippy::disallowed_methods, reason = "a paused clock is read")]
fn tokio_now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_is_dropped_ends_its_upstreams() {
    let upstreams = Upstreams::new();
    let runtime = Runtime::builder().upstreams(&upstreams).build().unwrap();
    let good = Upstream::start("good", endpoint(&of([counting("good").0])), UpstreamOptions::new());
    let mut changes = good.changes();
    upstreams.add(good).unwrap();
    drop((runtime, upstreams));
    let ended = async { while changes.changed().await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(60), ended).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_is_told_to_programs_too() {
    let order = tool_fn("order", |_: NoArgs, _| std::future::pending::<Result<String, ToolError>>());
    let upstreams = Upstreams::new();
    let runtime = Runtime::builder().upstreams(&upstreams).build().unwrap();
    let shop = Upstream::start("shop", endpoint(&of([AnyTool::new(order)])), UpstreamOptions::new());
    upstreams.add(shop.clone()).unwrap();
    until(&shop, |status| status.tools == ["order"]).await;
    let mut client = client(runtime.dispatcher()).connect().await;
    let stops = async {
        tokio::task::yield_now().await;
        shop.stop().await;
    };
    let arguments = json!({});
    let (result, ()) = tokio::join!(client.call("order", &arguments), stops);
    let result = result.unwrap();
    assert_eq!(result["_meta"]["dev.toolpost/outcome"], "unknown", "{result}");
}

//! What the official conformance suite leaves unproven and no other file here is about: deadlines, what a
//! call is told of its request, and what every tool's results have in common.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test; its clock is paused")]

use crate::common;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::{Lines, Watch, builder, call, modern};
use serde_json::{Value, json};
use toolpost_dispatch::{Dispatcher, Registry, Schema};
use toolpost_json::Frame;
use toolpost_server::Server;
use toolpost_tool::{Call, NoArgs, Priority, tool_fn};

#[tokio::test(start_paused = true)]
async fn a_deadline_from_the_wire_ends_the_call_and_no_other() {
    let watch = Arc::new(Watch::default());
    let lines = &mut Lines::to(&builder(&watch).build());
    let wait = |id: i64, deadline: Value| {
        modern(id, "tools/call", json!({ "name": "wait", "_meta": { "dev.toolpost/deadlineMs": deadline } }))
    };
    lines.send(&call(1, "wait", json!({}))).await;
    lines.send(&wait(2, json!(250))).await;
    // Of no known form, so none.
    lines.send(&wait(3, json!("soon"))).await;
    let start = tokio::time::Instant::now();
    let late = lines.receive().await;
    assert_eq!((&late["id"], &late["result"]["isError"]), (&json!(2), &json!(true)), "{late}");
    assert_eq!(start.elapsed().as_millis(), 250);
    assert_eq!(watch.dropped.load(Ordering::SeqCst), 1);
    // However long it asks for, ten minutes are the most; and one, if neither it nor its tool says anything.
    lines.send(&wait(4, json!(u64::MAX))).await;
    lines.send(&wait(5, json!(70_000))).await;
    let mut ids = [lines.receive().await["id"].clone(), lines.receive().await["id"].clone()];
    ids.sort_by_key(Value::as_i64);
    assert_eq!((ids, start.elapsed().as_secs()), ([json!(1), json!(3)], 60));
    let late = lines.receive().await;
    assert_eq!((&late["id"], start.elapsed().as_secs()), (&json!(5), 70));
    let late = lines.receive().await;
    assert_eq!((&late["id"], start.elapsed().as_secs()), (&json!(4), 600));
}

#[tokio::test]
async fn a_call_is_told_its_trace_its_priority_and_every_foreign_member_of_meta() {
    let seen = tool_fn("seen", |_: NoArgs, call: Call| async move {
        let trace = call.trace();
        let of = |text: &Option<bytestring::ByteString>| text.as_deref().unwrap_or("-").to_owned();
        let foreign = call.meta().and_then(|meta| meta.member("com.example/x")).map(|x| x.raw().to_owned());
        let foreign = foreign.unwrap_or_default();
        let urgent = call.priority() == Priority::Urgent;
        Ok(format!("{} {} {} {urgent} {foreign}", of(&trace.parent), of(&trace.state), of(&trace.baggage)))
    });
    let registry = Registry::builder().tool(seen).build().unwrap();
    let lines = &mut Lines::to(&Server::builder(Dispatcher::builder(registry).build()).build());
    let parent = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
    let meta = json!({ "traceparent": parent, "tracestate": "a=1", "baggage": "b=2",
        "dev.toolpost/priority": "system", "com.example/x": { "n": 9_007_199_254_740_993_u64 } });
    let answer = lines.ask(&modern(1, "tools/call", json!({ "name": "seen", "_meta": meta }))).await;
    let expected = format!(r#"{parent} a=1 b=2 true {{"n":9007199254740993}}"#);
    assert_eq!(answer["result"]["content"][0]["text"], expected);
    let answer = lines.ask(&modern(2, "tools/call", json!({ "name": "seen" }))).await;
    assert_eq!(answer["result"]["content"][0]["text"], "- - - false ");
}

#[tokio::test(start_paused = true)]
async fn discovery_and_initialization_wait_for_nothing() {
    let lines = &mut Lines::to(&builder(&Arc::new(Watch::default())).build());
    let start = tokio::time::Instant::now();
    assert_eq!(lines.ask(&modern(1, "server/discover", json!({}))).await["id"], 1);
    let hello = json!({ "jsonrpc": "2.0", "id": 2, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } });
    assert_eq!(lines.ask(&hello).await["result"]["protocolVersion"], "2025-11-25");
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn five_calls_at_once_of_each_tool_are_answered_with_what_it_promised() {
    let watch = Arc::new(Watch::default());
    let lines = &mut Lines::to(&builder(&watch).build());
    let listed = lines.ask(&modern(0, "tools/list", json!({}))).await;
    let tools = listed["result"]["tools"].as_array().unwrap();
    assert_eq!(tools.len(), 8);
    for tool in tools {
        let name = tool["name"].as_str().unwrap();
        let arguments = match name {
            "add" => json!({ "a": 1, "b": -3 }),
            "echo" | "id" => json!({ "text": "x" }),
            "large" => json!({ "bytes": 10_000 }),
            _ => json!({}),
        };
        for id in 0..5 {
            lines.send(&call(id, name, arguments.clone())).await;
        }
        if name == "wait" {
            watch.reach(|watch| &watch.started, 5).await;
            watch.release.notify_waiters();
        }
        let promised = tool.get("outputSchema").map(|schema| Schema::compile(schema).unwrap());
        let mut ids = Vec::new();
        for _ in 0..5 {
            let answer = lines.receive().await;
            ids.push(answer["id"].as_i64().unwrap());
            let result = &answer["result"];
            assert!(result["content"].is_array(), "{name}: {answer}");
            assert_eq!(result["isError"] == true, ["fail", "panic"].contains(&name), "{name}: {answer}");
            if let Some(promised) = &promised {
                let structured = Frame::from_serialize(&result["structuredContent"]).unwrap();
                assert_eq!(promised.check(structured.root(), "result"), Ok(()), "{name}");
            }
        }
        ids.sort_unstable();
        assert_eq!(ids, [0, 1, 2, 3, 4], "{name}");
    }
}

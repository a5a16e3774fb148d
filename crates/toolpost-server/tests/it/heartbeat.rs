//! Who asks for progress hears that its call still runs, in both eras on both transports.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::float_cmp, reason = "a test")]

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use toolpost_dispatch::{Dispatcher, Registry};
use toolpost_server::{Server, ServerBuilder};
use toolpost_tool::{Call, NoArgs, tool_fn};

use crate::common::{self, Lines, Wire};

fn server(change: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Server {
    let silent = tool_fn("silent", |_: NoArgs, _| async {
        sleep(Duration::from_secs(50)).await;
        Ok("done")
    });
    let steps = tool_fn("steps", |_: NoArgs, call: Call| async move {
        sleep(Duration::from_secs(20)).await;
        for step in 0..3_u32 {
            call.progress(f64::from(step), Some(2.0), Some("a step"));
            sleep(Duration::from_secs(40)).await;
        }
        Ok("done")
    });
    let registry = Registry::builder().tool(silent).tool(steps).build().unwrap();
    change(Server::builder(Dispatcher::builder(registry).time_limit(Duration::from_secs(600)).build()))
        .build()
}

/// All that comes of a call until it is answered, and after how many seconds.
async fn heard(server: &Server, legacy: bool, http: bool, tool: &str, token: Value) -> Vec<(u64, Value)> {
    let mut params = json!({ "name": tool });
    if !token.is_null() {
        params["_meta"] = json!({ "progressToken": token });
    }
    let request = match legacy {
        true => json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params }),
        false => common::modern(7, "tools/call", params),
    };
    let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}});
    let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello });
    let (mut heard, start) = (Vec::new(), Instant::now());
    let mut note = |message: Value| {
        let is_answer = message["id"] == 7;
        heard.push((start.elapsed().as_secs(), message));
        is_answer
    };
    if http {
        let (mut wire, _served) = Wire::within(server);
        let mut session = String::new();
        if legacy {
            let opened = wire.post(&[], hello.to_string().as_bytes()).await;
            opened.header("mcp-session-id").unwrap().clone_into(&mut session);
        }
        let version = if legacy { "2025-11-25" } else { "2026-07-28" };
        let headers = [("MCP-Protocol-Version", version), ("Mcp-Session-Id", &*session)];
        wire.request("POST", &headers, request.to_string().as_bytes()).await;
        assert_eq!(wire.head().await.status, 200);
        while !note(wire.event().await.unwrap()) {}
    } else {
        let mut lines = Lines::to(server);
        if legacy {
            lines.ask(&hello).await;
        }
        lines.send(&request).await;
        while !note(lines.receive().await) {}
    }
    heard
}

const EVERYWHERE: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];

#[tokio::test(start_paused = true)]
async fn a_silent_tool_is_heard_of_every_fifteen_seconds_by_who_gave_a_token() {
    let server = server(|server| server);
    for (legacy, http) in EVERYWHERE {
        let heard = heard(&server, legacy, http, "silent", json!("t")).await;
        let times: Vec<_> = heard.iter().map(|(at, _)| *at).collect();
        assert_eq!(times, [15, 30, 45, 50], "{legacy} {http}: {heard:?}");
        let mut last = f64::NEG_INFINITY;
        for (_, beat) in &heard[..3] {
            let params = &beat["params"];
            assert_eq!(
                (&beat["method"], &params["progressToken"]),
                (&json!("notifications/progress"), &json!("t"))
            );
            assert_eq!((&params["message"], params.get("total")), (&json!("still running"), None));
            let value = params["progress"].as_f64().unwrap();
            assert!(last < value && (0.0..1e-6).contains(&value), "{value}");
            last = value;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn heartbeats_come_between_the_steps_of_a_tool_and_hide_none() {
    let server = server(|server| server);
    for (legacy, http) in EVERYWHERE {
        let heard = heard(&server, legacy, http, "steps", json!(3)).await;
        let beats: Vec<_> =
            heard[..heard.len() - 1].iter().map(|(at, beat)| (*at, &beat["params"])).collect();
        let times: Vec<_> = beats.iter().map(|(at, _)| *at).collect();
        assert_eq!(times, [15, 20, 35, 50, 60, 75, 90, 100, 115, 130], "{legacy} {http}");
        let values: Vec<_> = beats.iter().map(|(_, beat)| beat["progress"].as_f64().unwrap()).collect();
        assert!(values.windows(2).all(|two| two[0] < two[1]), "{values:?}");
        // The first step is a hair more than it said, for a heartbeat said 0 before; the others are as they are.
        assert!(values[1] < 1e-8 && values[4] == 1.0 && values[7] == 2.0, "{values:?}");
        let whole = |range: std::ops::Range<usize>, step: f64| {
            values[range].iter().all(|value| (step..step + 1e-6).contains(value))
        };
        assert!(whole(1..4, 0.0) && whole(4..7, 1.0) && whole(7..10, 2.0), "{values:?}");
        assert!(beats[1..].iter().all(|(_, beat)| beat["message"] == "a step"), "{beats:?}");
        assert!(beats[1..8].iter().all(|(_, beat)| beat["total"] == 2), "{beats:?}");
        assert!(
            beats[8..].iter().all(|(_, beat)| beat.get("total").is_none()),
            "no more than all: {beats:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn who_gave_no_token_hears_nothing_and_the_host_has_the_last_word() {
    let usual = server(|server| server);
    let never = server(|server| server.progress_heartbeat(None));
    let often = server(|server| server.progress_heartbeat(Duration::from_secs(5)));
    for (legacy, http) in EVERYWHERE {
        assert_eq!(heard(&usual, legacy, http, "silent", Value::Null).await.len(), 1);
        assert_eq!(heard(&never, legacy, http, "silent", json!(1)).await.len(), 1);
        assert_eq!(heard(&often, legacy, http, "silent", json!(1)).await.len(), 10);
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_call_becomes_a_stream_in_both_eras() {
    let server = server(|server| server);
    for (legacy, after) in [(false, 15), (true, 1)] {
        let (mut wire, _served) = Wire::within(&server);
        let (body, header) = match legacy {
            false => (
                common::modern(7, "tools/call", json!({"name": "silent"})),
                ("MCP-Protocol-Version", "2026-07-28".to_owned()),
            ),
            true => {
                let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}});
                let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello });
                let opened = wire.post(&[], hello.to_string().as_bytes()).await;
                let call =
                    json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "silent"}});
                (call, ("Mcp-Session-Id", opened.header("mcp-session-id").unwrap().to_owned()))
            }
        };
        let start = Instant::now();
        wire.request("POST", &[(header.0, &header.1)], body.to_string().as_bytes()).await;
        assert_eq!(wire.head().await.header("content-type"), Some("text/event-stream"));
        assert_eq!(start.elapsed().as_secs(), after);
        let mut quiet = 0;
        while let Some(chunk) = wire.chunk().await {
            quiet += usize::from(chunk.starts_with(b":"));
        }
        assert!(3 <= quiet, "{quiet} signs of life in 50 s");
        assert_eq!(start.elapsed().as_secs(), 50);
    }
    drop(Arc::new(server));
}

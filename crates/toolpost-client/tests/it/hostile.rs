//! Servers that do what no server should.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test of tasks on a paused clock")]

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use toolpost_client::{ClientError, ClientEvent, Frame, McpClient, RawResult, RequestOptions, Version};

use crate::common::{Scripted, options, value};

type Called = tokio::task::JoinHandle<Result<RawResult, ClientError>>;

fn call(client: &McpClient) -> Called {
    let client = client.clone();
    tokio::spawn(async move { client.call_tool("t", Frame::empty().root(), RequestOptions::new()).await })
}

async fn discovered() -> (Scripted, McpClient) {
    let (mut server, client) = Scripted::new(options().message_limit(1 << 20));
    server.discovered(json!({})).await;
    client.ready().await.unwrap();
    (server, client)
}

#[tokio::test(start_paused = true)]
async fn what_is_printed_between_messages_is_skipped_and_counted() {
    let (mut server, client) = discovered().await;
    let calling = call(&client);
    let request = server.expect("tools/call").await;
    for line in ["Listening on port 80", "{", "{\"jsonrpc\":\"2.0\"}", "[]", "\u{1b}[31mred", "null"] {
        server.say(line).await;
    }
    server.write(b"\xff\xfe\n\r\n \n").await.unwrap();
    server.answer(&request, json!({ "content": [] })).await;
    calling.await.unwrap().unwrap();
    assert_eq!(client.ignored(), 7);
}

#[tokio::test(start_paused = true)]
async fn nothing_but_noise_ends_the_connection() {
    let (mut server, client) = Scripted::new(options().noise(50));
    server.discovered(json!({})).await;
    client.ready().await.unwrap();
    let calling = call(&client);
    let request = server.expect("tools/call").await;
    for _ in 0..50 {
        server.say("noise").await;
    }
    server.say(json!({ "jsonrpc": "2.0", "method": "notifications/x" })).await;
    for _ in 0..51 {
        server.say("noise").await;
    }
    let error = calling.await.unwrap().unwrap_err();
    assert!(matches!(error, ClientError::ConnectionLost(_)), "{error}");
    assert!(error.to_string().contains("51 lines in a row"), "{error}");
    assert!(client.closed().await.to_string().contains("51 lines"));
    drop(request);
}

#[tokio::test(start_paused = true)]
async fn a_message_too_long_costs_its_request_alone() {
    let (mut server, client) = discovered().await;
    let (one, other) = (call(&client), call(&client));
    let (first, second) = (server.expect("tools/call").await, server.expect("tools/call").await);
    let long = "x".repeat(3 << 20);
    server.answer(&first, json!({ "content": [{ "type": "text", "text": long }] })).await;
    server.answer(&second, json!({ "content": [] })).await;
    let error = one.await.unwrap().unwrap_err();
    assert!(matches!(error, ClientError::TooLarge { limit } if limit == 1 << 20), "{error}");
    other.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_endless_line_costs_no_memory_and_no_request_but_its_time() {
    let (mut server, client) = discovered().await;
    let limited = {
        let client = client.clone();
        let options = RequestOptions::new().time_limit(Duration::from_secs(5));
        tokio::spawn(async move { client.call_tool("t", Frame::empty().root(), options).await })
    };
    server.expect("tools/call").await;
    for _ in 0..100 {
        server.write(&[b'x'; 1 << 20]).await.unwrap();
    }
    let error = limited.await.unwrap().unwrap_err();
    assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
    server.say("").await;
    let calling = call(&client);
    server.expect("notifications/cancelled").await;
    let request = server.expect("tools/call").await;
    server.answer(&request, json!({})).await;
    calling.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_late_doubled_or_to_nothing_are_ignored() {
    let (mut server, client) = discovered().await;
    let calling = call(&client);
    let request = server.expect("tools/call").await;
    for id in [json!(4711), json!("x"), json!(-1), json!(1e300), Value::Null, json!({})] {
        server.say(json!({ "jsonrpc": "2.0", "id": id, "result": {} })).await;
    }
    server.answer(&request, json!({ "n": 1 })).await;
    server.answer(&request, json!({ "n": 2 })).await;
    server.refuse(&request, -1, Value::Null).await;
    assert_eq!(value(&calling.await.unwrap().unwrap())["n"], 1);
    let late = call(&client);
    let request = server.expect("tools/call").await;
    late.abort();
    server.expect("notifications/cancelled").await;
    server.answer(&request, json!({})).await;
    let calling = call(&client);
    let request = server.expect("tools/call").await;
    server.answer(&request, json!({ "n": 3 })).await;
    assert_eq!(value(&calling.await.unwrap().unwrap())["n"], 3);
    assert_eq!(client.ignored(), 6 + 2 + 1);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_notifications_costs_the_oldest_and_no_answer() {
    let (mut server, client) = discovered().await;
    let mut events = client.events();
    let calling = call(&client);
    let request = server.expect("tools/call").await;
    for _ in 0..10_000 {
        server.say(json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" })).await;
    }
    server.answer(&request, json!({})).await;
    calling.await.unwrap().unwrap();
    assert_eq!(events.next().await, Some(ClientEvent::Missed { count: 10_000 - 256 }));
    for _ in 0..256 {
        assert_eq!(events.next().await, Some(ClientEvent::ToolsChanged));
    }
    client.close().await;
    assert_eq!(events.next().await, None);
    assert_eq!(client.events().next().await, None);
}

#[tokio::test(start_paused = true)]
async fn silence_is_the_end_of_its_request_alone() {
    let (mut server, client) = discovered().await;
    let began = Instant::now();
    let (silent, other) = (call(&client), call(&client));
    let (first, second) = (server.expect("tools/call").await, server.expect("tools/call").await);
    server.answer(&second, json!({})).await;
    other.await.unwrap().unwrap();
    let error = silent.await.unwrap().unwrap_err();
    assert_eq!(began.elapsed(), Duration::from_secs(60));
    assert!(matches!(error, ClientError::TimedOut { .. }) && error.is_outcome_unknown(), "{error}");
    let cancelled = server.expect("notifications/cancelled").await;
    assert_eq!(cancelled["params"]["requestId"], first["id"]);
    assert_eq!(client.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_dies_ends_each_request_with_what_is_known_of_it() {
    let (mut server, client) = discovered().await;
    let calls: Vec<Called> = (0..20).map(|_| call(&client)).collect();
    server.expect("tools/call").await;
    drop(server);
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        assert!(matches!(error, ClientError::ConnectionLost(_)) && error.is_outcome_unknown(), "{error}");
    }
    let error = call(&client).await.unwrap().unwrap_err();
    assert!(matches!(error, ClientError::NotConnected(_)) && !error.is_outcome_unknown(), "{error}");
    assert_eq!(client.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_its_line_end_counts_when_the_server_has_gone() {
    let (mut server, client) = discovered().await;
    let calling = call(&client);
    let request = server.expect("tools/call").await;
    server
        .write(format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, request["id"]).as_bytes())
        .await
        .unwrap();
    drop(server);
    calling.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_writes_before_it_reads_is_read_all_the_same() {
    // Its pipes hold next to nothing: whoever waits for a write to end before reading on waits for ever.
    let (mut server, client) = Scripted::with_pipe(options(), 64);
    server.initialized(Version::V2025_11_25, json!({})).await;
    client.ready().await.unwrap();
    let calls: Vec<Called> = (0..200).map(|_| call(&client)).collect();
    let first = server.expect("tools/call").await;
    for ping in 0..1_000 {
        server.say(json!({ "jsonrpc": "2.0", "id": format!("ping {ping}"), "method": "ping" })).await;
    }
    server.answer(&first, json!({})).await;
    let mut answered = 1;
    while answered < 200 {
        let message = server.hear().await.unwrap();
        if message["method"] == "tools/call" {
            server.answer(&message, json!({})).await;
            answered += 1;
        }
    }
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn requests_in_flight_are_bounded() {
    let (mut server, client) = Scripted::new(options().in_flight(3));
    server.discovered(json!({})).await;
    client.ready().await.unwrap();
    let calls: Vec<Called> = (0..3).map(|_| call(&client)).collect();
    for _ in 0..3 {
        server.expect("tools/call").await;
    }
    let error = call(&client).await.unwrap().unwrap_err();
    assert!(matches!(error, ClientError::TooMany { limit: 3, .. }) && !error.is_outcome_unknown(), "{error}");
    calls.iter().for_each(Called::abort);
}

#[tokio::test(start_paused = true)]
async fn results_of_an_unknown_type_are_malformed() {
    let (mut server, client) = discovered().await;
    for result in [
        json!({ "resultType": "surprise" }),
        json!({ "resultType": "input_required" }),
        json!({ "resultType": "task" }),
    ] {
        let calling = call(&client);
        let request = server.expect("tools/call").await;
        server.answer(&request, result).await;
        let error = calling.await.unwrap().unwrap_err();
        assert!(matches!(error, ClientError::Malformed(_)), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stays_when_it_is_left_is_waited_for_a_second() {
    let (mut server, client) = discovered().await;
    let began = Instant::now();
    client.close().await;
    assert_eq!(began.elapsed(), Duration::from_secs(1));
    assert!(server.hear().await.is_none(), "its input has ended");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_prints_without_end_is_left_all_the_same() {
    let (mut server, client) = Scripted::new(options());
    let printing = tokio::spawn(async move { while server.write(b"Segmentation fault\n").await.is_ok() {} });
    let error = client.ready().await.unwrap_err();
    assert!(error.to_string().contains("1001 lines in a row"), "{error}");
    client.closed().await;
    printing.await.unwrap();
}

//! Sessions of the older revisions: made again, streamed, ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use toolpost_client::{ClientError, ClientEvent, McpClient, RequestOptions, Version};

use super::served::{Done, listen, server, sum, target};
use super::web::Web;
use crate::common::{frame, options, value};

const OLD: Version = Version::V2025_11_25;

fn spawn_call(client: &McpClient) -> tokio::task::JoinHandle<Result<Value, ClientError>> {
    let client = client.clone();
    tokio::spawn(async move {
        let result = client.call_tool("t", frame(&json!({})).root(), RequestOptions::new()).await?;
        Ok(value(&result)["content"][0]["text"].clone())
    })
}

fn text(text: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": text }] })
}

#[tokio::test]
async fn a_session_that_is_gone_is_made_again_once_for_all_requests() {
    let mut web = Web::new().await;
    let client = web.client(OLD, options()).await;
    let mut events = client.events();
    let calls: Vec<_> = (0..8).map(|_| spawn_call(&client)).collect();
    let mut gone = Vec::new();
    for _ in 0..8 {
        let request = web.expect("tools/call").await;
        assert_eq!(request.header("mcp-session-id"), Some("s-1"));
        assert_eq!(request.header("mcp-protocol-version"), Some(OLD.as_str()));
        gone.push(request);
    }
    for request in gone {
        request.status(404, "").await;
    }
    web.initialize(OLD, "s-2").await;
    for _ in 0..8 {
        let request = web.expect("tools/call").await;
        assert_eq!(request.header("mcp-session-id"), Some("s-2"));
        request.result(text("made")).await;
    }
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), "made");
    }
    assert!(web.is_quiet());
    for event in [ClientEvent::ToolsChanged, ClientEvent::PromptsChanged, ClientEvent::ResourcesChanged] {
        assert_eq!(events.next().await, Some(event), "whatever was there may be so no more");
    }
}

#[tokio::test]
async fn a_server_that_forgets_every_session_is_given_up_on() {
    let mut web = Web::new().await;
    let client = web.client(OLD, options()).await;
    let call = spawn_call(&client);
    for session in 2..=3 {
        web.expect("tools/call").await.status(404, "").await;
        web.initialize(OLD, &format!("s-{session}")).await;
    }
    web.expect("tools/call").await.status(404, "").await;
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(&error, ClientError::NotConnected(_)), "{error}");
    assert!(!error.is_outcome_unknown());
}

#[tokio::test]
async fn a_session_that_was_not_made_again_is_made_by_the_next_request() {
    let mut web = Web::new().await;
    let client = web.client(OLD, options()).await;
    let opening = |request: &super::web::Request, session: &str| {
        let result = json!({ "protocolVersion": OLD.as_str(), "capabilities": {} });
        let body = json!({ "jsonrpc": "2.0", "id": request.body["id"], "result": result }).to_string();
        (format!("Content-Type: application/json\r\nMcp-Session-Id: {session}\r\n"), body)
    };
    // It is opened, and then the server does not answer that the client is ready: it is gone again, say.
    let call = spawn_call(&client);
    web.expect("tools/call").await.status(404, "").await;
    let request = web.expect("initialize").await;
    let (headers, body) = opening(&request, "s-2");
    request.whole(200, &headers, &body).await;
    drop(web.expect("notifications/initialized").await);
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(&error, ClientError::NotConnected(_)), "{error}");
    // Or whoever had it made waits no more.
    let call = spawn_call(&client);
    web.expect("tools/call").await.status(404, "").await;
    let request = web.expect("initialize").await;
    let (headers, body) = opening(&request, "s-3");
    request.whole(200, &headers, &body).await;
    let told = web.expect("notifications/initialized").await;
    call.abort();
    web.expect("notifications/cancelled").await.status(202, "").await;
    drop(told);

    let call = spawn_call(&client);
    let request = web.expect("tools/call").await;
    assert_eq!(request.header("mcp-session-id"), Some("s-1"));
    request.status(404, "").await;
    web.initialize(OLD, "s-4").await;
    web.expect("tools/call").await.result(text("made")).await;
    assert_eq!(call.await.unwrap().unwrap(), "made");
}

#[tokio::test]
async fn a_connection_that_nobody_uses_is_closed_though_nobody_asks() {
    let mut web = Web::new().await;
    let target = toolpost_client::HttpTarget::new(&web.origin).unwrap();
    let target = target.keep_connections(std::time::Duration::from_millis(1));
    let client = web.client_of(target, Version::V2026_07_28, options()).await;
    web.closed().await;
    assert_eq!(client.in_flight(), 0);

    let target = toolpost_client::HttpTarget::new(&web.origin).unwrap();
    let target = target.keep_connections(std::time::Duration::MAX);
    let client = web.client_of(target, Version::V2026_07_28, options()).await;
    let call = spawn_call(&client);
    web.expect("tools/call").await.result(text("kept")).await;
    assert_eq!((call.await.unwrap().unwrap(), web.connections()), (json!("kept"), 2));
}

#[tokio::test]
async fn what_a_request_is_asked_is_answered_though_requests_have_all_connections() {
    let mut web = Web::new().await;
    let target = toolpost_client::HttpTarget::new(&web.origin).unwrap().max_connections(1);
    let client = web.client_of(target, OLD, options()).await;
    let call = spawn_call(&client);
    let mut stream = web.expect("tools/call").await.events().await;
    let answer = stream.answer(text("answered"));
    stream.message(&json!({ "jsonrpc": "2.0", "id": "q", "method": "ping" })).await;
    let answered = web.next().await;
    assert_eq!(answered.body["id"], "q");
    answered.status(202, "").await;
    stream.message(&answer).await;
    assert_eq!(call.await.unwrap().unwrap(), "answered");
}

#[tokio::test]
async fn what_changed_while_there_was_no_stream_is_told() {
    let mut web = Web::new().await;
    let target = toolpost_client::HttpTarget::new(&web.origin).unwrap();
    let client = McpClient::over_http(target, options().versions([OLD])).unwrap();
    let mut events = client.events();
    web.initialize(OLD, "s-1").await;
    let mut stream = web.stream().await.events().await;
    stream.say("retry: 1\ndata:\n\n").await;
    drop(stream);
    let again = web.stream().await;
    assert_eq!(again.header("last-event-id"), None, "it cannot be resumed");
    let _again = again.events().await;
    for event in [ClientEvent::ToolsChanged, ClientEvent::PromptsChanged, ClientEvent::ResourcesChanged] {
        assert_eq!(events.next().await, Some(event));
    }
}

#[tokio::test]
async fn a_server_that_came_back_with_another_revision_is_told_apart() {
    let mut web = Web::new().await;
    let client = web.client(OLD, options()).await;
    let call = spawn_call(&client);
    web.expect("tools/call").await.status(404, "").await;
    let result = json!({ "protocolVersion": "2025-03-26", "capabilities": {} });
    web.expect("initialize").await.result(result).await;
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(&error, ClientError::NotConnected(why) if why.contains("2025-03-26")), "{error}");
}

#[tokio::test]
async fn an_unknown_method_is_no_lost_session() {
    let mut web = Web::new().await;
    let client = web.client(OLD, options()).await;
    let call = spawn_call(&client);
    let request = web.expect("tools/call").await;
    let error =
        json!({ "jsonrpc": "2.0", "id": request.body["id"], "error": { "code": -32601, "message": "no" } });
    request.json(404, &error).await;
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(&error, ClientError::Refused(error) if error.code().0 == -32601), "{error}");
    assert!(web.is_quiet());
}

#[tokio::test]
async fn a_restarted_server_is_found_again_and_a_call_in_flight_is_not_repeated() {
    for version in [OLD, Version::V2026_07_28] {
        let done = Arc::new(Done::default());
        let first = server(&done);
        let address = listen(first.clone()).await;
        let client = McpClient::over_http(target(address), options().versions([version])).unwrap();
        client.ready().await.unwrap();
        let call = {
            let client = client.clone();
            tokio::spawn(async move {
                client.call_tool("wait", frame(&json!({})).root(), RequestOptions::new()).await
            })
        };
        done.reach(|done| &done.started, 1).await;
        first.stop();
        // On the same port, with another key to its sessions.
        let again = loop {
            match tokio::net::TcpListener::bind(address).await {
                Ok(listener) => break listener,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let second = server(&done);
        tokio::spawn(async move { second.serve(again).await });
        let lost = call.await.unwrap();
        assert!(
            lost.as_ref().is_ok_and(|result| value(result)["isError"] == true)
                || matches!(lost, Err(ClientError::ConnectionLost(_))),
            "{version}: {lost:?}"
        );
        assert_eq!(sum(&client, 1, 2).await.unwrap(), "3", "{version}");
        assert_eq!(client.list_tools(RequestOptions::new()).await.unwrap().len(), 6);
        assert_eq!(done.started.load(Ordering::SeqCst), 1, "{version}: the call ran once");
    }
}

#[tokio::test]
async fn a_session_is_ended_with_its_client() {
    let mut web = Web::new().await;
    let client = web.client(OLD, options()).await;
    let (ended, ()) = tokio::join!(client.close(), async {
        let request = web.next().await;
        assert_eq!((request.verb.as_str(), request.header("mcp-session-id")), ("DELETE", Some("s-1")));
        request.status(204, "").await;
    });
    let () = ended;
    let mut web = Web::new().await;
    drop(web.client(OLD, options()).await);
    assert_eq!(web.next().await.verb, "DELETE");
}

#[tokio::test]
async fn the_sessions_stream_tells_of_changes_asks_and_is_resumed() {
    let mut web = Web::new().await;
    let client = McpClient::over_http(
        toolpost_client::HttpTarget::new(&web.origin).unwrap(),
        options().versions([OLD]),
    )
    .unwrap();
    let mut events = client.events();
    web.initialize(OLD, "s-1").await;
    let mut stream = web.stream().await.events().await;
    stream.say("id: e1\nretry: 1\ndata:\n\n").await;
    stream
        .say("id: e2\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n")
        .await;
    assert_eq!(events.next().await, Some(ClientEvent::ToolsChanged));
    stream.message(&json!({ "jsonrpc": "2.0", "id": "q", "method": "ping" })).await;
    let answer = web.next().await;
    assert_eq!((answer.body["id"].as_str(), answer.header("mcp-session-id")), (Some("q"), Some("s-1")));
    assert_eq!(answer.body["result"], json!({}));
    answer.status(202, "").await;
    drop(stream);
    let again = web.stream().await;
    assert_eq!(again.header("last-event-id"), Some("e2"));
    let mut again = again.events().await;
    again.message(&json!({ "jsonrpc": "2.0", "method": "notifications/prompts/list_changed" })).await;
    assert_eq!(events.next().await, Some(ClientEvent::PromptsChanged));
}

#[tokio::test]
async fn a_cut_stream_is_resumed_where_it_was() {
    let mut web = Web::new().await;
    let client = web.client(OLD, options()).await;
    let heard = Arc::new(AtomicUsize::new(0));
    let call = {
        let (client, heard) = (client.clone(), Arc::clone(&heard));
        tokio::spawn(async move {
            let options = RequestOptions::new().progress(move |_, _, _| {
                heard.fetch_add(1, Ordering::SeqCst);
            });
            client.call_tool("t", frame(&json!({})).root(), options).await
        })
    };
    let request = web.expect("tools/call").await;
    let token = request.body["params"]["_meta"]["progressToken"].clone();
    let progress = |n: u32| {
        let params = json!({ "progressToken": token, "progress": n });
        json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params })
    };
    let mut stream = request.events().await;
    let answer = stream.answer(text("resumed"));
    stream.say("retry: 1\nid: c.0\ndata:\n\n").await;
    stream.say(&format!("id: c.1\ndata: {}\n\n", progress(1))).await;
    // The beginning of an event is none, and its id is not the last.
    stream.say(&format!("id: c.2\ndata: {}\n", progress(2))).await;
    drop(stream);
    // A server that is busy is asked again.
    let again = web.stream().await;
    assert_eq!(again.header("last-event-id"), Some("c.1"));
    again.status(503, "").await;
    let again = web.stream().await;
    assert_eq!((again.header("last-event-id"), again.header("mcp-session-id")), (Some("c.1"), Some("s-1")));
    let mut stream = again.events().await;
    stream.say(&format!("id: c.2\ndata: {}\n\n", progress(2))).await;
    // Closed early by the server, to be asked again (SEP-1699).
    stream.end().await;
    let again = web.stream().await;
    assert_eq!(again.header("last-event-id"), Some("c.2"));
    again.events().await.say(&format!("id: c.3\ndata: {answer}\n\n")).await;
    let result = call.await.unwrap().unwrap();
    assert_eq!(value(&result)["content"][0]["text"], "resumed");
    assert_eq!(heard.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_is_never_resumed_is_lost_after_some_tries() {
    let mut web = Web::new().await;
    let client = web.client(OLD, options()).await;
    let call = spawn_call(&client);
    let mut stream = web.expect("tools/call").await.events().await;
    stream.say("retry: 1\nid: c.0\ndata:\n\n").await;
    drop(stream);
    for _ in 0..5 {
        drop(web.stream().await);
    }
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(error, ClientError::ConnectionLost(_)) && error.is_outcome_unknown(), "{error}");
    // One whose stream the server does not keep is lost at once, and so is one without an id.
    for id in ["id: c.0\n", ""] {
        let call = spawn_call(&client);
        let mut stream = web.expect("tools/call").await.events().await;
        stream.say(&format!("retry: 1\n{id}data:\n\n")).await;
        drop(stream);
        if !id.is_empty() {
            web.stream().await.status(404, "").await;
        }
        assert!(call.await.unwrap().unwrap_err().is_outcome_unknown());
    }
    assert!(web.is_quiet());
}

#[tokio::test]
async fn a_dropped_request_is_taken_back() {
    let mut web = Web::new().await;
    let client = web.client(OLD, options()).await;
    let call = spawn_call(&client);
    let request = web.expect("tools/call").await;
    let id = request.body["id"].clone();
    let stream = request.events().await;
    call.abort();
    let cancelled = web.expect("notifications/cancelled").await;
    assert_eq!(cancelled.body["params"]["requestId"], id);
    cancelled.status(202, "").await;
    stream.closed().await;
}

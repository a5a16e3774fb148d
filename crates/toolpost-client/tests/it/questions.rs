//! What servers ask: as requests of their own in the older revisions, as rounds of one request in 2026-07-28.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test of tasks on a paused clock")]

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::{Value, json};
use tokio::join;
use toolpost_client::{
    ClientCapabilities, ClientError, ClientEvent, Frame, McpClient, Question, RawJson, RawResult,
    RequestOptions, Respond, RpcError, Version,
};

use crate::common::{Scripted, options, value};

/// Elicits by saying who it is; counts how often.
#[derive(Clone)]
struct Person {
    name: &'static str,
    asked: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

impl Person {
    fn new(name: &'static str) -> Self {
        Self { name, asked: Arc::default(), dropped: Arc::default() }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

struct CountsDrop(Arc<AtomicUsize>);

impl Drop for CountsDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Respond for Person {
    fn capabilities(&self) -> ClientCapabilities {
        serde_json::from_str(r#"{"elicitation":{}}"#).unwrap()
    }

    fn respond<'a>(
        &'a self,
        question: Question,
    ) -> Pin<Box<dyn Future<Output = Result<RawJson, RpcError>> + Send + 'a>> {
        Box::pin(async move {
            let _dropped = CountsDrop(Arc::clone(&self.dropped));
            self.asked.fetch_add(1, Ordering::Relaxed);
            let params: Value = question.decode()?;
            match params["message"].as_str().unwrap_or_default() {
                "panic" => panic!("as asked"),
                "never" => std::future::pending().await,
                _ => Ok(json!({ "action": "accept", "content": { "name": self.name } }).into()),
            }
        })
    }
}

fn elicit(message: &str) -> Value {
    json!({ "method": "elicitation/create", "params": { "message": message, "requestedSchema": {} } })
}

fn asks(id: &str, message: &str) -> Value {
    let mut request = elicit(message);
    request["jsonrpc"] = json!("2.0");
    request["id"] = json!(id);
    request
}

async fn call(client: &McpClient, options: RequestOptions) -> Result<RawResult, ClientError> {
    client.call_tool("t", Frame::empty().root(), options).await
}

#[tokio::test(start_paused = true)]
async fn a_modern_request_comes_back_with_its_answers_and_its_state() {
    let (mut server, client) = Scripted::new(options().respond(Person::new("ada")));
    let script = async {
        server.discovered(json!({})).await;
        let first = server.expect("tools/call").await;
        let capabilities = &first["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"];
        assert_eq!(capabilities["elicitation"], json!({}), "{first}");
        server
            .answer(
                &first,
                json!({ "resultType": "input_required", "requestState": "s\n1",
                    "inputRequests": { "who": elicit("?"), "whose": elicit("??") } }),
            )
            .await;
        let second = server.expect("tools/call").await;
        assert_ne!(second["id"], first["id"]);
        assert_eq!(second["params"]["name"], "t");
        assert_eq!(second["params"]["requestState"], "s\n1");
        let answer = json!({ "action": "accept", "content": { "name": "ada" } });
        assert_eq!(second["params"]["inputResponses"], json!({ "who": answer, "whose": answer }));
        server.answer(&second, json!({ "resultType": "input_required", "requestState": "again" })).await;
        let third = server.expect("tools/call").await;
        assert_eq!(third["params"]["requestState"], "again");
        assert!(third["params"].get("inputResponses").is_none());
        server.answer(&third, json!({ "resultType": "complete", "n": 1 })).await;
    };
    let (result, ()) = join!(call(&client, RequestOptions::new()), script);
    assert_eq!(value(&result.unwrap())["n"], 1);
}

#[tokio::test(start_paused = true)]
async fn rounds_are_bounded() {
    let (mut server, client) = Scripted::new(options().rounds(4));
    let script = async {
        server.discovered(json!({})).await;
        for _ in 0..5 {
            let request = server.expect("tools/call").await;
            server.answer(&request, json!({ "resultType": "input_required", "requestState": "s" })).await;
        }
    };
    let (result, ()) = join!(call(&client, RequestOptions::new()), script);
    assert!(matches!(result.unwrap_err(), ClientError::TooMany { limit: 4, .. }));
}

#[tokio::test(start_paused = true)]
async fn who_answers_nothing_says_so_in_both_eras() {
    let (mut server, client) = Scripted::new(options());
    let script = async {
        server.discovered(json!({})).await;
        let request = server.expect("tools/call").await;
        let capabilities = &request["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"];
        assert!(capabilities.get("elicitation").is_none());
        server
            .answer(
                &request,
                json!({ "resultType": "input_required", "inputRequests": { "a": elicit("?") } }),
            )
            .await;
    };
    let (result, ()) = join!(call(&client, RequestOptions::new()), script);
    let error = result.unwrap_err();
    assert!(
        matches!(&error, ClientError::Unanswered(method) if &**method == "elicitation/create"),
        "{error}"
    );

    let (mut server, client) = Scripted::new(options());
    let script = async {
        server.initialized(Version::V2025_11_25, json!({})).await;
        let request = server.expect("tools/call").await;
        for method in ["elicitation/create", "sampling/createMessage", "roots/list", "no/such"] {
            server.say(json!({ "jsonrpc": "2.0", "id": method, "method": method, "params": {} })).await;
            let answer = server.hear().await.unwrap();
            assert_eq!(
                (&answer["id"], &answer["error"]["code"]),
                (&json!(method), &json!(-32601)),
                "{answer}"
            );
        }
        server.say(json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })).await;
        assert_eq!(server.hear().await.unwrap()["result"], json!({}));
        server.answer(&request, json!({})).await;
    };
    let (result, ()) = join!(call(&client, RequestOptions::new()), script);
    result.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_legacy_question_goes_to_the_only_request_and_among_several_to_none() {
    let (own, of_client) = (Person::new("own"), Person::new("client"));
    let (mut server, client) = Scripted::new(options().respond(of_client.clone()));
    let own_options = || RequestOptions::new().respond(Arc::new(own.clone()));
    let script = async {
        server.initialized(Version::V2025_11_25, json!({})).await;
        let first = server.expect("tools/call").await;
        server.say(asks("one", "?")).await;
        assert_eq!(server.hear().await.unwrap()["result"]["content"]["name"], "own");
        server.answer(&first, json!({})).await;
        let (second, third) = (server.expect("tools/call").await, server.expect("tools/call").await);
        server.say(asks("two", "?")).await;
        assert_eq!(server.hear().await.unwrap()["result"]["content"]["name"], "client");
        server.answer(&second, json!({})).await;
        server.answer(&third, json!({})).await;
    };
    let calls = async {
        call(&client, own_options()).await.unwrap();
        let (one, other) = join!(call(&client, own_options()), call(&client, own_options()));
        one.unwrap();
        other.unwrap();
    };
    join!(calls, script);
    assert_eq!((own.asked(), of_client.asked()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_panics_costs_its_answer_alone() {
    let (mut server, client) = Scripted::new(options().respond(Person::new("ada")));
    let script = async {
        server.initialized(Version::V2025_11_25, json!({})).await;
        let request = server.expect("tools/call").await;
        server.say(asks("bad", "panic")).await;
        assert_eq!(server.hear().await.unwrap()["error"]["code"], -32603);
        server.say(asks("good", "?")).await;
        assert_eq!(server.hear().await.unwrap()["result"]["action"], "accept");
        server.answer(&request, json!({})).await;
    };
    let (result, ()) = join!(call(&client, RequestOptions::new()), script);
    result.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_question_ends_with_its_request_or_when_it_is_taken_back() {
    let person = Person::new("ada");
    let (mut server, client) = Scripted::new(options().respond(person.clone()));
    let script = async {
        server.initialized(Version::V2025_11_25, json!({})).await;
        let request = server.expect("tools/call").await;
        server.say(asks("back", "never")).await;
        server.say(json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": "back" } })).await;
        server.say(asks("moot", "never")).await;
        server.answer(&request, json!({})).await;
        let answer = server.hear().await.unwrap();
        assert_eq!(answer["id"], "moot", "what is taken back is not answered: {answer}");
        assert!(answer["error"].is_object());
    };
    let (result, ()) = join!(call(&client, RequestOptions::new()), script);
    result.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(person.asked(), person.dropped.load(Ordering::Relaxed), "nobody is asked any more");
}

#[tokio::test(start_paused = true)]
async fn a_modern_server_that_sends_requests_is_ignored() {
    let person = Person::new("ada");
    let (mut server, client) = Scripted::new(options().respond(person.clone()));
    let script = async {
        server.discovered(json!({})).await;
        let request = server.expect("tools/call").await;
        server.say(asks("q", "?")).await;
        server.answer(&request, json!({})).await;
    };
    let (result, ()) = join!(call(&client, RequestOptions::new()), script);
    result.unwrap();
    assert_eq!((person.asked(), client.ignored()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn by_hand_a_question_is_the_result() {
    let (mut server, client) = Scripted::new(options().respond(Person::new("ada")));
    let asked = json!({ "resultType": "input_required", "inputRequests": { "a": elicit("?") } });
    let script = async {
        server.discovered(json!({})).await;
        let request = server.expect("tools/call").await;
        server.answer(&request, asked.clone()).await;
    };
    let (result, ()) = join!(call(&client, RequestOptions::new().by_hand()), script);
    assert_eq!(value(&result.unwrap()), asked);
}

#[tokio::test(start_paused = true)]
async fn changes_are_told_in_both_eras() {
    let lists = json!({ "tools": { "listChanged": true }, "resources": { "subscribe": true } });
    let (mut server, client) = Scripted::new(options());
    let mut events = client.events();
    server.discovered(lists.clone()).await;
    let listen = server.expect("subscriptions/listen").await;
    assert_eq!(listen["params"]["notifications"], json!({ "toolsListChanged": true }));
    let tagged = |listen: &Value, method: &str, mut params: Value| {
        params["_meta"] = json!({ "io.modelcontextprotocol/subscriptionId": listen["id"] });
        json!({ "jsonrpc": "2.0", "method": method, "params": params })
    };
    server.say(tagged(&listen, "notifications/subscriptions/acknowledged", json!({}))).await;
    server.say(tagged(&listen, "notifications/tools/list_changed", json!({}))).await;
    assert_eq!(events.next().await, Some(ClientEvent::ToolsChanged));
    // A further resource is a further stream, and the old one ends after the new one has begun.
    client.subscribe("file:///a", RequestOptions::new()).await.unwrap();
    let second = server.expect("subscriptions/listen").await;
    assert_eq!(second["params"]["notifications"]["resourceSubscriptions"], json!(["file:///a"]));
    server.say(tagged(&second, "notifications/subscriptions/acknowledged", json!({}))).await;
    assert_eq!(server.expect("notifications/cancelled").await["params"]["requestId"], listen["id"]);
    server.say(tagged(&second, "notifications/resources/updated", json!({ "uri": "file:///a" }))).await;
    assert_eq!(events.next().await, Some(ClientEvent::ResourceUpdated { uri: "file:///a".into() }));
    // A stream that ends is opened again, and what may have been missed is told: not before the new one has begun, or a change
    // between the two would be told by neither.
    let mut open = second;
    for cut in 0..8 {
        match cut {
            0 => server.answer(&open, json!({ "resultType": "complete" })).await,
            _ => server.refuse(&open, -32000, json!({})).await,
        }
        let ended = tokio::time::Instant::now();
        open = server.expect("subscriptions/listen").await;
        assert!(ended.elapsed() <= Duration::from_secs(1), "however often one that lasted was cut off");
        assert!(events.next().now_or_never().is_none());
        server.say(tagged(&open, "notifications/subscriptions/acknowledged", json!({}))).await;
        assert_eq!(events.next().await, Some(ClientEvent::ToolsChanged));
        assert_eq!(events.next().await, Some(ClientEvent::ResourceUpdated { uri: "file:///a".into() }));
        tokio::time::sleep(Duration::from_secs(30)).await;
    }

    let (mut server, client) = Scripted::new(options());
    let mut events = client.events();
    server.initialized(Version::V2025_11_25, lists).await;
    let subscribe = async {
        let request = server.expect("resources/subscribe").await;
        assert_eq!(request["params"]["uri"], "file:///a");
        server.answer(&request, json!({})).await;
    };
    let (subscribed, ()) = join!(client.subscribe("file:///a", RequestOptions::new()), subscribe);
    subscribed.unwrap();
    server.say(tagged(&json!({}), "notifications/resources/updated", json!({ "uri": "file:///a" }))).await;
    server.say(json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" })).await;
    server.say(json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": 1 } })).await;
    server.say(json!({ "jsonrpc": "2.0", "method": "notifications/own" })).await;
    assert_eq!(events.next().await, Some(ClientEvent::ResourceUpdated { uri: "file:///a".into() }));
    assert_eq!(events.next().await, Some(ClientEvent::ToolsChanged));
    assert_eq!(events.next().await, Some(ClientEvent::Log { params: r#"{"data":1,"level":"info"}"#.into() }));
    let own = ClientEvent::Notification { method: "notifications/own".into(), params: "{}".into() };
    assert_eq!(events.next().await, Some(own));
    drop(server);
    assert_eq!(events.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_server_without_a_stream_of_changes_is_not_asked_again() {
    let (mut server, client) = Scripted::new(options());
    server.discovered(json!({ "tools": { "listChanged": true } })).await;
    let listen = server.expect("subscriptions/listen").await;
    server.refuse(&listen, -32601, Value::Null).await;
    let calling = tokio::spawn({
        let client = client.clone();
        async move {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            call(&client, RequestOptions::new()).await
        }
    });
    let request = server.expect("tools/call").await;
    server.answer(&request, json!({})).await;
    calling.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn resources_that_are_watched_are_bounded() {
    let (mut server, client) = Scripted::new(options());
    server.discovered(json!({})).await;
    for resource in 0..1_024 {
        client.subscribe(&format!("file:///{resource}"), RequestOptions::new()).await.unwrap();
    }
    client.subscribe("file:///0", RequestOptions::new()).await.unwrap();
    let error = client.subscribe("file:///more", RequestOptions::new()).await.unwrap_err();
    assert!(matches!(error, ClientError::TooMany { limit: 1_024, .. }), "{error}");
    client.unsubscribe("file:///0", RequestOptions::new()).await.unwrap();
    client.subscribe("file:///more", RequestOptions::new()).await.unwrap();
}

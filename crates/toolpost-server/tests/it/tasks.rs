//! Calls that outlive their requests: in both eras, on both transports, on one server and on two that share a store.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test; its clock is paused")]

use crate::common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{Lines, Watch, Wire, modern};
use serde_json::{Value, json};
use tokio::time::sleep;
use toolpost_dispatch::{Dispatcher, Registry};
use toolpost_json::{Frame, Limits};
use toolpost_protocol::{Code, Error};
use toolpost_server::{MemoryTasks, Server, ServerBuilder, StoredTask, TaskStore, TaskStoreError};
use toolpost_tool::{
    BoxFuture, Call, InputRequest, NoArgs, Output, Principal, TaskSupport, ToolError, ToolSpec, tool_fn,
};

const EXTENSION: &str = "io.modelcontextprotocol/tasks";

fn optional(spec: ToolSpec) -> ToolSpec {
    spec.with_task_support(TaskSupport::Optional).with_time_limit(Duration::from_secs(100_000))
}

fn required(spec: ToolSpec) -> ToolSpec {
    spec.with_task_support(TaskSupport::Required).with_time_limit(Duration::from_secs(100_000))
}

/// Counts what is dropped.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Tools {
    watch: Arc<Watch>,
    dropped: Arc<AtomicUsize>,
}

impl Tools {
    fn new() -> Self {
        Self { watch: Arc::default(), dropped: Arc::default() }
    }

    fn dropped(&self) -> usize {
        self.dropped.load(Ordering::SeqCst)
    }

    fn server(&self) -> ServerBuilder {
        let (watch, dropped) = (Arc::clone(&self.watch), Arc::clone(&self.dropped));
        let wait = tool_fn("wait", move |_: NoArgs, call: Call| {
            let (watch, held) = (Arc::clone(&watch), Dropped(Arc::clone(&dropped)));
            async move {
                call.progress(1.0, Some(2.0), Some("waiting"));
                watch.release.notified().await;
                drop(held);
                Ok("released")
            }
        });
        let confirm = tool_fn("confirm", |_: NoArgs, call: Call| async move {
            sleep(Duration::from_secs(1)).await;
            let schema = json!({ "type": "object", "properties": { "sure": { "type": "boolean" } }, "required": ["sure"] });
            let asked = [("sure", InputRequest::elicit("Sure?", &schema)), ("roots", InputRequest::roots())];
            let answers = call.inputs(asked)?;
            Ok(format!("{} {}", answers[0].raw(), answers[1].raw()))
        });
        let early = tool_fn("early", |_: NoArgs, call: Call| async move {
            let schema = json!({ "type": "object", "properties": { "name": { "type": "string" } } });
            let name = call.input("name", InputRequest::elicit("Name?", &schema))?.raw().to_owned();
            sleep(Duration::from_secs(1)).await;
            Ok(name)
        });
        let broken = tool_fn("broken", |_: NoArgs, _| async {
            sleep(Duration::from_secs(1)).await;
            Err::<Output, _>(ToolError::new("it did not work"))
        });
        let breach = tool_fn("breach", |_: NoArgs, _| async {
            sleep(Duration::from_secs(1)).await;
            Err::<Output, _>(ToolError::protocol(Error::new(Code::INVALID_PARAMS, "out of the protocol")))
        });
        let registry = Registry::builder()
            .tool(wait.with_spec(optional))
            .tool(confirm.with_spec(optional))
            .tool(early.with_spec(required))
            .tool(broken.with_spec(optional))
            .tool(breach.with_spec(optional))
            .tool(tool_fn("quick", |_: NoArgs, _| async { Ok("at once") }).with_spec(optional))
            .tool(tool_fn("must", |_: NoArgs, _| async { Ok("as a task") }).with_spec(required))
            .tool(tool_fn("plain", |_: NoArgs, _| async { Ok("plain") }))
            .build();
        Server::builder(Dispatcher::builder(registry.unwrap()).build())
    }
}

/// A request of 2026-07-28 by a client that takes tasks, and can be asked.
fn declared(id: i64, method: &str, params: Value) -> Value {
    let mut request = modern(id, method, params);
    request["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
        json!({ "extensions": { EXTENSION: {} }, "elicitation": {}, "roots": {} });
    request
}

async fn handle(server: &Server, who: &str, request: &Value) -> Value {
    let frame = Frame::from_text(request.to_string(), &Limits::new()).unwrap();
    serde_json::from_slice(&server.handle(frame, Principal::new(who)).await.unwrap()).unwrap()
}

async fn ask(server: &Server, who: &str, method: &str, params: Value) -> Value {
    handle(server, who, &declared(1, method, params)).await
}

async fn get(server: &Server, who: &str, id: &Value) -> Value {
    ask(server, who, "tasks/get", json!({ "taskId": id })).await["result"].take()
}

async fn start(server: &Server, who: &str, tool: &str) -> Value {
    let created = ask(server, who, "tools/call", json!({ "name": tool })).await;
    assert_eq!(created["result"]["resultType"], "task", "{created}");
    created["result"]["taskId"].clone()
}

/// A client of one era on one transport.
enum Client {
    ModernLines(Lines),
    ModernHttp(Box<Wire>),
    LegacyLines(Lines),
    LegacyHttp(Box<Wire>, String),
}

impl Client {
    async fn all(server: &Server) -> Vec<Self> {
        vec![
            Self::ModernLines(Lines::to(server)),
            Self::ModernHttp(Box::new(Wire::within(server).0)),
            Self::legacy_lines(server).await,
            Self::legacy_http(server).await,
        ]
    }

    fn hello() -> Value {
        let params =
            json!({ "protocolVersion": "2025-11-25", "capabilities": { "elicitation": {}, "roots": {} } });
        json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params })
    }

    async fn legacy_lines(server: &Server) -> Self {
        let mut lines = Lines::to(server);
        lines.ask(&Self::hello()).await;
        Self::LegacyLines(lines)
    }

    async fn legacy_http(server: &Server) -> Self {
        let mut wire = Wire::within(server).0;
        let opened = wire.post(&[], Self::hello().to_string().as_bytes()).await;
        let session = opened.header("mcp-session-id").unwrap().to_owned();
        Self::LegacyHttp(Box::new(wire), session)
    }

    fn is_legacy(&self) -> bool {
        matches!(self, Self::LegacyLines(_) | Self::LegacyHttp(..))
    }

    /// The answer to a request, whatever is told before it.
    async fn ask(&mut self, method: &str, params: Value) -> Value {
        let legacy = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        match self {
            Self::ModernLines(lines) => lines.ask(&declared(1, method, params)).await,
            Self::ModernHttp(wire) => wire.ask(&declared(1, method, params)).await.json(),
            Self::LegacyLines(lines) => {
                lines.send(&legacy).await;
                loop {
                    let message = lines.receive().await;
                    if message.get("method").is_none() {
                        return message;
                    }
                }
            }
            Self::LegacyHttp(wire, session) => {
                let headers = [("Mcp-Session-Id", &**session), ("MCP-Protocol-Version", "2025-11-25")];
                let answer = wire.post(&headers, legacy.to_string().as_bytes()).await;
                match answer.header("content-type") {
                    Some("text/event-stream") => answer.events().pop().unwrap(),
                    _ => answer.json(),
                }
            }
        }
    }

    /// Makes a call as a task.
    async fn start(&mut self, tool: &str) -> Value {
        let legacy = self.is_legacy();
        let mut params = json!({ "name": tool });
        if legacy {
            params["task"] = json!({ "ttl": 60_000 });
        }
        let answer = self.ask("tools/call", params).await;
        let task = if legacy { &answer["result"]["task"] } else { &answer["result"] };
        assert_eq!(task["status"], "working", "{answer}");
        task.clone()
    }

    async fn get(&mut self, id: &Value) -> Value {
        self.ask("tasks/get", json!({ "taskId": id })).await["result"].take()
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_becomes_a_task_and_its_result_is_fetched() {
    let tools = Tools::new();
    let server = tools.server().build();
    for client in &mut Client::all(&server).await {
        let task = client.start("wait").await;
        let (id, legacy) = (&task["taskId"], client.is_legacy());
        let (ttl, poll) = if legacy { ("ttl", "pollInterval") } else { ("ttlMs", "pollIntervalMs") };
        assert_eq!(
            (&task[ttl], &task[poll]),
            (&json!(if legacy { 60_000 } else { 3_600_000 }), &json!(1_000))
        );
        assert!(id.as_str().unwrap().len() == 44 && task["createdAt"] == task["lastUpdatedAt"], "{task}");
        sleep(Duration::from_secs(2)).await;
        let task = client.get(id).await;
        assert_eq!(
            (&task["status"], &task["statusMessage"]),
            (&json!("working"), &json!("waiting")),
            "{task}"
        );
        tools.watch.release.notify_one();
        sleep(Duration::from_secs(1)).await;
        let task = client.get(id).await;
        assert_eq!(task["status"], "completed", "{task}");
        let result = match legacy {
            true => client.ask("tasks/result", json!({ "taskId": id })).await["result"].take(),
            false => task["result"].clone(),
        };
        assert_eq!(result["content"][0]["text"], "released");
        let related = &result["_meta"]["io.modelcontextprotocol/related-task"]["taskId"];
        assert_eq!((related == id, result.get("resultType").is_none()), (legacy, legacy), "{result}");
    }
    assert_eq!(server.drain_tasks(Duration::ZERO).await, 0);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_take_tasks_is_answered_in_the_request() {
    let server = Tools::new().server().build();
    let plain = modern(1, "tools/call", json!({ "name": "quick", "task": { "ttl": 1 } }));
    assert_eq!(handle(&server, "ada", &plain).await["result"]["resultType"], "complete");
    let must = handle(&server, "ada", &modern(1, "tools/call", json!({ "name": "must" }))).await;
    assert_eq!(must["error"]["code"], -32021);
    assert_eq!(must["error"]["data"]["requiredCapabilities"]["extensions"], json!({ EXTENSION: {} }));
    for method in ["tasks/get", "tasks/cancel", "tasks/update"] {
        let params = json!({ "taskId": "x", "inputResponses": {} });
        assert_eq!(handle(&server, "ada", &modern(1, method, params.clone())).await["error"]["code"], -32021);
        assert_eq!(ask(&server, "ada", method, params).await["error"]["code"], -32602, "{method}");
    }
    for method in ["tasks/result", "tasks/list"] {
        assert_eq!(ask(&server, "ada", method, json!({ "taskId": "x" })).await["error"]["code"], -32601);
    }
    // Whatever a header says or leaves out: it has none in the era that has the method.
    let result = declared(1, "tasks/result", json!({ "taskId": "x" })).to_string();
    let headers = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Name", "")];
    let answer = Wire::within(&server).0.post(&headers, result.as_bytes()).await;
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (404, &json!(-32601)));
    // One that ends at once is answered at once; one that must be a task is one all the same.
    let quick = ask(&server, "ada", "tools/call", json!({ "name": "quick" })).await;
    assert_eq!((&quick["result"]["resultType"], quick["result"].get("taskId")), (&json!("complete"), None));
    let id = start(&server, "ada", "must").await;
    sleep(Duration::from_millis(1)).await;
    assert_eq!(get(&server, "ada", &id).await["result"]["content"][0]["text"], "as a task");
    // What is not there is no task.
    assert_eq!(ask(&server, "ada", "tools/call", json!({ "name": "nope" })).await["error"]["code"], -32602);
}

#[tokio::test(start_paused = true)]
async fn a_session_asks_for_tasks_where_the_tool_has_them() {
    let server = Tools::new().server().build();
    for mut client in [Client::legacy_lines(&server).await, Client::legacy_http(&server).await] {
        for (tool, asks, code) in [("must", false, -32601), ("plain", true, -32601), ("nope", true, -32602)] {
            let mut params = json!({ "name": tool });
            if asks {
                params["task"] = json!({});
            }
            assert_eq!(client.ask("tools/call", params).await["error"]["code"], code, "{tool}");
        }
        assert_eq!(
            client.ask("tools/call", json!({ "name": "quick" })).await["result"]["content"][0]["text"],
            "at once"
        );
        let task = client.start("quick").await;
        let result = client.ask("tasks/result", json!({ "taskId": task["taskId"] })).await;
        assert_eq!(result["result"]["content"][0]["text"], "at once");
        let listed = client.ask("tools/list", json!({})).await;
        let of = |name: &str| {
            let tools = listed["result"]["tools"].as_array().unwrap();
            tools.iter().find(|tool| tool["name"] == name).unwrap()["execution"]["taskSupport"].clone()
        };
        assert_eq!(
            (of("must"), of("quick"), of("plain")),
            (json!("required"), json!("optional"), Value::Null)
        );
        assert_eq!(client.ask("tasks/update", json!({ "taskId": "x" })).await["error"]["code"], -32601);
    }
    // Older revisions have none.
    let mut lines = Lines::to(&server);
    let mut hello = Client::hello();
    hello["params"]["protocolVersion"] = json!("2025-06-18");
    assert_eq!(lines.ask(&hello).await["result"]["capabilities"].get("tasks"), None);
    let mut client = Client::LegacyLines(lines);
    for method in ["tasks/get", "tasks/list", "tasks/result", "tasks/cancel"] {
        assert_eq!(client.ask(method, json!({ "taskId": "x" })).await["error"]["code"], -32601, "{method}");
    }
    let ignored = client.ask("tools/call", json!({ "name": "quick", "task": {} })).await;
    assert_eq!(ignored["result"]["content"][0]["text"], "at once");
}

#[tokio::test(start_paused = true)]
async fn what_a_server_says_of_tasks_is_what_it_has() {
    let server = Tools::new().server().build();
    let discovered = handle(&server, "ada", &modern(1, "server/discover", json!({}))).await;
    let capabilities = &discovered["result"]["capabilities"];
    assert_eq!((&capabilities["extensions"], capabilities.get("tasks")), (&json!({ EXTENSION: {} }), None));
    let calls = json!({ "tools": { "call": {} } });
    let opened = Lines::to(&server).ask(&Client::hello()).await;
    let of_lines = json!({ "list": {}, "cancel": {}, "requests": calls });
    assert_eq!(opened["result"]["capabilities"]["tasks"], of_lines);
    // Over HTTP nobody knows whose tasks to list to somebody without a name.
    let opened = Wire::within(&server).0.post(&[], Client::hello().to_string().as_bytes()).await.json();
    assert_eq!(opened["result"]["capabilities"]["tasks"], json!({ "cancel": {}, "requests": calls }));
    assert_eq!(
        Client::legacy_http(&server).await.ask("tasks/list", json!({})).await["error"]["code"],
        -32601
    );

    let without = common::builder(&Arc::default()).build();
    let opened = Lines::to(&without).ask(&Client::hello()).await;
    assert_eq!(opened["result"]["capabilities"].get("tasks"), None);
    assert_eq!(ask(&without, "ada", "tasks/get", json!({ "taskId": "x" })).await["error"]["code"], -32601);
}

#[tokio::test(start_paused = true)]
async fn a_task_is_cancelled_at_once_and_by_nothing_else() {
    let tools = Tools::new();
    let server = tools.server().build();
    for (n, client) in Client::all(&server).await.iter_mut().enumerate() {
        let id = client.start("wait").await["taskId"].clone();
        assert_eq!(tools.dropped(), n);
        let note =
            json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
        if let Client::ModernLines(lines) | Client::LegacyLines(lines) = client {
            lines.send(&note).await;
        }
        assert_eq!(client.get(&id).await["status"], "working", "a task is not taken back as its request is");
        let cancelled = client.ask("tasks/cancel", json!({ "taskId": id })).await;
        sleep(Duration::from_millis(1)).await;
        assert_eq!(tools.dropped(), n + 1, "its call is dropped");
        let again = client.ask("tasks/cancel", json!({ "taskId": id })).await;
        match client.is_legacy() {
            true => {
                assert_eq!(cancelled["result"]["status"], "cancelled");
                assert_eq!(again["error"]["code"], -32602, "{again}");
                let result = client.ask("tasks/result", json!({ "taskId": id })).await;
                assert_eq!(result["error"]["code"], -32602);
            }
            false => {
                assert_eq!(cancelled["result"]["resultType"], "complete");
                assert_eq!(cancelled["result"], again["result"], "and cancelling it twice does no harm");
            }
        }
        assert_eq!(client.get(&id).await["status"], "cancelled");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_as_each_era_tells_it() {
    let server = Tools::new().server().build();
    for client in &mut Client::all(&server).await {
        let broken = client.start("broken").await["taskId"].clone();
        let breach = client.start("breach").await["taskId"].clone();
        sleep(Duration::from_secs(3)).await;
        let (broken_now, breach_now) = (client.get(&broken).await, client.get(&breach).await);
        assert_eq!(
            (&breach_now["status"], &breach_now["statusMessage"]),
            (&json!("failed"), &json!("out of the protocol"))
        );
        match client.is_legacy() {
            true => {
                assert_eq!(broken_now["status"], "failed", "{broken_now}");
                let result = client.ask("tasks/result", json!({ "taskId": broken })).await;
                assert_eq!(result["result"]["isError"], true, "{result}");
                let result = client.ask("tasks/result", json!({ "taskId": breach })).await;
                assert_eq!(result["error"]["message"], "out of the protocol", "{result}");
            }
            false => {
                assert_eq!(
                    (&broken_now["status"], &broken_now["result"]["isError"]),
                    (&json!("completed"), &json!(true))
                );
                assert_eq!(breach_now["error"]["code"], -32602);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_asks_and_goes_on_with_the_answers() {
    let server = Tools::new().server().build();
    let id = start(&server, "ada", "confirm").await;
    sleep(Duration::from_secs(2)).await;
    let task = get(&server, "ada", &id).await;
    assert_eq!(
        (&task["status"], &task["inputRequests"]["sure"]["method"]),
        (&json!("input_required"), &json!("elicitation/create"))
    );
    let update = async |responses: Value| {
        let params = json!({ "taskId": id, "inputResponses": responses });
        let done = ask(&server, "ada", "tasks/update", params).await;
        assert_eq!(done["result"]["resultType"], "complete", "{done}");
        sleep(Duration::from_millis(1)).await;
        get(&server, "ada", &id).await
    };
    // Half of it, and what was never asked; then an answer that is none, which is asked for again under another key.
    let task = update(json!({ "roots": { "roots": [] }, "other": 1 })).await;
    assert_eq!(task["inputRequests"].as_object().unwrap().keys().collect::<Vec<_>>(), ["sure"]);
    assert_eq!(update(json!({ "roots": 1, "sure": { "action": "accept" } })).await["status"], "working");
    sleep(Duration::from_secs(2)).await;
    let task = get(&server, "ada", &id).await;
    assert_eq!(task["inputRequests"].as_object().unwrap().keys().collect::<Vec<_>>(), ["sure.2"], "{task}");
    update(json!({ "sure.2": { "action": "accept", "content": { "sure": true } } })).await;
    sleep(Duration::from_secs(2)).await;
    let task = get(&server, "ada", &id).await;
    let text = task["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains(r#""sure":true"#) && text.ends_with(r#"{"roots":[]}"#), "{text}");

    // What is missing before there is a task is asked in the request.
    let asked = ask(&server, "ada", "tools/call", json!({ "name": "early" })).await;
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    let answer = json!({ "name": { "action": "accept", "content": { "name": "Ada" } } });
    let params =
        json!({ "name": "early", "inputResponses": answer, "requestState": asked["result"]["requestState"] });
    let created = ask(&server, "ada", "tools/call", params).await;
    sleep(Duration::from_secs(2)).await;
    let task = get(&server, "ada", &created["result"]["taskId"]).await;
    assert!(task["result"]["content"][0]["text"].as_str().unwrap().contains("Ada"), "{task}");
}

#[tokio::test(start_paused = true)]
async fn a_session_is_asked_on_the_stream_of_the_result() {
    let server = Tools::new().server().build();
    let answers = |message: &Value| {
        let result = match message["method"].as_str().unwrap() {
            "elicitation/create" => json!({ "action": "accept", "content": { "sure": true } }),
            _ => json!({ "roots": [] }),
        };
        json!({ "jsonrpc": "2.0", "id": message["id"], "result": result })
    };
    let (mut lines, mut http) = (Client::legacy_lines(&server).await, Client::legacy_http(&server).await);
    let id = lines.start("confirm").await["taskId"].clone();
    let Client::LegacyLines(lines) = &mut lines else { return };
    let request = |id: &Value| json!({ "jsonrpc": "2.0", "id": 5, "method": "tasks/result", "params": { "taskId": id } });
    lines.send(&request(&id)).await;
    let mut told = BTreeSet::new();
    let result = loop {
        let message = lines.receive().await;
        match message["method"].as_str() {
            Some("notifications/tasks/status") => {
                assert_eq!(message["params"]["taskId"], id);
                told.insert(message["params"]["status"].as_str().unwrap().to_owned());
            }
            Some(_) => {
                let related = &message["params"]["_meta"]["io.modelcontextprotocol/related-task"];
                assert_eq!(*related, json!({ "taskId": id }), "{message}");
                lines.send(&answers(&message)).await;
            }
            None => break message,
        }
    };
    assert!(result["result"]["content"][0]["text"].as_str().unwrap().contains("sure"), "{result}");
    assert_eq!(told.into_iter().collect::<Vec<_>>(), ["completed", "input_required", "working"]);

    // Over HTTP the answers come on a connection of their own.
    let id = http.start("early").await["taskId"].clone();
    let mut other = Wire::within(&server).0;
    let Client::LegacyHttp(wire, session) = &mut http else { return };
    let headers = [("Mcp-Session-Id", &**session), ("MCP-Protocol-Version", "2025-11-25")];
    wire.request("POST", &headers, request(&id).to_string().as_bytes()).await;
    assert_eq!(wire.head().await.header("content-type"), Some("text/event-stream"));
    let result = loop {
        let message = wire.event().await.unwrap();
        if message.get("method").is_none() {
            break message;
        }
        other.post(&headers, answers(&message).to_string().as_bytes()).await;
    };
    assert!(result["result"]["content"][0]["text"].as_str().unwrap().contains("sure"), "{result}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_refuses_to_answer_ends_its_task() {
    let server = Tools::new().server().build();
    let mut client = Client::legacy_lines(&server).await;
    let id = client.start("confirm").await["taskId"].clone();
    let Client::LegacyLines(lines) = &mut client else { return };
    lines
        .send(&json!({ "jsonrpc": "2.0", "id": 5, "method": "tasks/result", "params": { "taskId": id } }))
        .await;
    let result = loop {
        let message = lines.receive().await;
        match message["method"].as_str() {
            Some("notifications/tasks/status") => {}
            Some(_) => {
                let error = json!({ "code": -1, "message": "not now" });
                lines.send(&json!({ "jsonrpc": "2.0", "id": message["id"], "error": error })).await;
            }
            None => break message,
        }
    };
    assert_eq!(result["result"]["isError"], true, "{result}");
    assert!(result["result"]["content"][0]["text"].as_str().unwrap().contains("not now"), "{result}");
}

#[tokio::test(start_paused = true)]
async fn the_task_of_somebody_else_is_answered_like_none() {
    let tools = Tools::new();
    let server = tools.server().build();
    let (hers, none) = (start(&server, "ada", "wait").await, json!("0".repeat(44)));
    for method in ["tasks/get", "tasks/cancel", "tasks/update"] {
        let asked = async |id: &Value| {
            ask(&server, "bob", method, json!({ "taskId": id, "inputResponses": {} })).await
        };
        assert_eq!(asked(&hers).await, asked(&none).await, "{method}");
        assert_eq!(asked(&hers).await["error"]["code"], -32602);
    }
    assert_eq!(get(&server, "ada", &hers).await["status"], "working", "and nothing became of it");
    let ids: BTreeSet<String> = {
        let mut ids = BTreeSet::new();
        for _ in 0..20 {
            ids.insert(start(&server, "ada", "wait").await.as_str().unwrap()[12..].to_owned());
        }
        ids
    };
    assert_eq!(ids.len(), 20, "128 bits of each are its own");
}

#[tokio::test(start_paused = true)]
async fn a_task_outlives_its_connection() {
    let tools = Tools::new();
    let server = tools.server().build();
    let mut ids = Vec::new();
    for mut client in Client::all(&server).await {
        ids.push(client.start("wait").await["taskId"].clone());
    }
    sleep(Duration::from_secs(5)).await;
    assert_eq!(tools.dropped(), 0, "its connection is gone, and it is not");
    tools.watch.release.notify_waiters();
    sleep(Duration::from_secs(1)).await;
    let mut late = Client::ModernLines(Lines::to(&server));
    for id in ids {
        assert_eq!(late.get(&id).await["status"], "completed");
    }
}

#[tokio::test(start_paused = true)]
async fn any_server_answers_for_the_tasks_of_all() {
    let store = Arc::new(MemoryTasks::new());
    let (tools, other_tools) = (Tools::new(), Tools::new());
    let [owner, other] = [&tools, &other_tools].map(|tools| tools.server().tasks(Arc::clone(&store)).build());
    let id = start(&owner, "ada", "wait").await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(get(&other, "ada", &id).await["status"], "working", "its lease is renewed");
    ask(&other, "ada", "tasks/cancel", json!({ "taskId": id })).await;
    assert_eq!(get(&owner, "ada", &id).await["status"], "cancelled");
    sleep(Duration::from_millis(1_001)).await;
    assert_eq!(tools.dropped(), 1, "its owner has seen it after one look");

    let id = start(&owner, "ada", "confirm").await;
    sleep(Duration::from_secs(2)).await;
    let answers =
        json!({ "sure": { "action": "accept", "content": { "sure": true } }, "roots": { "roots": [] } });
    ask(&other, "ada", "tasks/update", json!({ "taskId": id, "inputResponses": answers })).await;
    sleep(Duration::from_secs(3)).await;
    assert_eq!(get(&other, "ada", &id).await["status"], "completed");
    let mut client = Client::legacy_lines(&other).await;
    assert_eq!(client.ask("tasks/list", json!({})).await["result"]["tasks"], json!([]), "those are ada's");
}

#[tokio::test]
async fn a_task_whose_server_died_is_failed_and_says_so() {
    let store = Arc::new(MemoryTasks::new());
    let other_tools = Tools::new();
    let limits = |builder: ServerBuilder| {
        builder.tasks(Arc::clone(&store)).task_limits(|limits| {
            (limits.look, limits.lease) = (Duration::from_millis(10), Duration::from_millis(200));
            limits.handover = Duration::ZERO;
        })
    };
    let other = limits(other_tools.server()).build();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    // A server whose runtime ends, with all that it ran, before it could write a word.
    std::thread::spawn({
        let server = limits(Tools::new().server());
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let id = runtime.block_on(async {
                let server = server.build();
                start(&server, "ada", "wait").await
            });
            drop(runtime);
            sender.send(id).unwrap();
        }
    });
    let id = receiver.await.unwrap();
    let task = loop {
        let task = get(&other, "ada", &id).await;
        if task["status"] != "working" {
            break task;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(task["status"], "failed", "{task}");
    assert!(
        task["error"]["message"].as_str().unwrap().contains("the server that ran the task ended"),
        "{task}"
    );
    assert_eq!(task["statusMessage"], task["error"]["message"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_waits_for_its_tasks_and_says_what_it_lost() {
    let store = Arc::new(MemoryTasks::new());
    let (tools, other_tools) = (Tools::new(), Tools::new());
    let [server, other] =
        [&tools, &other_tools].map(|tools| tools.server().tasks(Arc::clone(&store)).build());
    let (lost, asking) = (start(&server, "ada", "wait").await, start(&server, "ada", "confirm").await);
    let done = start(&server, "ada", "broken").await;
    let begun = tokio::time::Instant::now();
    assert_eq!(server.drain_tasks(Duration::from_secs(5)).await, 2);
    assert_eq!(begun.elapsed().as_secs(), 5);
    assert_eq!(tools.dropped(), 1, "what runs is dropped");
    for id in [&lost, &asking] {
        let task = get(&other, "ada", id).await;
        assert_eq!(task["status"], "failed", "{task}");
        assert!(task["error"]["message"].as_str().unwrap().contains("the server stopped"), "{task}");
    }
    assert_eq!(get(&other, "ada", &done).await["status"], "completed", "it was waited for");
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_lines_that_stops_waits_for_its_tasks() {
    let tools = Tools::new();
    let server = tools.server().grace(Duration::from_secs(20)).build();
    let mut lines = Lines::to(&server);
    let created = lines.ask(&declared(1, "tools/call", json!({ "name": "wait" }))).await;
    assert_eq!(created["result"]["resultType"], "task");
    server.stop();
    sleep(Duration::from_secs(10)).await;
    assert!(!lines.served.is_finished());
    tools.watch.release.notify_waiters();
    lines.served.await.unwrap().unwrap();
    assert_eq!(
        get(&server, "", &created["result"]["taskId"]).await,
        Value::Null,
        "somebody without a name had it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_task_ends_with_its_ttl() {
    let tools = Tools::new();
    let server = tools.server().task_limits(|limits| limits.ttl = Duration::from_secs(30)).build();
    let id = start(&server, "ada", "wait").await;
    sleep(Duration::from_secs(29)).await;
    assert_eq!(get(&server, "ada", &id).await["ttlMs"], 30_000);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(ask(&server, "ada", "tasks/get", json!({ "taskId": id })).await["error"]["code"], -32602);
    assert_eq!(tools.dropped(), 1, "and what still runs is dropped");
}

#[tokio::test(start_paused = true)]
async fn a_session_lists_its_tasks_page_by_page() {
    let server = Tools::new().server().page_size(2).build();
    let mut client = Client::legacy_lines(&server).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(client.start("wait").await["taskId"].clone());
        sleep(Duration::from_millis(2)).await;
    }
    let (mut listed, mut cursor) = (Vec::new(), None);
    for page in 1.. {
        let params = cursor.map_or_else(|| json!({}), |cursor: Value| json!({ "cursor": cursor }));
        let answer = client.ask("tasks/list", params).await;
        listed
            .extend(answer["result"]["tasks"].as_array().unwrap().iter().map(|task| task["taskId"].clone()));
        match answer["result"].get("nextCursor") {
            Some(next) => cursor = Some(next.clone()),
            None => {
                assert_eq!(page, 3);
                break;
            }
        }
    }
    assert_eq!(listed, ids, "in the order of their creation");
    for cursor in [json!("x"), json!(1)] {
        assert_eq!(client.ask("tasks/list", json!({ "cursor": cursor })).await["error"]["code"], -32602);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_changes_tells_of_the_tasks_that_it_names() {
    let store = Arc::new(MemoryTasks::new());
    let (tools, other_tools) = (Tools::new(), Tools::new());
    let [server, other] =
        [&tools, &other_tools].map(|tools| tools.server().tasks(Arc::clone(&store)).build());
    let mut lines = Lines::to(&server);
    let created = lines.ask(&declared(1, "tools/call", json!({ "name": "wait" }))).await;
    let anonymous = created["result"]["taskId"].clone();
    let ask_other = async |request: &Value| Lines::to(&other).ask(request).await;
    let elsewhere =
        ask_other(&declared(1, "tools/call", json!({ "name": "confirm" }))).await["result"]["taskId"].clone();
    let hers = start(&server, "ada", "wait").await;
    let filter = json!({ "notifications": { "taskIds": [anonymous, elsewhere, hers, "nope"] } });

    let refused = lines.ask(&modern(2, "subscriptions/listen", filter.clone())).await;
    assert_eq!(refused["error"]["code"], -32021, "{refused}");
    let many = json!({ "notifications": { "taskIds": vec!["x"; 65] } });
    assert_eq!(lines.ask(&declared(2, "subscriptions/listen", many)).await["error"]["code"], -32602);

    let acknowledged = lines.ask(&declared(3, "subscriptions/listen", filter)).await;
    let told: BTreeSet<&str> = acknowledged["params"]["notifications"]["taskIds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap())
        .collect();
    assert_eq!(
        told,
        BTreeSet::from([anonymous.as_str().unwrap(), elsewhere.as_str().unwrap()]),
        "her own are hers"
    );
    let mut next = async |id: &Value, status: &str| loop {
        let message = lines.receive().await;
        assert_eq!(message["method"], "notifications/tasks");
        assert_eq!(message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 3);
        if message["params"]["taskId"] == *id && message["params"]["status"] == status {
            return message;
        }
    };
    let asked = next(&elsewhere, "input_required").await;
    assert_eq!(asked["params"]["inputRequests"]["sure"]["method"], "elicitation/create");
    tools.watch.release.notify_waiters();
    let done = next(&anonymous, "completed").await;
    assert_eq!(done["params"]["result"]["content"][0]["text"], "released");
}

/// A store that does as it is told, or does not.
#[derive(Default)]
struct Moody {
    store: MemoryTasks,
    /// 0: as it should; 1: fails; 2: panics; 3: hangs; 4: as it should, slowly; 5: very slowly.
    mood: AtomicUsize,
    updates: AtomicUsize,
}

impl Moody {
    async fn mood(&self) -> Result<(), TaskStoreError> {
        match self.mood.load(Ordering::SeqCst) {
            0 => Ok(()),
            1 => Err(TaskStoreError::failed("secret")),
            2 => panic!("boom"),
            4 => {
                sleep(Duration::from_millis(5)).await;
                Ok(())
            }
            5 => {
                sleep(Duration::from_secs(5)).await;
                Ok(())
            }
            _ => std::future::pending().await,
        }
    }
}

impl TaskStore for Moody {
    fn create<'a>(&'a self, task: &'a StoredTask) -> BoxFuture<'a, Result<(), TaskStoreError>> {
        Box::pin(async {
            self.mood().await?;
            self.store.create(task).await
        })
    }

    fn load<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<StoredTask>, TaskStoreError>> {
        Box::pin(async move {
            self.mood().await?;
            self.store.load(id).await
        })
    }

    fn update<'a>(&'a self, task: &'a StoredTask) -> BoxFuture<'a, Result<bool, TaskStoreError>> {
        Box::pin(async {
            self.mood().await?;
            self.updates.fetch_add(1, Ordering::SeqCst);
            self.store.update(task).await
        })
    }

    fn list<'a>(
        &'a self,
        principal: &'a Principal,
        after: Option<&'a str>,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<StoredTask>, TaskStoreError>> {
        Box::pin(async move {
            self.mood().await?;
            self.store.list(principal, after, most).await
        })
    }

    fn expire(&self, now: u64) -> BoxFuture<'_, Result<usize, TaskStoreError>> {
        Box::pin(async move {
            self.mood().await?;
            self.store.expire(now).await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_costs_an_error_and_no_call() {
    let (store, tools) = (Arc::new(Moody::default()), Tools::new());
    let server = tools.server().tasks(Arc::clone(&store)).build();
    let id = start(&server, "ada", "wait").await;
    for mood in 1..=3 {
        store.mood.store(mood, Ordering::SeqCst);
        let answer = ask(&server, "ada", "tasks/get", json!({ "taskId": id })).await;
        assert_eq!(answer["error"]["code"], -32603, "{answer}");
        assert!(!answer.to_string().contains("secret"), "{answer}");
        let must = ask(&server, "ada", "tools/call", json!({ "name": "must" })).await;
        assert_eq!(must["error"]["code"], -32603, "{must}");
        // One that need not be a task is waited for in its request.
        let broken = ask(&server, "ada", "tools/call", json!({ "name": "broken" })).await;
        assert_eq!(broken["result"]["isError"], true, "{broken}");
    }
    // It was away for less than the lease, or the run was lost: never is a task unknown.
    store.mood.store(0, Ordering::SeqCst);
    let status = get(&server, "ada", &id).await["status"].clone();
    assert!(status == "working" || status == "failed", "{status}");
    tools.watch.release.notify_waiters();
}

#[tokio::test(start_paused = true)]
async fn a_call_goes_on_while_its_task_is_stored() {
    let (ended, begun) = (Arc::new(AtomicUsize::new(0)), tokio::time::Instant::now());
    let note = Arc::clone(&ended);
    let timed = tool_fn("timed", move |_: NoArgs, _| {
        let note = Arc::clone(&note);
        async move {
            sleep(Duration::from_secs(1)).await;
            note.store(begun.elapsed().as_millis() as usize, Ordering::SeqCst);
            Ok("in time")
        }
    });
    let registry = Registry::builder().tool(timed.with_spec(optional)).build().unwrap();
    let store = Arc::new(Moody { mood: AtomicUsize::new(5), ..Moody::default() });
    let server = Server::builder(Dispatcher::builder(registry).build()).tasks(Arc::clone(&store)).build();
    let id = start(&server, "ada", "timed").await;
    assert!((1_000..1_100).contains(&ended.load(Ordering::SeqCst)), "{ended:?}");
    store.mood.store(0, Ordering::SeqCst);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(get(&server, "ada", &id).await["result"]["content"][0]["text"], "in time");
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_says_much_is_stored_once_in_a_look() {
    let chatty = tool_fn("chatty", |_: NoArgs, call: Call| async move {
        for step in 0..10_000_u32 {
            call.progress(f64::from(step), None, None);
            sleep(Duration::from_millis(1)).await;
        }
        Ok("said all")
    });
    let registry = Registry::builder().tool(chatty.with_spec(required)).build().unwrap();
    let store = Arc::new(Moody { mood: AtomicUsize::new(4), ..Moody::default() });
    let server = Server::builder(Dispatcher::builder(registry).build()).tasks(Arc::clone(&store)).build();
    let id = start(&server, "ada", "chatty").await;
    sleep(Duration::from_secs(9)).await;
    let (task, updates) = (get(&server, "ada", &id).await, store.updates.load(Ordering::SeqCst));
    assert!((5..=15).contains(&updates), "{updates}");
    let said: u32 = task["statusMessage"].as_str().unwrap().parse().unwrap();
    assert!((6_000..=9_500).contains(&said), "{task}");
    sleep(Duration::from_secs(5)).await;
    assert_eq!(get(&server, "ada", &id).await["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn tasks_have_a_bound_in_number_and_bytes_of_one_and_of_all() {
    let small = || MemoryTasks::new().tasks(5, 3);
    let server = Tools::new().server().tasks(small()).build();
    for who in ["ada", "ada", "ada", "bob", "bob"] {
        start(&server, who, "wait").await;
    }
    let full = ask(&server, "ada", "tools/call", json!({ "name": "must" })).await;
    assert_eq!(full["error"]["data"]["reason"], "too_many_tasks", "{full}");
    assert_eq!(ask(&server, "bob", "tools/call", json!({ "name": "must" })).await["error"]["code"], -32603);

    let large = tool_fn("large", |_: NoArgs, _| async {
        sleep(Duration::from_secs(1)).await;
        Ok("x".repeat(10_000))
    });
    let registry = Registry::builder().tool(large.with_spec(optional)).build().unwrap();
    let dispatcher = Dispatcher::builder(registry).build();
    let server = Server::builder(dispatcher).tasks(MemoryTasks::new().bytes(1 << 20, 16_000)).build();
    let ids = [start(&server, "ada", "large").await, start(&server, "ada", "large").await];
    sleep(Duration::from_secs(2)).await;
    assert_eq!(get(&server, "ada", &ids[0]).await["status"], "completed");
    let second = get(&server, "ada", &ids[1]).await;
    assert_eq!(second["status"], "failed", "there is no room for its result");
    assert!(second["error"]["message"].as_str().unwrap().contains("no room"), "{second}");
}

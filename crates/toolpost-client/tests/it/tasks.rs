//! Calls that become tasks: awaited to their end, and cancelled with their call.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a test of tasks on a paused clock"
)]

use std::pin::Pin;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::join;
use tokio::time::Instant;
use toolpost_client::{
    ClientCapabilities, ClientError, Frame, McpClient, Question, RawJson, RawResult, RequestOptions, Respond,
    RpcError,
};

use crate::common::{Scripted, options, value};

async fn call(client: &McpClient) -> Result<RawResult, ClientError> {
    client.call_tool("t", Frame::empty().root(), RequestOptions::new()).await
}

/// Answers the call by a task.
async fn create(server: &mut Scripted) {
    server.discovered(json!({})).await;
    let request = server.expect("tools/call").await;
    let extensions = &request["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"]["extensions"];
    assert!(extensions["io.modelcontextprotocol/tasks"].is_object(), "{request}");
    server.answer(&request, task("working", json!({ "resultType": "task", "pollIntervalMs": 100 }))).await;
}

fn task(status: &str, more: Value) -> Value {
    let mut task = json!({ "resultType": "complete", "taskId": "t-1", "status": status, "createdAt": "", "lastUpdatedAt": "", "ttlMs": null });
    task.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    task
}

async fn looked_at(server: &mut Scripted, status: &str, more: Value) {
    let request = server.expect("tasks/get").await;
    assert_eq!(request["params"]["taskId"], "t-1");
    assert!(request["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"].is_string());
    server.answer(&request, task(status, more)).await;
}

#[tokio::test(start_paused = true)]
async fn a_task_is_awaited_to_its_end() {
    let (mut server, client) = Scripted::new(options());
    let began = Instant::now();
    let script = async {
        create(&mut server).await;
        for _ in 0..9 {
            looked_at(&mut server, "working", json!({})).await;
        }
        looked_at(&mut server, "completed", json!({ "result": { "isError": true, "content": [] } })).await;
    };
    let (result, ()) = join!(call(&client), script);
    assert_eq!(value(&result.unwrap()), json!({ "isError": true, "content": [] }));
    assert_eq!(began.elapsed().as_secs(), 1, "a look every 100 ms, as the server asks");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_or_is_cancelled_is_an_error() {
    let failed = json!({ "error": { "code": 7, "message": "no" } });
    for (status, more) in [("failed", failed), ("cancelled", json!({})), ("surprise", json!({}))] {
        let (mut server, client) = Scripted::new(options());
        let script = async {
            create(&mut server).await;
            looked_at(&mut server, status, more).await;
        };
        let (result, ()) = join!(call(&client), script);
        let error = result.unwrap_err();
        match status {
            "failed" => {
                assert!(matches!(&error, ClientError::Refused(error) if error.code().0 == 7), "{error}")
            }
            "cancelled" => assert!(matches!(error, ClientError::TaskCancelled), "{error}"),
            _ => assert!(matches!(error, ClientError::Malformed(_)), "{error}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_or_late_cancels_its_task() {
    for limit in [Duration::from_secs(1), Duration::from_secs(3_600)] {
        let (mut server, client) = Scripted::new(options());
        let calling = {
            let client = client.clone();
            let options = RequestOptions::new().time_limit(limit);
            tokio::spawn(async move { client.call_tool("t", Frame::empty().root(), options).await })
        };
        create(&mut server).await;
        looked_at(&mut server, "working", json!({})).await;
        if limit == Duration::from_secs(3_600) {
            tokio::time::sleep(Duration::from_millis(1)).await;
            calling.abort();
        } else {
            let look = server.expect("tasks/get").await;
            let cancelled = server.expect("notifications/cancelled").await;
            assert_eq!(cancelled["params"]["requestId"], look["id"]);
            let error = calling.await.unwrap().unwrap_err();
            assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
        }
        let request = server.expect("tasks/cancel").await;
        assert_eq!(request["params"]["taskId"], "t-1");
        assert_eq!(client.in_flight(), 0);
    }
}

struct Yes;

impl Respond for Yes {
    fn capabilities(&self) -> ClientCapabilities {
        serde_json::from_str(r#"{"elicitation":{}}"#).unwrap()
    }

    fn respond<'a>(
        &'a self,
        _: Question,
    ) -> Pin<Box<dyn Future<Output = Result<RawJson, RpcError>> + Send + 'a>> {
        Box::pin(async { Ok(json!({ "action": "accept" }).into()) })
    }
}

fn asks(key: &str) -> Value {
    json!({ "inputRequests": { key: { "method": "elicitation/create", "params": {} } } })
}

#[tokio::test(start_paused = true)]
async fn a_task_that_asks_is_answered_once_for_each_question() {
    let (mut server, client) = Scripted::new(options().respond(Yes));
    let script = async {
        create(&mut server).await;
        for key in ["a", "b"] {
            looked_at(&mut server, "input_required", asks(key)).await;
            let update = server.expect("tasks/update").await;
            assert_eq!(update["params"]["inputResponses"], json!({ key: { "action": "accept" } }));
            server.answer(&update, json!({ "resultType": "complete" })).await;
            looked_at(&mut server, "input_required", asks(key)).await;
        }
        looked_at(&mut server, "completed", json!({ "result": {} })).await;
    };
    let (result, ()) = join!(call(&client), script);
    result.unwrap();
}

#[tokio::test(start_paused = true)]
async fn rounds_of_a_task_are_bounded() {
    let (mut server, client) = Scripted::new(options().respond(Yes).rounds(3));
    let script = async {
        create(&mut server).await;
        for round in 0..4 {
            looked_at(&mut server, "input_required", asks(&round.to_string())).await;
            if round < 3 {
                let update = server.expect("tasks/update").await;
                server.answer(&update, json!({})).await;
            }
        }
        server.expect("tasks/cancel").await;
    };
    let (result, ()) = join!(call(&client), script);
    assert!(matches!(result.unwrap_err(), ClientError::TooMany { limit: 3, .. }));
}

#[tokio::test(start_paused = true)]
async fn by_hand_a_task_is_awaited_all_the_same() {
    let (mut server, client) = Scripted::new(options());
    let script = async {
        create(&mut server).await;
        looked_at(&mut server, "completed", json!({ "result": { "n": 1 } })).await;
    };
    let by_hand = RequestOptions::new().by_hand();
    let (result, ()) = join!(client.call_tool("t", Frame::empty().root(), by_hand), script);
    assert_eq!(value(&result.unwrap())["n"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_has_begun_may_have_run_though_its_server_is_not_there_to_be_asked() {
    let (mut server, client) = Scripted::new(options());
    let script = async move {
        create(&mut server).await;
        drop(server);
    };
    let (result, ()) = join!(call(&client), script);
    let error = result.unwrap_err();
    assert!(error.is_outcome_unknown(), "{error}");
}

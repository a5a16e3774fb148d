//! Tokens that lack a scope: what their bearers see, and what they are told.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "a test")]

use http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use toolpost_auth::RequireScopes;
use toolpost_dispatch::{Dispatcher, Registry};
use toolpost_json::{Frame, Limits};
use toolpost_server::{ProtectedResource, Server};
use toolpost_tool::{Call, NoArgs, Principal, ToolError, tool_fn};
use tower_service::Service as _;

use crate::common::{ISSUER, RESOURCE, Signer, bearer, claims_with};

const DOCUMENT: &str =
    r#"resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp""#;

fn server(signer: &Signer) -> Server {
    let registry = Registry::builder()
        .tool(tool_fn("count", |_: NoArgs, _| async { Ok("7") }))
        .tool(tool_fn("scrap", |_: NoArgs, _| async { Ok("gone") }))
        .tool(tool_fn("asks", |_: NoArgs, call: Call| async move {
            match call.principal().has_scope("stock:asked") {
                true => Ok("done"),
                false => Err(ToolError::insufficient_scope("more than reading", "stock:asked")),
            }
        }))
        .build()
        .unwrap();
    let scopes =
        RequireScopes::new().everywhere(["stock:read"]).tool("scrap", ["stock:write", "stock:\"all\""]);
    let resource = ProtectedResource::new(RESOURCE).authorization_server(ISSUER).scopes(scopes.scopes());
    assert!(
        resource.document().contains(r#""scopes_supported":["stock:\"all\"","stock:read","stock:write"]"#)
    );
    Server::builder(Dispatcher::builder(registry).authorize(scopes).build())
        .authenticate(bearer(&[signer]))
        .protected_resource(resource)
        .build()
}

struct Answer {
    status: u16,
    challenge: Option<String>,
    session: Option<String>,
    body: Value,
}

async fn post(server: &Server, token: &str, session: Option<&str>, message: &Value) -> Answer {
    let modern = message["params"]["_meta"].is_object();
    let mut request = Request::post("http://localhost/mcp")
        .header("authorization", format!("Bearer {token}"))
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json");
    if modern {
        request = request
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", message["method"].as_str().unwrap());
        if let Some(name) = message["params"]["name"].as_str() {
            request = request.header("mcp-name", name);
        }
    }
    if let Some(session) = session {
        request = request.header("mcp-session-id", session);
    }
    let request = request.body(message.to_string()).unwrap();
    let answer = server.clone().into_service().call(request).await.unwrap();
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (status, challenge, session) =
        (answer.status().as_u16(), header("www-authenticate"), header("mcp-session-id"));
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    Answer { status, challenge, session, body: serde_json::from_slice(&body).unwrap_or_default() }
}

fn modern(method: &str, params: Value) -> Value {
    let mut params = params;
    params["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {}});
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

fn legacy(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

/// Requests of both eras: how a message is made, and the session that it belongs to.
async fn eras(server: &Server, token: &str) -> [(fn(&str, Value) -> Value, Option<String>); 2] {
    let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}});
    let opened = post(server, token, None, &legacy("initialize", hello)).await;
    assert_eq!(opened.status, 200, "{}", opened.body);
    [(modern, None), (legacy, opened.session)]
}

#[tokio::test]
async fn a_scope_that_lacks_is_named_by_403_and_a_challenge_in_both_eras() {
    let signer = Signer::new("k", "EdDSA");
    let server = server(&signer);
    let token = |scope: &str| signer.token(&claims_with("scope", json!(scope)));
    let read = token("stock:read");
    for (message, session) in eras(&server, &read).await {
        let call = async |token: &str, tool: &str| {
            post(&server, token, session.as_deref(), &message("tools/call", json!({"name": tool}))).await
        };
        assert_eq!(call(&read, "count").await.status, 200);
        let refused = call(&read, "scrap").await;
        let challenge = format!(
            r#"Bearer {DOCUMENT}, error="insufficient_scope", scope="stock:read stock:write stock:all""#
        );
        assert_eq!((refused.status, refused.challenge), (403, Some(challenge)));
        assert_eq!(
            (&refused.body["id"], &refused.body["error"]["data"]["reason"]),
            (&json!(1), &json!("denied"))
        );
        let whole = token("stock:write stock:\"all\" stock:read");
        assert_eq!(call(&whole, "scrap").await.status, 200, "the client came back with a wider token");
        let nothing = call(&token(""), "count").await;
        let challenge = format!(r#"Bearer {DOCUMENT}, error="insufficient_scope", scope="stock:read""#);
        assert_eq!((nothing.status, nothing.challenge), (403, Some(challenge)));

        let by_tool = call(&read, "asks").await;
        let challenge = format!(r#"Bearer {DOCUMENT}, error="insufficient_scope", scope="stock:asked""#);
        assert_eq!(
            (by_tool.status, by_tool.challenge),
            (403, Some(challenge)),
            "a tool may ask for one, too"
        );

        let listed = post(&server, &read, session.as_deref(), &message("tools/list", json!({}))).await;
        let names: Vec<_> =
            listed.body["result"]["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
        assert_eq!(names, ["asks", "count", "scrap"], "what a client cannot see it never asks for");
        let unknown = call(&read, "scrub").await;
        assert_ne!(unknown.status, 403);
    }
    let without = post(&server, "wrong", None, &modern("tools/list", json!({}))).await;
    assert_eq!(without.status, 401);
    assert!(without.challenge.unwrap().starts_with(&format!("Bearer {DOCUMENT}, error=\"invalid_token\"")));
}

#[tokio::test]
async fn without_http_a_scope_that_lacks_is_an_error() {
    let server = server(&Signer::new("k", "EdDSA"));
    let message = modern("tools/call", json!({"name": "scrap"})).to_string();
    let frame = Frame::parse(message.into(), &Limits::new()).unwrap();
    let reply = server.handle(frame, Principal::new("ada").with_scopes(["stock:read"])).await.unwrap();
    let reply: Value = serde_json::from_slice(&reply).unwrap();
    assert_eq!(reply["result"]["isError"], true, "{reply}");
    let text = reply["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("stock:write"), "{text}");
    assert_eq!(reply["result"]["_meta"]["dev.toolpost/rejection"]["reason"], "denied");
}

#[tokio::test]
async fn browsers_ask_without_a_token_and_are_answered() {
    let signer = Signer::new("k", "EdDSA");
    let request = Request::options("http://localhost/mcp")
        .header("origin", "http://localhost:3000")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization, content-type")
        .body(String::new())
        .unwrap();
    let answer = server(&signer).into_service().call(request).await.unwrap();
    assert_eq!(answer.status(), 204);
    let allowed = answer.headers()["access-control-allow-headers"].to_str().unwrap();
    assert!(allowed.contains("authorization"), "{allowed}");
    assert_eq!(answer.headers()["access-control-allow-origin"], "http://localhost:3000");
}

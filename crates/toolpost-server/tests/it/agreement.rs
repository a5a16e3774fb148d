//! Headers that repeat the body must agree with it.

use crate::common;

use common::offers::offering;
use common::{Wire, modern, serve};
use serde_json::{Value, json};
use toolpost_dispatch::{Access, Decision, Dispatcher, Registry};
use toolpost_server::Server;
use toolpost_tool::{NoArgs, tool_fn};

/// Posts a call of `mirror` with these arguments and headers; says the status and the error's code.
async fn mirror(wire: &mut Wire, arguments: Value, headers: &[(&str, &str)]) -> (u16, Value) {
    let body = modern(1, "tools/call", json!({ "name": "mirror", "arguments": arguments }));
    let headers: Vec<_> =
        [("MCP-Protocol-Version", "2026-07-28")].into_iter().chain(headers.iter().copied()).collect();
    let answer = wire.post(&headers, body.to_string().as_bytes()).await;
    (answer.status, answer.json()["error"]["code"].clone())
}

const MISMATCH: i64 = -32020;

#[tokio::test]
async fn method_and_name_are_required_and_must_agree() {
    let served = serve(&offering().0.build()).await;
    let wire = &mut Wire::to(served.address).await;
    let refused = (400, json!(MISMATCH));
    for headers in [
        [("Mcp-Method", "")].as_slice(),
        &[("Mcp-Method", "tools/list")],
        &[("Mcp-Method", "Tools/Call")],
        &[("Mcp-Method", "tools/call"), ("mcp-method", "tools/list")],
        &[("Mcp-Name", "")],
        &[("Mcp-Name", "ask")],
        &[("Mcp-Name", "mirror"), ("mcp-name", "ask")],
        &[("Mcp-Name", "=?base64?bWlycm9y")],
        &[("Mcp-Name", "=?BASE64?bWlycm9y?=")],
        &[("Mcp-Name", "=?base64?bWlycm9?=")],
    ] {
        assert_eq!(mirror(wire, json!({}), headers).await, refused, "{headers:?}");
    }
    for headers in [
        [("mcp-NAME", "  mirror ")].as_slice(),
        &[("Mcp-Name", "=?base64?bWlycm9y?=")],
        &[],
        // Doubled by a proxy, a header is one.
        &[("Mcp-Name", "mirror"), ("mcp-name", "mirror")],
        &[("Mcp-Method", "tools/call"), ("mcp-method", "tools/call")],
        &[("Mcp-Method", "tools/call, tools/call")],
    ] {
        assert_eq!(mirror(wire, json!({}), headers).await.0, 200, "{headers:?}");
    }
    // A URI is the name of what is read.
    let read = modern(1, "resources/read", json!({ "uri": "test://a" })).to_string();
    let version = ("MCP-Protocol-Version", "2026-07-28");
    assert_eq!(wire.post(&[version], read.as_bytes()).await.status, 200);
    assert_eq!(wire.post(&[version, ("Mcp-Name", "test://b")], read.as_bytes()).await.status, 400);
}

#[tokio::test]
async fn annotated_arguments_are_held_against_their_headers() {
    let served = serve(&offering().0.build()).await;
    let wire = &mut Wire::to(served.address).await;
    let table = [
        (json!({ "text": "Hello" }), [("Mcp-Param-Text", "Hello")].as_slice(), true),
        (json!({ "text": "Hello" }), &[("MCP-PARAM-TEXT", "=?base64?SGVsbG8=?=")], true),
        (json!({ "text": "Hello" }), &[("Mcp-Param-Text", "=?base64?SGVsbG8?=")], false),
        (json!({ "text": "Hello" }), &[("Mcp-Param-Text", "=?base64?SGVs!!!bG8=?=")], false),
        (json!({ "text": "Hello" }), &[("Mcp-Param-Text", "=?base64?/w==?=")], false),
        (json!({ "text": "Hello" }), &[("Mcp-Param-Text", "hello")], false),
        (json!({ "text": "Hello" }), &[], false),
        (json!({ "text": "Hello" }), &[("Mcp-Param-Text", "Hello"), ("mcp-param-text", "Hello")], true),
        (json!({ "text": "Hello" }), &[("Mcp-Param-Text", "Hello"), ("mcp-param-text", "hello")], false),
        (json!({ "text": "=?base64?SGVsbG8=" }), &[("Mcp-Param-Text", "=?base64?SGVsbG8=")], true),
        (json!({ "text": "grüß" }), &[("Mcp-Param-Text", "=?base64?Z3LDvMOf?=")], true),
        (json!({ "text": null }), &[], true),
        (json!({}), &[], true),
        (json!({}), &[("Mcp-Param-Text", "Hello")], false),
        (json!({ "count": 42 }), &[("Mcp-Param-Count", "42")], true),
        (json!({ "count": 42 }), &[("Mcp-Param-Count", "42.0")], true),
        (json!({ "count": 42 }), &[("Mcp-Param-Count", "43")], false),
        (json!({ "count": 42 }), &[("Mcp-Param-Count", "forty-two")], false),
        (json!({ "count": 9_007_199_254_740_993_i64 }), &[("Mcp-Param-Count", "9007199254740992")], false),
        (json!({ "flag": true }), &[("Mcp-Param-Flag", "true")], true),
        (json!({ "flag": true }), &[("Mcp-Param-Flag", "True")], false),
        (json!({}), &[("Mcp-Param-Other", "ignored")], true),
    ];
    for (arguments, headers, agrees) in table {
        let expected = if agrees { (200, Value::Null) } else { (400, json!(MISMATCH)) };
        assert_eq!(mirror(wire, arguments.clone(), headers).await, expected, "{arguments} {headers:?}");
    }
}

#[tokio::test]
async fn the_headers_of_a_hidden_tool_are_those_of_none() {
    let tool = tool_fn("mirror", |_: NoArgs, _| async { Ok("") }).with_spec(|spec| {
        let text = json!({ "type": "string", "x-mcp-header": "Text" });
        spec.with_input_schema(json!({ "type": "object", "properties": { "text": text } }))
    });
    let rule = |_: &Access<'_>| Decision::Hide;
    let hiding = Dispatcher::builder(Registry::builder().tool(tool).build().unwrap()).authorize(rule).build();
    let empty = Dispatcher::builder(Registry::builder().build().unwrap()).build();
    let mut answers = Vec::new();
    for dispatcher in [hiding, empty] {
        let served = serve(&Server::builder(dispatcher).build()).await;
        let wire = &mut Wire::to(served.address).await;
        answers.push(mirror(wire, json!({ "text": "Hello" }), &[("Mcp-Param-Text", "Bye")]).await);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].1, json!(-32602));
}

//! Lists in pages, their caching hints, and what is said of what is not there.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use crate::common;

use std::sync::Arc;

use common::offers::{handle, offering, offering_of};
use common::{Lines, Watch, builder, modern};
use serde_json::{Value, json};
use toolpost_server::Server;
use toolpost_tool::Principal;

const LISTS: [(&str, &str, &str); 4] = [
    ("tools/list", "tools", "name"),
    ("resources/list", "resources", "uri"),
    ("resources/templates/list", "resourceTemplates", "uriTemplate"),
    ("prompts/list", "prompts", "name"),
];

async fn ask(server: &Server, method: &str, params: Value) -> Value {
    handle(server, &Principal::anonymous(), &modern(1, method, params)).await
}

/// The names of all pages, and how many pages there were.
async fn pages(server: &Server, (method, member, name): (&str, &str, &str)) -> (Vec<String>, usize) {
    let (mut names, mut cursor, mut count) = (Vec::new(), None, 0);
    loop {
        let params = cursor.map_or(json!({}), |cursor: Value| json!({ "cursor": cursor }));
        let page = ask(server, method, params).await;
        let result = &page["result"];
        assert_eq!(result["cacheScope"], "public", "{page}");
        assert!(result["ttlMs"].is_u64(), "{page}");
        names.extend(
            result[member].as_array().unwrap().iter().map(|item| item[name].as_str().unwrap().to_owned()),
        );
        count += 1;
        match result.get("nextCursor") {
            Some(next) => cursor = Some(next.clone()),
            None => return (names, count),
        }
    }
}

#[tokio::test]
async fn pages_add_up_to_the_list_and_agree_on_their_scope() {
    let whole = offering().0.build();
    for size in [1, 2, 3, 100] {
        let paged = offering().0.page_size(size).build();
        for list in LISTS {
            let (names, one) = pages(&whole, list).await;
            assert_eq!(one, 1);
            let (paged, count) = pages(&paged, list).await;
            assert_eq!(paged, names, "{list:?} by {size}");
            assert_eq!(count, names.len().div_ceil(size).max(1), "{list:?} by {size}");
        }
    }
}

#[tokio::test]
async fn a_cursor_that_was_not_given_for_this_list_is_refused() {
    let server = offering().0.page_size(1).build();
    let next = ask(&server, "tools/list", json!({})).await["result"]["nextCursor"].clone();
    let text = next.as_str().unwrap();
    let mut wrong =
        vec![json!(""), json!("x"), json!(7), json!({}), json!(format!("{text}A")), json!("A".repeat(40))];
    for at in 0..text.len() {
        let mut changed = text.as_bytes().to_vec();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        wrong.push(json!(String::from_utf8(changed).unwrap()));
    }
    for cursor in wrong {
        let answer = ask(&server, "tools/list", json!({ "cursor": cursor })).await;
        assert_eq!(answer["error"]["code"], -32602, "{cursor}: {answer}");
    }
    for (method, ..) in &LISTS[1..] {
        let answer = ask(&server, method, json!({ "cursor": next })).await;
        assert_eq!(answer["error"]["code"], -32602, "{method}");
    }
    assert!(ask(&server, "tools/list", json!({ "cursor": next })).await["result"].is_object());
}

#[tokio::test]
async fn a_cursor_outlives_the_item_it_stands_after() {
    let (builder, registry, ..) = offering_of();
    let server = builder.page_size(2).build();
    let first = ask(&server, "tools/list", json!({})).await;
    let names = |page: &Value| -> Vec<String> {
        page["result"]["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&first), ["ask", "mirror"]);
    let kept = registry
        .catalog()
        .iter()
        .filter(|e| e.spec().name() != "mirror")
        .map(|e| e.tool().clone())
        .collect::<Vec<_>>();
    registry.replace(toolpost_dispatch::Catalog::new(kept).unwrap());
    let next = ask(&server, "tools/list", json!({ "cursor": first["result"]["nextCursor"] })).await;
    assert_eq!(names(&next), ["state", "twice"]);
}

#[tokio::test]
async fn discovery_says_what_there_is_and_for_how_long() {
    let full = ask(&offering().0.build(), "server/discover", json!({})).await["result"].clone();
    assert_eq!(full["cacheScope"], "public");
    assert!(full["ttlMs"].as_u64().unwrap() > 0);
    assert!(full.get("serverInfo").is_none());
    let capabilities = &full["capabilities"];
    assert_eq!(capabilities["resources"], json!({ "subscribe": true, "listChanged": true }));
    assert_eq!(capabilities["prompts"], json!({ "listChanged": true }));
    assert!(capabilities["completions"].is_object());
    let bare = builder(&Arc::new(Watch::default())).build();
    let capabilities = ask(&bare, "server/discover", json!({})).await["result"]["capabilities"].clone();
    for absent in ["resources", "prompts", "completions"] {
        assert!(capabilities.get(absent).is_none(), "{capabilities}");
    }
    for (method, ..) in &LISTS[1..] {
        assert_eq!(ask(&bare, method, json!({})).await["error"]["code"], -32601, "{method}");
    }
}

#[tokio::test]
async fn an_unknown_resource_has_the_code_of_its_era() {
    let server = offering().0.build();
    let error = ask(&server, "resources/read", json!({ "uri": "test://none" })).await["error"].clone();
    assert_eq!((&error["code"], &error["data"]["uri"]), (&json!(-32602), &json!("test://none")));
    let read = ask(&server, "resources/read", json!({ "uri": "test://a" })).await["result"].clone();
    assert_eq!((&read["ttlMs"], &read["cacheScope"]), (&json!(0), &json!("private")));

    let lines = &mut Lines::to(&server);
    let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } });
    assert!(lines.ask(&hello).await["result"]["capabilities"]["resources"]["subscribe"].as_bool().unwrap());
    let legacy = |method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let error = lines.ask(&legacy("resources/read", json!({ "uri": "test://none" }))).await["error"].clone();
    assert_eq!((&error["code"], &error["data"]["uri"]), (&json!(-32002), &json!("test://none")));
    let list = lines.ask(&legacy("resources/list", json!({}))).await["result"].clone();
    for modern_only in ["resultType", "ttlMs", "cacheScope", "_meta"] {
        assert!(list.get(modern_only).is_none(), "{list}");
    }
}

#[tokio::test]
async fn prompts_are_got_and_arguments_completed() {
    let server = offering().0.build();
    let got = ask(&server, "prompts/get", json!({ "name": "plain", "arguments": { "x": "y" } })).await;
    assert_eq!(got["result"]["messages"][0]["content"]["text"], "plain y");
    assert!(got["result"].get("ttlMs").is_none());
    for wrong in [json!({ "name": "none" }), json!({}), json!({ "name": "plain", "arguments": { "x": 1 } })] {
        assert_eq!(ask(&server, "prompts/get", wrong.clone()).await["error"]["code"], -32602, "{wrong}");
    }
    let reference = json!({ "type": "ref/prompt", "name": "plain" });
    let params = json!({ "ref": reference, "argument": { "name": "x", "value": "v" } });
    let completion = ask(&server, "completion/complete", params).await["result"]["completion"].clone();
    assert_eq!(completion["values"].as_array().unwrap().len(), 100);
    assert_eq!((&completion["total"], &completion["hasMore"]), (&json!(150), &json!(true)));
    assert_eq!(ask(&server, "completion/complete", json!({ "ref": 1 })).await["error"]["code"], -32602);
}

#[tokio::test]
async fn an_unknown_log_level_is_refused_wherever_code_runs() {
    let server = offering().0.build();
    for (method, params) in [
        ("tools/call", json!({ "name": "mirror" })),
        ("prompts/get", json!({ "name": "plain" })),
        ("resources/read", json!({ "uri": "test://a" })),
    ] {
        let mut message = modern(1, method, params);
        message["params"]["_meta"]["io.modelcontextprotocol/logLevel"] = json!("loud");
        let answer = handle(&server, &Principal::anonymous(), &message).await;
        assert_eq!(answer["error"]["code"], -32602, "{method}");
    }
}

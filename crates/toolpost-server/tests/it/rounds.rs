//! Requests of several rounds: answers add up, and state opens only where it was sealed.
#![allow(clippy::disallowed_methods, reason = "a test; its clock is paused")]

use crate::common;

use std::sync::atomic::Ordering;
use std::time::Duration;

use common::offers::{able, handle, offering};
use common::{Lines, Wire, modern, serve};
use serde_json::{Value, json};
use toolpost_tool::Principal;

fn accept(name: &str) -> Value {
    json!({ "action": "accept", "content": { "name": name } })
}

fn invalid(answer: &Value) -> bool {
    answer["error"]["code"] == -32602
}

#[tokio::test]
async fn questions_one_after_the_other_are_each_asked_once() {
    let (builder, _, runs) = offering();
    let (server, who) = (builder.build(), Principal::anonymous());
    let first = handle(&server, &who, &able(1, "tools/call", json!({ "name": "twice" }))).await;
    assert_eq!(first["result"]["resultType"], "input_required");
    assert_eq!(first["result"]["inputRequests"]["first"]["method"], "elicitation/create");
    assert!(first["result"].get("ttlMs").is_none());
    let params = json!({ "name": "twice", "inputResponses": { "first": accept("a"), "unknown": 1 } });
    let second = handle(&server, &who, &able(2, "tools/call", params)).await;
    let asked = second["result"]["inputRequests"].as_object().unwrap();
    assert_eq!(asked.keys().collect::<Vec<_>>(), ["second"], "only what is missing");
    let state = &second["result"]["requestState"];
    let params =
        json!({ "name": "twice", "inputResponses": { "second": accept("b") }, "requestState": state });
    let done = handle(&server, &who, &able(3, "tools/call", params)).await;
    let text = done["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains(r#""name":"a""#) && text.contains(r#""name":"b""#), "{text}");
    assert_eq!(runs.load(Ordering::SeqCst), 3, "the tool runs from the top each time");
}

#[tokio::test]
async fn missing_and_malformed_answers_are_asked_for_again() {
    let (server, who) = (offering().0.build(), Principal::anonymous());
    for responses in [json!({}), json!({ "other": accept("x") })] {
        let params = json!({ "name": "ask", "inputResponses": responses });
        let again = handle(&server, &who, &able(1, "tools/call", params)).await;
        assert!(again["result"]["inputRequests"]["name"].is_object(), "{again}");
    }
    let malformed =
        [json!(1), json!({}), json!({ "action": "perhaps" }), json!({ "action": "accept" }), json!(null)];
    for answer in malformed {
        let params = json!({ "name": "ask", "inputResponses": { "name": answer } });
        let again = handle(&server, &who, &able(1, "tools/call", params)).await;
        assert!(again["result"]["inputRequests"]["name"].is_object(), "{answer}: {again}");
    }
    for responses in [json!([]), json!("x")] {
        let params = json!({ "name": "ask", "inputResponses": responses });
        assert!(invalid(&handle(&server, &who, &able(1, "tools/call", params)).await));
    }
}

/// What becomes of a tool's question in either era, if each answer to it is `answer`: the result in the end, and how
/// often the client was asked.
async fn always(legacy: bool, tool: &str, answer: Value) -> (Value, usize) {
    let (server, who) = (offering().0.build(), Principal::anonymous());
    let lines = &mut Lines::to(&server);
    if legacy {
        lines.ask(&hello()).await;
        lines.send(&legacy_call(1, tool)).await;
    }
    let mut params = json!({ "name": tool });
    for asked in 0.. {
        let message = match legacy {
            true => lines.receive().await,
            false => handle(&server, &who, &able(1, "tools/call", params.clone())).await,
        };
        if legacy && message["method"] == "elicitation/create" {
            lines.send(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": answer })).await;
        } else if message["result"]["resultType"] == "input_required" {
            params["requestState"] = message["result"]["requestState"].clone();
            params["inputResponses"] = json!({ "name": answer });
        } else {
            return (message["result"].clone(), asked);
        }
    }
    unreachable!()
}

fn hello() -> Value {
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": { "elicitation": {} },
        "clientInfo": { "name": "t", "version": "1" } } })
}

fn legacy_call(id: i64, tool: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool } })
}

#[tokio::test]
async fn a_form_that_requires_nothing_is_accepted_without_content() {
    for legacy in [true, false] {
        for answer in [json!({ "action": "accept" }), json!({ "action": "accept", "content": null })] {
            for tool in ["unrequired", "typed"] {
                let (result, asked) = always(legacy, tool, answer.clone()).await;
                assert_eq!(asked, 1, "{tool} {legacy} {answer}: {result}");
                assert_eq!(result["content"][0]["text"], "accepted {}", "{tool} {legacy} {answer}");
            }
        }
    }
}

#[tokio::test]
async fn who_answers_nothing_is_asked_three_times_and_told_what_is_missing() {
    let accepted = json!({ "action": "accept" });
    let asks = [
        ("ask", accepted.clone(), "`content` with `name`"),
        ("ask", json!({ "action": "accept", "content": "x" }), "`content` with `name`"),
        ("ask", json!({}), "`action`: accept, decline or cancel"),
        ("ask", Value::Null, "`action`: accept, decline or cancel"),
        ("unrequired", json!({}), "`action`: accept, decline or cancel"),
        ("unrequired", json!({ "action": "accept", "content": 5 }), "`content` as an object"),
    ];
    for (tool, answer, missing) in asks {
        for legacy in [true, false] {
            let (result, asked) = always(legacy, tool, answer.clone()).await;
            assert_eq!((asked, &result["isError"]), (3, &json!(true)), "{tool} {legacy} {answer}: {result}");
            let text = result["content"][0]["text"].as_str().unwrap();
            assert!(text.contains("`name`") && text.contains(missing), "{tool} {legacy} {answer}: {text}");
        }
    }
}

#[tokio::test]
async fn who_answers_under_no_key_that_was_asked_is_asked_no_more() {
    let other = json!({ "nmae": accept("x") });
    // Where the first round keeps no state, it is not known what it asked.
    for (tool, answers, most) in
        [("ask", json!({}), 3), ("twice", json!({}), 3), ("ask", other.clone(), 4), ("state", other, 3)]
    {
        let (server, who) = (offering().0.build(), Principal::anonymous());
        let mut params = json!({ "name": tool });
        let mut asked = 0;
        let text = loop {
            let answer = handle(&server, &who, &able(1, "tools/call", params.clone())).await;
            if answer["result"]["resultType"] != "input_required" {
                break answer["result"]["content"][0]["text"].as_str().unwrap_or_default().to_owned();
            }
            asked += 1;
            assert!(asked < 50, "{tool} {answers}");
            params["requestState"] = answer["result"]["requestState"].clone();
            params["inputResponses"] = answers.clone();
        };
        assert!(asked == most && text.contains("answered nothing"), "{tool} {answers}: {asked}, {text}");
    }
}

#[tokio::test]
async fn a_capability_that_is_null_is_not_declared() {
    let none = [
        json!({}),
        json!({ "elicitation": null, "sampling": null, "roots": null }),
        json!({ "elicitation": { "form": null, "url": {} } }),
    ];
    for none in none {
        let (server, who) = (offering().0.build(), Principal::anonymous());
        let mut message = modern(1, "tools/call", json!({ "name": "ask" }));
        message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = none.clone();
        let answer = handle(&server, &who, &message).await;
        assert!(answer["error"].is_object(), "{none}: {answer}");
    }
}

#[tokio::test]
async fn a_member_of_meta_that_is_not_of_its_type_counts_as_absent_in_completions_too() {
    let (server, who) = (offering().0.build(), Principal::anonymous());
    let reference = json!({ "type": "ref/prompt", "name": "plain" });
    for (method, params) in [
        ("tools/call", json!({ "name": "mirror", "arguments": {} })),
        ("completion/complete", json!({ "ref": reference, "argument": { "name": "x", "value": "a" } })),
    ] {
        let mut message = modern(1, method, params);
        message["params"]["_meta"]["traceparent"] = json!(5);
        message["params"]["_meta"]["progressToken"] = json!(1.5);
        let answer = handle(&server, &who, &message).await;
        assert!(answer["result"].is_object(), "{method}: {answer}");
    }
}

/// What a legacy client may be asked, and for how long it is waited for.
#[tokio::test(start_paused = true)]
async fn questions_of_a_session_are_bounded_in_number_rounds_and_time() {
    // 64 at once.
    let lines = &mut Lines::to(&offering().0.build());
    lines.ask(&hello()).await;
    for n in 1..=64 {
        lines.send(&legacy_call(n, "ask")).await;
        assert_eq!(lines.receive().await["method"], "elicitation/create");
    }
    let told = lines.ask(&legacy_call(65, "ask")).await;
    let text = |told: &Value| match told["result"]["content"][0]["text"].as_str() {
        Some(text) => text.to_owned(),
        None => panic!("{told}"),
    };
    assert!((&told["id"], text(&told)) == (&json!(65), "the client owes too many answers already".into()));
    // Ten minutes each; then the question is taken back, and the call fails.
    let start = tokio::time::Instant::now();
    let (mut taken_back, mut failed) = (0, 0);
    while failed < 64 {
        let message = lines.receive().await;
        match message["method"].as_str() {
            Some(method) => taken_back += usize::from(method == "notifications/cancelled"),
            None => {
                assert!(text(&message).contains("did not answer in time"), "{message}");
                failed += 1;
            }
        }
    }
    assert_eq!((taken_back, start.elapsed().as_secs()), (64, 600));
    // 32 rounds, however well they are answered.
    lines.send(&legacy_call(66, "unsatisfied")).await;
    let mut asked = 0;
    let told = loop {
        let message = lines.receive().await;
        if message["method"].is_null() {
            break message;
        }
        asked += 1;
        lines.send(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": accept("a") })).await;
    };
    assert_eq!((asked, text(&told).contains("too many rounds")), (32, true), "{told}");
}

#[tokio::test]
async fn one_answer_that_is_none_does_not_count_against_later_questions() {
    let lines = &mut Lines::to(&offering().0.build());
    lines.ask(&hello()).await;
    lines.send(&legacy_call(1, "twice")).await;
    let answers = [json!({}), json!(null), accept("a"), json!({}), json!(null), accept("b")];
    for answer in answers {
        let question = lines.receive().await;
        assert_eq!(question["method"], "elicitation/create", "{question}");
        lines.send(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": answer })).await;
    }
    assert_eq!(lines.receive().await["result"].get("isError"), None);
}

#[tokio::test]
async fn an_answer_ends_its_question_however_its_id_is_written_and_whether_or_not_it_can_be_read() {
    let lines = &mut Lines::to(&offering().0.build());
    lines.ask(&hello()).await;
    // The id as a string, as some serializers write it.
    lines.send(&legacy_call(1, "ask")).await;
    let id = lines.receive().await["id"].to_string();
    lines.send(&json!({ "jsonrpc": "2.0", "id": id, "result": accept("a") })).await;
    assert_eq!(lines.receive().await["result"]["content"][0]["text"], "hello a");
    // Null beside a result or an error counts as absent.
    lines.send(&legacy_call(2, "ask")).await;
    let id = lines.receive().await["id"].clone();
    lines.send(&json!({ "jsonrpc": "2.0", "id": id, "result": accept("b"), "error": null })).await;
    assert_eq!(lines.receive().await["result"]["content"][0]["text"], "hello b");
    // Whatever cannot be read is no answer, and none comes after it.
    let malformed = [
        r#""result":{},"error":{"code":1,"message":"x"}"#,
        r#""error":{"code":"x"}"#,
        r#""result":{"a":tru}"#,
    ];
    for (n, malformed) in (3..).zip(malformed) {
        lines.send(&legacy_call(n, "ask")).await;
        let id = lines.receive().await["id"].clone();
        lines.send_raw(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},{malformed}}}\n").as_bytes()).await;
        let ended = lines.receive().await;
        assert_eq!((&ended["id"], &ended["result"]["isError"]), (&json!(n), &json!(true)), "{malformed}");
        let text = ended["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("its answer cannot be read"), "{malformed}: {text}");
    }
}

#[tokio::test]
async fn a_capability_that_is_missing_is_named_in_the_text_too() {
    let (server, who) = (offering().0.build(), Principal::anonymous());
    let answer = handle(&server, &who, &modern(1, "tools/call", json!({ "name": "ask" }))).await;
    assert!(answer["error"]["message"].as_str().unwrap().contains("elicitation"), "{answer}");
    // Both modes of one capability, where both are.
    let both = handle(&server, &who, &modern(2, "tools/call", json!({ "name": "wants_all" }))).await;
    let needed = json!({ "elicitation": { "form": {}, "url": {} }, "roots": {} });
    assert_eq!(both["error"]["data"]["requiredCapabilities"], needed, "{both}");
    assert!(both["error"]["message"].as_str().unwrap().contains("elicitation, elicitation.url, roots"));
    let lines = &mut Lines::to(&server);
    let mut hello = hello();
    hello["params"]["capabilities"] = json!({});
    lines.ask(&hello).await;
    let answer = lines.ask(&legacy_call(1, "ask")).await;
    assert!(answer["result"]["content"][0]["text"].as_str().unwrap().contains("elicitation"), "{answer}");
    assert_eq!(answer["result"]["isError"], true);
}

#[tokio::test]
async fn prompts_and_resources_ask_too() {
    let (server, who) = (offering().0.build(), Principal::anonymous());
    for (method, params) in
        [("prompts/get", json!({ "name": "ask" })), ("resources/read", json!({ "uri": "test://ask" }))]
    {
        let asked = handle(&server, &who, &able(1, method, params.clone())).await;
        assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
        let mut params = params;
        params["inputResponses"] = json!({ "name": accept("a") });
        let done = handle(&server, &who, &able(2, method, params)).await;
        assert_eq!(done["result"]["resultType"], "complete", "{done}");
    }
}

#[tokio::test]
async fn state_opens_for_the_same_request_of_the_same_principal_alone() {
    let (server, who) = (offering().0.build(), Principal::new("ada"));
    let asked =
        handle(&server, &who, &able(1, "tools/call", json!({ "name": "state", "arguments": {} }))).await;
    let state = asked["result"]["requestState"].as_str().unwrap().to_owned();
    let with = |tool: &str, arguments: Value, state: &str| {
        let params = json!({ "name": tool, "arguments": arguments, "requestState": state,
            "inputResponses": { "name": accept("a") } });
        able(2, "tools/call", params)
    };
    let done = handle(&server, &who, &with("state", json!({}), &state)).await;
    assert_eq!(done["result"]["content"][0]["text"], "state 7");
    // The digest is of the arguments, not of their spelling, and `_meta` is none of them.
    let without =
        json!({ "name": "state", "requestState": state, "inputResponses": { "name": accept("a") } });
    assert!(handle(&server, &who, &able(9, "tools/call", without)).await["result"].is_object());

    for other in [Principal::anonymous(), Principal::new(""), Principal::new("eve")] {
        assert!(invalid(&handle(&server, &other, &with("state", json!({}), &state)).await), "{other:?}");
    }
    assert!(invalid(&handle(&server, &who, &with("ask", json!({}), &state)).await), "another tool");
    assert!(
        invalid(&handle(&server, &who, &with("state", json!({ "x": 1 }), &state)).await),
        "other arguments"
    );
    let prompt = json!({ "name": "ask", "requestState": state });
    assert!(invalid(&handle(&server, &who, &able(3, "prompts/get", prompt)).await), "another method");
    for at in 0..state.len() {
        let mut changed = state.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(invalid(&handle(&server, &who, &with("state", json!({}), &changed)).await), "byte {at}");
    }
    for garbage in ["", "A", "====", "-TAMPERED", &format!("{state}-TAMPERED")] {
        assert!(invalid(&handle(&server, &who, &with("state", json!({}), garbage)).await), "{garbage}");
    }
}

#[tokio::test(start_paused = true)]
async fn state_expires_after_ten_minutes() {
    let (server, who) = (offering().0.build(), Principal::anonymous());
    let asked = handle(&server, &who, &able(1, "tools/call", json!({ "name": "state" }))).await;
    let params = json!({ "name": "state", "requestState": asked["result"]["requestState"],
        "inputResponses": { "name": accept("a") } });
    let again = able(2, "tools/call", params);
    tokio::time::advance(Duration::from_secs(590)).await;
    assert!(handle(&server, &who, &again).await["result"].is_object());
    tokio::time::advance(Duration::from_secs(20)).await;
    assert!(invalid(&handle(&server, &who, &again).await));
}

#[tokio::test]
async fn keys_rotate_and_the_previous_one_still_opens() {
    let who = Principal::anonymous();
    let server = offering().0.state_key([1; 32]).build();
    let asked = handle(&server, &who, &able(1, "tools/call", json!({ "name": "state" }))).await;
    let params = json!({ "name": "state", "requestState": asked["result"]["requestState"],
        "inputResponses": { "name": accept("a") } });
    let again = able(2, "tools/call", params);
    let other = offering().0.state_key([1; 32]).build();
    assert!(handle(&other, &who, &again).await["result"].is_object(), "a server with the same secret");
    assert!(invalid(&handle(&offering().0.build(), &who, &again).await), "a server with another");
    server.rotate_state_key([2; 32]);
    assert!(handle(&server, &who, &again).await["result"].is_object(), "the previous key");
    server.rotate_state_key([3; 32]);
    assert!(invalid(&handle(&server, &who, &again).await), "the key before that");
}

#[tokio::test]
async fn what_a_client_cannot_be_asked_is_an_error_that_names_the_capability() {
    let served = serve(&offering().0.build()).await;
    let wire = &mut Wire::to(served.address).await;
    for tool in ["ask", "state"] {
        let answer = wire.ask(&modern(1, "tools/call", json!({ "name": tool }))).await;
        assert_eq!(answer.status, 400);
        let error = &answer.json()["error"];
        assert_eq!(error["code"], -32021);
        assert_eq!(error["data"]["requiredCapabilities"], json!({ "elicitation": { "form": {} } }));
    }
}

#[tokio::test]
async fn a_session_is_asked_in_the_middle_of_its_call_on_lines() {
    let (builder, _, runs) = offering();
    let lines = &mut Lines::to(&builder.build());
    let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": { "elicitation": {} },
        "clientInfo": { "name": "t", "version": "1" } } });
    lines.ask(&hello).await;
    lines
        .send(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "twice" } }))
        .await;
    for name in ["a", "b"] {
        let question = lines.receive().await;
        assert_eq!(question["method"], "elicitation/create");
        lines.send(&json!({ "jsonrpc": "2.0", "id": 999, "result": {} })).await;
        lines.send(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": accept(name) })).await;
    }
    let done = lines.receive().await;
    assert_eq!((&done["id"], runs.load(Ordering::SeqCst)), (&json!(1), 3));
    assert!(done["result"].get("resultType").is_none());

    // A refusal of the client fails the call; a call taken back is not answered at all.
    lines
        .send(&json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "ask" } }))
        .await;
    let question = lines.receive().await;
    lines
        .send(&json!({ "jsonrpc": "2.0", "id": question["id"], "error": { "code": -1, "message": "no" } }))
        .await;
    assert_eq!(lines.receive().await["result"]["isError"], true);
    lines
        .send(&json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": { "name": "ask" } }))
        .await;
    let question = lines.receive().await;
    lines
        .send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 3 } }))
        .await;
    // Nor is the question open any longer.
    let taken_back = lines.receive().await;
    assert_eq!(
        (&taken_back["method"], &taken_back["params"]["requestId"]),
        (&json!("notifications/cancelled"), &question["id"])
    );
    assert_eq!(lines.ask(&json!({ "jsonrpc": "2.0", "id": 4, "method": "ping" })).await["id"], 4);
}

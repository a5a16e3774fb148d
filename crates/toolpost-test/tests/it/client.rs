//! A client in memory meets what a real one would, in every revision.
#![cfg(feature = "client")]
#![expect(clippy::unwrap_used, reason = "a test unwraps")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use serde_json::{Value, json};
use toolpost_dispatch::{Dispatcher, PromptSet, Registry, ResourceSet, Schema};
use toolpost_json::Frame;
use toolpost_protocol::model::{ContentBlock, GetPromptResult, Prompt, PromptMessage, Role};
use toolpost_test::{Version, assert_promised, client, poll_once, run};
use toolpost_tool::{Call, Elicited, Json, NoArgs, Output, Tool, ToolError, tool_fn};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Confirmation {
    /// Really?
    sure: bool,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Text {
    text: String,
}

#[derive(serde::Serialize, schemars::JsonSchema)]
struct Sum {
    sum: u32,
}

fn dispatcher() -> Dispatcher {
    let scrap = tool_fn("scrap", |_: NoArgs, call: Call| async move {
        call.step(1, 2, "asking");
        Ok(match call.elicit::<Confirmation>("sure", "This cannot be undone.")? {
            Elicited::Accepted(Confirmation { sure: true }) => "scrapped",
            Elicited::Accepted(_) => "kept",
            Elicited::Declined | Elicited::Cancelled => "not asked again",
        })
    });
    let capital = tool_fn("capital", |_: NoArgs, call: Call| async move {
        call.sample("capital", "What is the capital of France?", 20)
    });
    let sum = tool_fn("sum", |_: NoArgs, _: Call| async { Ok(Json(Sum { sum: 3 })) });
    let fails = tool_fn("fails", |_: NoArgs, _: Call| async { Err::<String, _>(ToolError::new("no oil")) });
    let registry = Registry::builder().tool(scrap).tool(capital).tool(sum).tool(fails).build().unwrap();
    let prompts = PromptSet::new().prompt(Prompt::new("greet"), |_, _: Call| async {
        let message = PromptMessage::new(Role::User, ContentBlock::text("Hello!"));
        Ok(GetPromptResult::new(vec![message]))
    });
    Dispatcher::builder(registry).prompts(prompts).resources(ResourceSet::new()).build()
}

#[test]
fn elicitation_is_answered_in_both_eras() {
    let asked = |version: Version, answer: Option<Value>| {
        run(async move {
            let person = move |form: &Value| {
                assert_eq!(form["requestedSchema"]["properties"]["sure"]["description"], "Really?");
                answer.clone()
            };
            let mut client = client(&dispatcher()).version(version).person(person).connect().await;
            let result = client.call("scrap", &json!({})).await.unwrap();
            result["content"][0]["text"].as_str().unwrap().to_owned()
        })
    };
    for version in [Version::V2025_06_18, Version::V2025_11_25, Version::V2026_07_28] {
        assert_eq!(asked(version, Some(json!({ "sure": true }))), "scrapped", "{version}");
        assert_eq!(asked(version, Some(json!({ "sure": false }))), "kept", "{version}");
        assert_eq!(asked(version, None), "not asked again", "{version}");
    }
}

#[test]
fn a_request_that_is_dropped_at_any_await_leaves_the_connection_whole() {
    // Larger than what is held for a stream.
    let long = "x".repeat(300_000);
    let echo = tool_fn("echo", |text: Text, _: Call| async move { Ok(text.text) });
    let registry = Registry::builder().tool(echo).build().unwrap();
    let dispatcher = Dispatcher::builder(registry).build();
    run(async {
        let mut client = client(&dispatcher).connect().await;
        for polls in 0..40 {
            {
                let arguments = json!({ "text": long });
                let mut call = std::pin::pin!(client.call("echo", &arguments));
                for _ in 0..polls {
                    if poll_once(call.as_mut()).await.is_ready() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
            let next = json!({ "text": polls.to_string() });
            let answered = tokio::time::timeout(Duration::from_secs(60), client.call("echo", &next)).await;
            let result = answered.expect("the server has the whole of both messages").unwrap();
            assert_eq!(result["content"][0]["text"], polls.to_string());
        }
    });
}

#[test]
fn a_client_that_cannot_be_asked_says_so_in_both_eras() {
    run(async {
        let mut client = client(&dispatcher()).connect().await;
        let error = client.call("scrap", &json!({})).await.unwrap_err();
        let data: Value = serde_json::from_str(error.data().unwrap().get()).unwrap();
        assert!(data["requiredCapabilities"]["elicitation"].is_object(), "{error:?}");
    });
    run(async {
        // The code for it came later than sessions: there the call's result says it.
        let mut client = client(&dispatcher()).version(Version::V2025_11_25).connect().await;
        let result = client.call("scrap", &json!({})).await.unwrap();
        assert_eq!(result["isError"], true);
        assert!(result["content"][0]["text"].as_str().unwrap().contains("needs a capability"), "{result}");
    });
}

#[test]
fn sampling_is_answered_in_both_eras() {
    for version in [Version::V2025_11_25, Version::V2026_07_28] {
        run(async move {
            let model = |params: &Value| {
                assert_eq!(params["maxTokens"], 20);
                "Paris".to_owned()
            };
            let mut client = client(&dispatcher()).version(version).model(model).connect().await;
            let result = client.call("capital", &json!({})).await.unwrap();
            assert_eq!(result["content"][0]["text"], "Paris", "{version}");
        });
    }
}

#[test]
fn lists_results_and_errors_are_those_of_the_wire() {
    for version in [Version::V2025_11_25, Version::V2026_07_28] {
        run(async move {
            let mut client = client(&dispatcher()).version(version).connect().await;
            let names: Vec<String> =
                client.list_tools().await.iter().map(|tool| tool["name"].to_string()).collect();
            assert_eq!(names, [r#""capital""#, r#""fails""#, r#""scrap""#, r#""sum""#]);
            assert_eq!(client.call("sum", &json!({})).await.unwrap()["structuredContent"]["sum"], 3);
            let failed = client.call("fails", &json!({})).await.unwrap();
            assert_eq!((&failed["isError"], &failed["content"][0]["text"]), (&json!(true), &json!("no oil")));
            let unknown = client.call("sun", &json!({})).await.unwrap_err();
            assert_eq!(
                (unknown.code().0, unknown.message()),
                (-32602, "unknown tool `sun`; did you mean `sum`?")
            );
            assert_eq!(client.list("prompts/list", "prompts").await[0]["name"], "greet");
            let prompt = client.get_prompt("greet", &json!({})).await.unwrap();
            assert_eq!(prompt["messages"][0]["content"]["text"], "Hello!");
            assert!(client.read_resource("shop://nothing").await.is_err());
        });
    }
}

/// What is no object by its schema, though one of its forms is.
#[derive(serde::Serialize, schemars::JsonSchema)]
#[serde(untagged)]
enum Either {
    Sum(Sum),
    Text(String),
}

#[test]
fn a_result_that_is_no_object_is_wrapped_as_its_schema_is_where_only_objects_may_stand() {
    let list = tool_fn("list", |_: NoArgs, _: Call| async { Ok(Json(vec![Sum { sum: 1 }])) });
    let sum = tool_fn("sum", |_: NoArgs, _: Call| async { Ok(Json(Either::Sum(Sum { sum: 1 }))) });
    let text = tool_fn("text", |_: NoArgs, _: Call| async { Ok(Json(Either::Text("1".into()))) });
    let cached = tool_fn("cached", |_: NoArgs, _: Call| async { Ok(Json(1)) });
    let registry = Registry::builder().tool(list).tool(sum).tool(text).tool(cached).build().unwrap();
    let dispatcher = Dispatcher::builder(registry).build();
    let expected = [
        ("list", json!([{ "sum": 1 }])),
        ("sum", json!({ "sum": 1 })),
        ("text", json!("1")),
        ("cached", json!(1)),
    ];
    run(async move {
        for version in [Version::V2025_06_18, Version::V2025_11_25, Version::V2026_07_28] {
            let mut client = client(&dispatcher).version(version).connect().await;
            let tools = client.list_tools().await;
            for (name, bare) in &expected {
                let tool = tools.iter().find(|tool| tool["name"] == *name).unwrap();
                let schema = Schema::compile(&tool["outputSchema"]).unwrap();
                let result = client.call(name, &json!({})).await.unwrap();
                let structured = &result["structuredContent"];
                let wrapped = json!({ "result": bare });
                assert_eq!(
                    structured,
                    if version == Version::V2026_07_28 { bare } else { &wrapped },
                    "{version}"
                );
                let frame = Frame::from_serialize(structured).unwrap();
                assert_eq!(schema.check(frame.root(), "structured"), Ok(()), "{name}");
            }
        }
    });
}

#[test]
fn a_promise_is_asserted() {
    let tool = tool_fn("sum", |_: NoArgs, _: Call| async { Ok(Json(Sum { sum: 3 })) });
    let result = run(tool.call(Call::new(&json!({})).unwrap()));
    assert_promised(tool.spec(), &result);
    let wrong = Ok(Output::json(&json!({ "sum": "3" })).unwrap());
    let panicked = catch_unwind(AssertUnwindSafe(|| assert_promised(tool.spec(), &wrong)));
    let said = *panicked.unwrap_err().downcast::<String>().unwrap();
    assert!(said.ends_with(r#"structuredContent.sum: expected integer, got string "3""#), "{said}");
}

//! A search in front of the tools.

use seams::surface::Search;
use serde_json::{Value, json};
use toolpost::dispatch::{Access, Decision, Target};
use toolpost::tool::{AnyTool, Call, NoArgs, Output, ToolError, tool_fn};
use toolpost::{Runtime, Settings};

fn cuts(name: &str, what: &str) -> AnyTool {
    let answer = format!("{what} is cut");
    let cut = tool_fn(name, move |_: NoArgs, _: Call| {
        let answer = answer.clone();
        async move { Ok(answer) }
    });
    AnyTool::new(cut.with_spec(|spec| spec.with_description(format!("Cuts a {what}."))))
}

async fn call(runtime: &Runtime, tool: &str, arguments: Value) -> Result<Output, ToolError> {
    runtime.call(tool, &arguments).await
}

#[tokio::test]
async fn tools_are_found_by_words_and_called_by_name_where_the_rule_allows() {
    let runtime = Runtime::builder()
        .any(cuts("slot", "slot"))
        .any(cuts("thread", "thread"))
        .any(cuts("hidden", "thread"))
        .authorize(|access: &Access<'_>| match access.target {
            Target::Tool(spec) if spec.name() == "hidden" => Decision::Hide,
            _ => Decision::Allow,
        })
        .surface(Search { most: 2 })
        .build()
        .unwrap();
    let found = async |words: &str| {
        let found = call(&runtime, "find_tools", json!({"words": words})).await.unwrap();
        let found: Vec<Value> = serde_json::from_str(found.structured().unwrap()).unwrap();
        found.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("Thread cuts").await, ["thread"]);
    assert_eq!(found("cuts").await, ["slot", "thread"]);
    assert!(found("drill").await.is_empty());
    let cut = call(&runtime, "call_tool", json!({"tool": "thread", "arguments": {}})).await.unwrap();
    assert_eq!(cut.as_text(), Some("thread is cut"));
    assert!(call(&runtime, "call_tool", json!({"tool": "hidden"})).await.is_err());
    assert!(call(&runtime, "thread", json!({})).await.is_err(), "the tools themselves are not shown");
    runtime.reload(&Settings::default(), [cuts("drill", "hole")]).unwrap();
    assert_eq!(found("hole").await, ["drill"]);
}

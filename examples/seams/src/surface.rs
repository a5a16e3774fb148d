//! What clients see in place of a long list: one tool that finds tools by words, and one that calls them.
//!
//! `Runtime::builder().surface(Search { most: 5 })` puts both in front.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use toolpost::json::Node;
use toolpost::tool::{AnyTool, Call, Output, ToolSpec, tool_fn};
use toolpost::{Runtime, Surface};

/// Shows `find_tools` and `call_tool`.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// How many tools one search finds at most.
    pub most: usize,
}

#[derive(Deserialize, JsonSchema)]
struct Find {
    words: String,
}

#[derive(Deserialize, JsonSchema)]
struct Named {
    tool: String,
    #[serde(rename = "arguments")]
    _arguments: Option<Map<String, Value>>,
}

impl Surface for Search {
    fn in_front(&self, behind: &Runtime) -> Option<Vec<AnyTool>> {
        let (all, most) = (behind.dispatcher().clone(), self.most);
        let find = tool_fn("find_tools", move |args: Find, call: Call| {
            let visible = all.visible(&all.catalog(), call.principal());
            let found = visible.iter().map(|entry| entry.spec()).filter(|spec| fits(spec, &args.words));
            let found = Output::json(&found.take(most).map(shown).collect::<Vec<_>>());
            async move { found }
        });
        let all = behind.dispatcher().clone();
        let calls = tool_fn("call_tool", move |args: Named, call: Call| {
            let all = all.clone();
            async move {
                let arguments = call.arguments().member("arguments").map(Node::id);
                all.call_within(call.redirected(args.tool, arguments)?).await
            }
        });
        let calls = calls.with_spec(ToolSpec::composite);
        Some(vec![AnyTool::new(find.with_spec(ToolSpec::read_only)), AnyTool::new(calls)])
    }
}

fn fits(spec: &ToolSpec, words: &str) -> bool {
    let text = format!("{} {}", spec.name(), spec.description()).to_lowercase();
    words.to_lowercase().split_whitespace().all(|word| text.contains(word))
}

fn shown(spec: &ToolSpec) -> Value {
    json!({"name": spec.name(), "description": spec.description(), "arguments": spec.input_schema()})
}

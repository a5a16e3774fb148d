//! Four tools in place of a long list.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use toolpost_dispatch::Entry;
use toolpost_json::Node;
use toolpost_protocol::Code;
use toolpost_tool::{AnyTool, Call, NoArgs, Output, Principal, ToolError, tool_fn};

use super::cut;
use super::schemas::Schemas;
use crate::Runtime;

/// In which category to look.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct InCategory {
    /// The name of a category, as `tools_list_categories` lists it.
    category: String,
}

/// Of which tool.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OfTool {
    /// The name of a tool, as `tools_list_tools` lists it.
    tool: String,
    /// Its category; needed if nothing of the category was used before.
    category: Option<String>,
}

/// What to call.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Dispatch {
    /// The name of a tool, as `tools_list_tools` lists it.
    tool: String,
    /// Its category; needed if nothing of the category was used before.
    category: Option<String>,
    /// Its arguments, as its schema from `tools_get_schema` describes them.
    // Read in place: they are checked against the schema of the tool itself.
    #[serde(default, rename = "arguments")]
    #[schemars(with = "Option<Map<String, Value>>")]
    _arguments: Option<IgnoredAny>,
}

/// A tool, as short as it can be listed.
#[derive(Serialize)]
struct ShortTool {
    name: String,
    /// The first line of its description, at most 100 characters.
    description: String,
}

/// The four tools in front of those of `behind`. Behind them every policy is enforced.
pub(super) fn tools(behind: &Runtime) -> Vec<AnyTool> {
    let all = behind.clone();
    let list_categories = tool_fn("tools_list_categories", move |_: NoArgs, call: Call| {
        let listed = Output::json(&all.categories(call.principal()));
        async move { listed }
    });
    let all = behind.clone();
    let list_tools = tool_fn("tools_list_tools", move |args: InCategory, call: Call| {
        let all = all.clone();
        async move {
            let tools = all.tools_in(&args.category, call.principal()).await?;
            Output::json(&tools.iter().map(|entry| short(entry)).collect::<Vec<_>>())
        }
    });
    let (all, schemas) = (behind.clone(), Arc::new(Schemas::default()));
    let get_schema = tool_fn("tools_get_schema", move |args: OfTool, call: Call| {
        let (all, schemas) = (all.clone(), Arc::clone(&schemas));
        async move {
            if let Some(category) = &args.category {
                all.load_known(category, call.principal()).await?;
            }
            let schema = schemas.of(all.dispatcher(), &args.tool, call.principal())?;
            let schema: &serde_json::value::RawValue = serde_json::from_str(&schema)?;
            Output::json(schema)
        }
    });
    let all = behind.clone();
    let dispatch = tool_fn("tools_dispatch", move |args: Dispatch, call: Call| {
        let all = all.clone();
        async move {
            if let Some(category) = &args.category {
                all.load_known(category, call.principal()).await?;
            }
            let arguments = call.arguments().member("arguments").filter(|given| !given.is_null());
            let inner = call.redirected(args.tool, arguments.map(Node::id))?;
            let answer = all.dispatcher().call_within(inner).await;
            answer.map_err(|error| in_band(error, &all, call.principal()))
        }
    });
    vec![
        AnyTool::new(
            list_categories.with_spec(|s| s.with_description("Lists the categories of tools.").read_only()),
        ),
        AnyTool::new(
            list_tools.with_spec(|s| s.with_description("Lists the tools in one category.").read_only()),
        ),
        AnyTool::new(get_schema.with_spec(|s| s.with_description("Shows how to call one tool.").read_only())),
        AnyTool::new(dispatch.with_spec(|s| s.with_description("Calls one tool by its name.").composite())),
    ]
}

/// An unknown tool is an argument of this tool that is wrong, not a broken protocol; and where to look is not the list
/// that has only this tool and its like.
fn in_band(error: ToolError, all: &Runtime, principal: &Principal) -> ToolError {
    let Some(said) = error.as_protocol().filter(|error| error.code() == Code::INVALID_PARAMS) else {
        return error;
    };
    match said.message().strip_suffix("tools/list names those there are") {
        Some(unknown) => ToolError::invalid_arguments(format!(
            "{unknown}`tools_list_tools` names those in a category, and there are: {}",
            all.category_names(principal)
        )),
        None => ToolError::invalid_arguments(said.message().to_owned()),
    }
}

fn short(entry: &Entry) -> ShortTool {
    let spec = entry.spec();
    let line = spec.description().lines().next().unwrap_or("").trim();
    ShortTool { name: spec.name().to_owned(), description: cut(line, 100).to_owned() }
}

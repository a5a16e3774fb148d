//! Four tools in place of a long list.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use toolpost_json::Node;
use toolpost_protocol::Code;
use toolpost_tool::{AnyTool, Call, NoArgs, Output, Principal, ToolError, tool_fn};

use super::Categories;

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

/// The four tools that stand in front of all others. Behind them every policy is enforced.
pub(crate) fn meta_tools(categories: &Categories) -> Vec<AnyTool> {
    let all = categories.clone();
    let list_categories = tool_fn("tools_list_categories", move |_: NoArgs, call: Call| {
        let listed = Output::json(&all.list(call.principal()));
        async move { listed }
    });
    let all = categories.clone();
    let list_tools = tool_fn("tools_list_tools", move |args: InCategory, call: Call| {
        let all = all.clone();
        async move { Output::json(&all.tools(&args.category, call.principal()).await?) }
    });
    let all = categories.clone();
    let get_schema = tool_fn("tools_get_schema", move |args: OfTool, call: Call| {
        let all = all.clone();
        async move {
            if let Some(category) = &args.category {
                all.load_known(category, call.principal()).await?;
            }
            let schema = all.schema(&args.tool, call.principal())?;
            let schema: &serde_json::value::RawValue = serde_json::from_str(&schema)?;
            Output::json(schema)
        }
    });
    let all = categories.clone();
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
fn in_band(error: ToolError, all: &Categories, principal: &Principal) -> ToolError {
    let Some(said) = error.as_protocol().filter(|error| error.code() == Code::INVALID_PARAMS) else {
        return error;
    };
    match said.message().strip_suffix("tools/list names those there are") {
        Some(unknown) => ToolError::invalid_arguments(format!(
            "{unknown}`tools_list_tools` names those in a category, and there are: {}",
            all.names(principal)
        )),
        None => ToolError::invalid_arguments(said.message().to_owned()),
    }
}

//! Tools by category, loaded on first use, behind four meta-tools: `cargo run -p lazy_categories`.
#![expect(clippy::print_stdout, reason = "an example prints")]

use serde_json::{Value, json};
use toolpost::tool::{AnyTool, NoArgs, ToolError, tool_fn};
use toolpost::{Categories, Runtime};

fn tool(name: &str, category: &str, description: &str) -> AnyTool {
    let (category, description, answer) =
        (category.to_owned(), description.to_owned(), format!("{name} done"));
    let tool = tool_fn(name, move |_: NoArgs, _| {
        let answer = answer.clone();
        async move { Ok(answer) }
    });
    AnyTool::new(tool.with_spec(|spec| spec.with_category(category).with_description(description)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let runtime = Runtime::builder()
        .any(tool("face", "turning", "Faces the end of the work.\nFeeds toward the center."))
        .any(tool("thread", "turning", "Cuts a thread."))
        .lazy_category("milling", || async {
            println!("  (the loader runs now, and only now)");
            Ok(vec![tool("slot", "milling", "Cuts a slot."), tool("pocket", "milling", "Clears a pocket.")])
        })
        .surface(Categories)
        .build()?;

    let call = async |name: &str, arguments: Value| -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        println!("{name} {arguments}");
        let output = runtime.call(name, &arguments).await.map_err(ToolError::into_std)?;
        println!("  {}", output.as_text().unwrap_or_default());
        Ok(())
    };
    call("tools_list_categories", json!({})).await?;
    call("tools_list_tools", json!({ "category": "milling" })).await?;
    call("tools_get_schema", json!({ "tool": "slot" })).await?;
    call("tools_dispatch", json!({ "tool": "slot", "arguments": {} })).await?;
    call("tools_list_categories", json!({})).await
}

//! The README's first screen, as a program: `cargo run -p hello_tool`.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::time::Duration;
use toolpost::Runtime;
use toolpost::tool::{BreakerPolicy, CachePolicy, Call, Json, ToolError, tool_fn};

/// Finds lathes by what they can turn.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Query {
    /// Largest diameter, in millimeters.
    swing: u32,
}

async fn find(query: Query, _call: Call) -> Result<Json<Vec<String>>, ToolError> {
    Ok(Json(vec![format!("L-{}", query.swing)]))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let search = tool_fn("search", find).with_spec(|spec| {
        spec.read_only()
            .with_time_limit(Duration::from_secs(10))
            .with_cache(CachePolicy::new(Duration::from_secs(60)))
            .with_breaker(BreakerPolicy::new()) // stops calling what keeps failing
    });
    let runtime = Runtime::builder().tool(search).build()?;

    let found = runtime.call("search", &serde_json::json!({ "swing": 250 })).await?;
    println!("{}", found.structured().unwrap_or_default());
    if let Err(error) = runtime.call("search", &serde_json::json!({ "swing": "big" })).await {
        println!("{error}");
    }
    Ok(())
}

//! The README's first screen, as a program: `cargo run -p hello_tool`.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "an example prints, and starts a clock")]

use std::time::{Duration, Instant};
use toolpost::breaker::{Breaker, Consecutive};
use toolpost::tool::{CachePolicy, Call, Json, ToolError, tool_fn};
use toolpost::{Runtime, ToolExt};

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
    let search = tool_fn("search", find)
        .with_spec(|spec| spec.read_only().with_cache(CachePolicy::new(Duration::from_secs(60))))
        .timed(Duration::from_secs(10))
        .guarded(Breaker::new(Consecutive::new(5), Instant::now())); // stops calling what keeps failing

    let runtime = Runtime::builder().tool(search).build()?;
    for swing in [serde_json::json!(250), serde_json::json!("big")] {
        match runtime.call("search", &serde_json::json!({ "swing": swing })).await {
            Ok(output) => println!("{}", output.structured().unwrap_or_default()),
            Err(error) => println!("{error}"),
        }
    }
    Ok(())
}

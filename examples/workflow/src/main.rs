//! A workflow of tools, as one tool, guarded and cached: `cargo run -p workflow`.
//!
//! Stock and price are asked at once, each with a policy of its own; the offer is put together from
//! both, and still comes when the list of discounts is down.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example prints, and pretends to work"
)]

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use toolpost::breaker::{Breaker, Consecutive};
use toolpost::cache::Capacity;
use toolpost::layers::ResultCache;
use toolpost::tool::{CachePolicy, Call, Json, ResultFlag, Tool, ToolError, ToolSpec, tool_fn};
use toolpost::workflow::{OnFailure, StepHandle, StepPolicy, Workflow};
use toolpost::{CallStep as _, Runtime, ToolExt as _, WorkflowTool};

/// What is asked for.
#[derive(Clone, Deserialize, Serialize, JsonSchema)]
struct Part {
    sku: String,
    pieces: u64,
}

/// An answer to all of it.
#[derive(Clone, Deserialize, Serialize, JsonSchema)]
struct Offer {
    in_stock: bool,
    cents: u64,
    discounted: bool,
}

/// A tool like any other: it knows nothing of the workflow.
fn stock() -> impl Tool {
    tool_fn("stock", |part: Part, _: Call| async move {
        tokio::time::sleep(Duration::from_millis(30)).await;
        Ok(Json(part.pieces <= 100))
    })
}

/// Fails the first time it is asked.
fn price() -> impl Tool {
    tool_fn("price", |part: Part, call: Call| async move {
        tokio::time::sleep(Duration::from_millis(30)).await;
        match call.attempt() {
            1 => Err(ToolError::unavailable("the price list is being printed")),
            _ => Ok(Json(part.pieces * 1_250)),
        }
    })
}

/// Is down.
fn discount() -> impl Tool {
    tool_fn("discount", |_: Part, _: Call| async move {
        Err::<Json<u64>, _>(ToolError::unavailable("no discounts today"))
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut w = Workflow::<Call>::new("offer");
    let part = w.step("arguments").arguments::<Part>();
    let ask = |part: std::sync::Arc<Part>| Part::clone(&part);
    let tries = StepPolicy::new().retry(3, Duration::from_millis(10));
    let in_stock: StepHandle<bool> = w.step("stock").call_for(stock(), part, ask);
    let cents: StepHandle<u64> = w.step("price").policy(tries).call_for(price(), part, ask);
    // A courtesy: the offer stands without it.
    let courtesy = StepPolicy::new().on_failure(OnFailure::Allow).time_limit(Duration::from_millis(100));
    let less: StepHandle<u64> = w.step("discount").policy(courtesy).call_for(discount(), part, ask);
    let offer = w.step("offer").compute((in_stock, cents, less.optional()), |(in_stock, cents, less)| {
        let less = less.as_deref().copied();
        Json(Offer { in_stock: *in_stock, cents: *cents - less.unwrap_or(0), discounted: less.is_some() })
    });
    let plan = w.build(offer)?;
    println!("{}", plan.graph().to_mermaid());

    let cache = ResultCache::new(Capacity::entries(1_000));
    let offer = WorkflowTool::new(ToolSpec::new("offer")?.read_only(), plan)
        .taking::<Part>()
        .guarded(Breaker::new(Consecutive::new(5), Instant::now()))
        .cached(&cache, CachePolicy::new(Duration::from_secs(60)));
    let runtime = Runtime::builder().tool(offer).build()?;

    for _ in 0..2 {
        let output = runtime.call("offer", &json!({ "sku": "CNMG-120408", "pieces": 10 })).await;
        let output = output.map_err(ToolError::into_std)?;
        println!(
            "{} (hit: {})",
            output.structured().unwrap_or_default(),
            output.has_flag(ResultFlag::CacheHit)
        );
    }
    Ok(())
}

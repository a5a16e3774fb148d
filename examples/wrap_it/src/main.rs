//! One tool, wrapped layer by layer by hand: `cargo run -p wrap_it`.
//!
//! The tool is slow, fails at first, and is asked the same thing by many at once.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example prints, waits and starts a clock"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use toolpost::breaker::{Breaker, Consecutive};
use toolpost::cache::Capacity;
use toolpost::layers::{ResultCache, Retry};
use toolpost::tool::{CachePolicy, Call, Tool, ToolError, tool_fn};
use toolpost::{ToolExt, tool};

/// Quotes a price.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Part {
    sku: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let upstream = tool_fn("quote", move |part: Part, _: Call| {
        let run = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            match run {
                0 => Err(ToolError::unavailable("the price list is being printed")),
                _ => Ok(format!("{}: 12.50 EUR", part.sku)),
            }
        }
    });
    let cache = ResultCache::new(Capacity::entries(1_000));
    let quote = upstream
        .timed(Duration::from_secs(1)) //                          innermost: one attempt has a second
        .guarded(Breaker::new(Consecutive::new(5), Instant::now())) // five failures in a row, and it is left alone
        .retried(Retry::idempotent()) //                           three attempts, each asking the breaker anew
        .cached(&cache, CachePolicy::new(Duration::from_secs(60))); // outermost: a hit asks nobody

    let ask = || quote.call(Call::new(&json!({ "sku": "CNMG-120408" })).unwrap_or_else(|_| unreachable!()));
    let (a, b, c) = tokio::join!(ask(), ask(), ask());
    for answer in [a, b, c, ask().await] {
        let answer = answer.map_err(ToolError::into_std)?;
        println!(
            "{} (hit: {})",
            answer.as_text().unwrap_or_default(),
            answer.has_flag(tool::ResultFlag::CacheHit)
        );
    }
    println!("four answers, {} runs of the tool: one failed, one answered all", runs.load(Ordering::SeqCst));
    Ok(())
}

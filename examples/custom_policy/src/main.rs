//! A failure policy of one's own in a breaker: `cargo run -p custom_policy`.
//!
//! The upstream charges for every failed call, so the third failure in all opens the breaker, whatever
//! lies between.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "an example prints, and starts a clock")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde_json::json;
use toolpost::breaker::{Breaker, CallOutcome, CallReport, FailurePolicy};
use toolpost::tool::{Call, NoArgs, ToolError, tool_fn};
use toolpost::{Runtime, ToolExt};

/// Opens on the third failure since the breaker last closed.
///
/// Generation and count share a word, so that a report of an earlier generation counts for nothing.
#[derive(Debug, Default)]
struct Third(AtomicU64);

impl FailurePolicy for Third {
    fn record(&self, report: &CallReport<'_>) -> bool {
        if report.outcome() != CallOutcome::Failure || !report.is_current() {
            return false;
        }
        let generation = u64::from(report.generation()) << 32;
        let counted = |seen: u64| if seen & !0xFFFF_FFFF == generation { seen + 1 } else { generation + 1 };
        let seen = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |seen| Some(counted(seen)));
        seen.is_ok_and(|seen| 3 <= counted(seen) & 0xFFFF_FFFF)
    }

    fn needs_time(&self) -> bool {
        false
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let number = AtomicU64::new(0);
    let flaky = tool_fn("flaky", move |_: NoArgs, _: Call| {
        let works = number.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        async move { if works { Ok("fine") } else { Err(ToolError::new("failed, and charged for")) } }
    });
    let runtime =
        Runtime::builder().tool(flaky.guarded(Breaker::new(Third::default(), Instant::now()))).build()?;
    for call in 1..=8 {
        match runtime.call("flaky", &json!({})).await {
            Ok(output) => println!("call {call}: {}", output.as_text().unwrap_or_default()),
            Err(error) => println!("call {call}: {error}"),
        }
    }
    Ok(())
}

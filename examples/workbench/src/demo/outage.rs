//! A supplier goes out of reach and comes back: stale answers flow meanwhile, and the breaker leaves it alone.

use std::time::Duration;

use rmcp::model::CallToolResult;
use serde_json::{Value, json};

use super::supplier::{FAILURES, Supplier};
use super::{PATIENCE, meta};
use crate::client::Client;
use crate::clock::{now, sleep};
use crate::plan::{Expected, Made, Planned, make};
use crate::report::Report;
use crate::serve::Failure;

/// Between two questions while something is waited for.
const PAUSE: Duration = Duration::from_millis(20);

pub(super) async fn show(client: &Client, supplier: &Supplier, report: &mut Report) -> Result<(), Failure> {
    report
        .section(format!("A supplier goes down: {FAILURES} failures in a row open the breaker for 200 ms"))?;
    let (call, result) = ask(client, "chuck", Expected::Result).await?;
    report.call(call.noting(!is_stale(&result), "fresh"))?;
    supplier.set_down(true);
    for number in 1..=FAILURES {
        let (call, result) = ask(client, "chuck", Expected::Result).await?;
        report.call(call.noting(is_stale(&result), &format!("stale: failure {number} is covered")))?;
    }
    left_alone(client, supplier, report).await?;
    refused(client, report).await?;
    supplier.set_down(false);
    back(client, supplier, report).await
}

/// While the breaker is open the answers are stale, and the supplier is not asked.
async fn left_alone(client: &Client, supplier: &Supplier, report: &mut Report) -> Result<(), Failure> {
    let begun = now();
    loop {
        let before = supplier.asked();
        let (call, result) = ask(client, "chuck", Expected::Result).await?;
        let is_asked = supplier.asked() != before;
        // Where this took so long that the breaker let one through to see, the next finds it open again.
        if !is_asked || PATIENCE < now() - begun {
            let ok = is_stale(&result) && !is_asked;
            return Ok(report.call(call.noting(ok, "stale: the breaker is open, nobody was asked"))?);
        }
    }
}

/// What was never asked before has no stale answer.
async fn refused(client: &Client, report: &mut Report) -> Result<(), Failure> {
    let begun = now();
    loop {
        let (call, result) = ask(client, "vise", Expected::Refusal("")).await?;
        let wait = meta(&result, "dev.toolpost/rejection")["retryAfterMs"].as_u64();
        if wait.is_some() || PATIENCE < now() - begun {
            let note = format!("no answer to fall back on, come back in {} ms", wait.unwrap_or_default());
            return Ok(report.call(call.noting(wait.is_some(), &note))?);
        }
    }
}

/// Once the supplier is back, fresh answers come by themselves.
async fn back(client: &Client, supplier: &Supplier, report: &mut Report) -> Result<(), Failure> {
    let begun = now();
    let mut stale = 0;
    loop {
        report.running("waiting for the breaker to let a call through");
        let (call, result) = ask(client, "chuck", Expected::Result).await?;
        let is_fresh = !is_stale(&result);
        if is_fresh || PATIENCE < now() - begun {
            let ok = is_fresh && supplier.went_round();
            let note = format!("fresh again, after {stale} more stale answers");
            return Ok(report.call(call.noting(ok, &note))?);
        }
        stale += 1;
        sleep(PAUSE).await;
    }
}

async fn ask(client: &Client, part: &str, expected: Expected) -> Result<(Made, CallToolResult), Failure> {
    make(client, &Planned { tool: "quote", arguments: json!({ "part": part }), expected }).await
}

fn is_stale(result: &CallToolResult) -> bool {
    meta(result, "dev.toolpost/cache") == "stale"
        && meta(result, "dev.toolpost/degraded") == Value::Bool(true)
}

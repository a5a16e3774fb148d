//! Many clients of a server in another process.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::trend::{BOUND, Memory, drift};
use crate::load::goals::Goal;
use crate::load::{Ask, Pace, Plan, Served, drive};
use crate::report::Form;
use crate::serve::Failure;

/// Parts that the time is divided into, each with new connections; the first warms the server up, and memory is measured
/// in the second half, when its allocator has seen what there is to be seen.
const PARTS: u32 = 20;

/// How many times the p99 of the first parts that of the last parts may be.
const STABLE: f64 = 1.5;

/// The same where a part is so short that one pause of the machine is its p99.
const STABLE_ENOUGH: f64 = 4.0;
const SHORT: Duration = Duration::from_secs(60);

/// By how much the memory of a server comes and goes, in megabytes: 500 connections leave and 500 come with each part.
/// One kilobyte that is kept of each of them would be more.
const SLACK: f64 = 4.0;

/// Makes the calls, and says what must hold.
///
/// # Errors
///
/// If the server does not come up, or its memory cannot be measured.
///
/// # Cancel safety
///
/// Dropping the future ends the server.
pub(super) async fn run(
    root: &Path,
    clients: u32,
    during: Duration,
    form: Form,
) -> Result<Vec<Goal>, Failure> {
    let served = Served::start(root, &[], None).await?;
    let ask = Arc::new(Ask::new(served.url(), "list_files", &json!({ "limit": 50 }), &json!({}))?);
    let plan = Plan { connections: clients, pace: Pace::Closed, during: during / PARTS, slow: None };
    let (mut calls, mut unanswered, mut failure) = (0, 0, None);
    let (mut memory, mut latencies) = (Memory::default(), Vec::new());
    for part in 1..=PARTS {
        form.progress(&format!("{clients} clients: part {part} of {PARTS}"));
        let figures = drive(&ask, plan).await?;
        calls += figures.calls();
        unanswered += figures.calls() - figures.answered.len();
        failure = failure.or(figures.failure);
        if PARTS / 2 <= part {
            memory.add(calls, served.memory()?);
        }
        if 1 < part {
            latencies.push(figures.answered.value_at_quantile(0.99) as f64 / 1e3);
        }
    }
    let (growth, (first, last)) = (memory.growth(), memory.ends());
    let drift = drift(&latencies);
    let shown: Vec<String> = latencies.iter().map(|p99| format!("{p99:.1}")).collect();
    Ok(vec![
        (
            "every call of every client is answered with a result",
            format!(
                "{} of {calls}{}",
                calls - unanswered,
                failure.map_or_else(String::new, |f| format!("; {f}"))
            ),
            unanswered == 0 && 0 < calls,
        ),
        (
            "the server's memory grows by at most 0.5 MB per 1000000 calls, and 4 MB",
            format!("{growth:.3} MB, from {first:.2} MB to {last:.2} MB"),
            growth * memory.calls() <= BOUND * memory.calls() + SLACK,
        ),
        (
            "its p99 is stable: in the last third of the time at most 1.5 times that of the first, 4 in less than a minute",
            format!("{drift:.2} times; by part, in ms: {}", shown.join(" ")),
            drift <= if during < SHORT { STABLE_ENOUGH } else { STABLE },
        ),
    ])
}

//! An urgent call that overtakes a batch which nobody waits for.

use std::time::Duration;

use serde_json::json;
use toolpost::parallel;
use toolpost_tool::Priority;

use super::machine::Machine;
use super::until;
use crate::client::Client;
use crate::clock::now;
use crate::plan::{Expected, Made, Planned, make_at};
use crate::report::Report;
use crate::serve::Failure;

/// Calls of the batch; one of them has the permit when the urgent call comes.
const BATCH: usize = 8;

pub(super) async fn show(client: &Client, machine: &Machine, report: &mut Report) -> Result<(), Failure> {
    report.section(format!("An urgent call behind {BATCH} in the background, for one permit"))?;
    report.running("filling the queue");
    let sent = now();
    let batch =
        parallel((1..=BATCH).map(|n| engrave(client, format!("batch {n}"), Priority::Background)), BATCH);
    let urgent = async {
        let is_full = until(|| machine.waiting() == BATCH - 1).await;
        let sent = now();
        // Nothing moves before the urgent call is in the queue, behind all others by arrival.
        let released = async {
            let is_in = until(|| machine.waiting() == BATCH).await;
            machine.switch_on();
            is_full && is_in
        };
        let (made, released) = tokio::join!(engrave(client, "urgent".into(), Priority::Urgent), released);
        Ok::<_, Failure>((made?, released, sent))
    };
    let (batch, urgent) = tokio::join!(batch.all(), urgent);
    let (urgent, was_queued, urgent_sent) = urgent?;
    let batch = batch.into_iter().collect::<Result<Vec<_>, _>>()?;

    let begun = machine.begun();
    let place = begun.iter().position(|(word, _)| word == "urgent").map_or(0, |at| at + 1);
    let wait = |sent, word: &str| {
        let begun = begun.iter().find(|(begun, _)| begun == word);
        begun.map_or(Duration::ZERO, |(_, at)| at.saturating_duration_since(sent)).as_secs_f64() * 1e3
    };
    let last = begun.last().map_or("", |(word, _)| word);
    report.call(together(
        "batch",
        &batch,
        &format!("the last, {last}, waited {:.1} ms", wait(sent, last)),
    ))?;
    // First comes what had the permit; then the urgent call, before all that came earlier.
    let note = format!(
        "sent last, run as number {place} of {}, waited {:.1} ms",
        begun.len(),
        wait(urgent_sent, "urgent")
    );
    report.call(Made { tool: "urgent", ..urgent }.noting(was_queued && place == 2, &note))?;
    Ok(())
}

async fn engrave(client: &Client, word: String, priority: Priority) -> Result<Made, Failure> {
    let arguments = json!({ "word": word });
    let planned = Planned { tool: "engrave", arguments, expected: Expected::Result };
    Ok(make_at(client, &planned, Some(priority)).await?.0)
}

/// Several calls as one row; the time is that of the slowest.
fn together(name: &'static str, calls: &[Made], outcome: &str) -> Made {
    Made {
        tool: name,
        arguments: json!({}),
        ok: calls.iter().all(|call| call.ok),
        outcome: format!("{} calls; {outcome}", calls.len()),
        micros: calls.iter().map(|call| call.micros).max().unwrap_or(0),
        bytes: calls.iter().map(|call| call.bytes).sum(),
        calls: calls.len(),
    }
}

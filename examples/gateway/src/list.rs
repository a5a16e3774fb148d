//! The tools, where each comes from, its policies, and how it does.

use std::time::Duration;

use serde_json::{Value, json};
use toolpost::tool::{Policy, Priority, ToolSpec};

use crate::Failure;
use crate::config::Config;
use crate::gateway::{Condition, Gateway, State, States};
use crate::say::say;

/// How to list.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Writes one JSON document instead of a table.
    #[arg(long)]
    json: bool,
    /// How long servers and workers may take to say which tools they have.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    wait: u64,
}

/// A tool, as it is shown.
struct Row {
    name: String,
    origin: String,
    policies: Vec<String>,
    state: String,
}

/// Prints the tools; returns the exit code, which says whether every origin has told its tools.
pub(crate) async fn list(config: Config, options: Options) -> Result<u8, Failure> {
    config.notes.iter().for_each(|note| say(note.as_str()));
    let gateway = Gateway::start(config).await.map_err(|faults| faults.join("\n"))?;
    gateway.settled(Duration::from_secs(options.wait)).await;
    let (rows, states) = (rows(&gateway), gateway.states());
    match options.json {
        true => println!("{:#}", document(&rows, &states)),
        false => table(&rows, &states),
    }
    gateway.runtime().warnings().for_each(say);
    gateway.stop().await;
    Ok(u8::from(states.values().any(|state| state.condition != Condition::Ready)))
}

fn rows(gateway: &Gateway) -> Vec<Row> {
    let states = gateway.states();
    let row = |spec: &ToolSpec| {
        let name = spec.name().to_owned();
        let of = states.iter().find(|(_, state)| state.tools.contains(&name));
        let (origin, state) = match of {
            Some((origin, State { condition: Condition::Down(reason), .. })) => {
                (origin.clone(), format!("down: {reason}"))
            }
            Some((origin, _)) => (origin.clone(), "ready".to_owned()),
            None if spec.policy().composite => ("plans".to_owned(), "ready".to_owned()),
            None => (format!("programs.{name}"), "ready".to_owned()),
        };
        let state = match gateway.runtime().breaker(&name) {
            Some(breaker) => format!("{state}, breaker {}", breaker.state()),
            None => state,
        };
        Row { origin, policies: policies(spec.policy()), state, name }
    };
    let catalog = gateway.runtime().dispatcher().catalog();
    let mut rows: Vec<Row> = catalog.iter().map(|entry| row(entry.spec())).collect();
    for (origin, state) in &states {
        rows.extend(state.refused.iter().map(|(name, reason)| Row {
            name: name.clone(),
            origin: origin.clone(),
            policies: Vec::new(),
            state: format!("refused: {reason}"),
        }));
    }
    rows
}

/// A policy in words, one for each part.
fn policies(policy: &Policy) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = |text: Option<String>| parts.extend(text);
    part(policy.time_limit.map(|limit| format!("{limit:?} at most")));
    part(policy.cache.as_ref().map(|cache| format!("cached {:?}", cache.ttl)));
    part(policy.retry.map(|retry| format!("{} attempts", retry.attempts)));
    part(policy.breaker.map(|_| "breaker".to_owned()));
    part(policy.rate.map(|rate| format!("{} per {:?}", rate.calls, rate.per)));
    part(policy.concurrency.map(|most| format!("{most} at once")));
    part(policy.cost.map(|cost| format!("costs {cost}")));
    part(
        policy
            .priority
            .filter(|priority| *priority != Priority::Normal)
            .map(|priority| format!("{priority:?}").to_lowercase()),
    );
    parts
}

fn document(rows: &[Row], states: &States) -> Value {
    let tools: Vec<Value> = rows
        .iter()
        .map(|row| json!({ "name": row.name, "origin": row.origin, "policies": row.policies, "state": row.state }))
        .collect();
    let origins: serde_json::Map<String, Value> = states
        .iter()
        .map(|(origin, state)| {
            let state = match &state.condition {
                Condition::Starting => json!({ "state": "starting" }),
                Condition::Ready => json!({ "state": "ready", "tools": state.tools.len() }),
                Condition::Down(reason) => json!({ "state": "down", "reason": reason }),
            };
            (origin.clone(), state)
        })
        .collect();
    json!({ "tools": tools, "origins": origins })
}

fn table(rows: &[Row], states: &States) {
    let cells: Vec<[String; 4]> =
        [["tool", "origin", "policies", "state"].map(ToOwned::to_owned)]
            .into_iter()
            .chain(rows.iter().map(|row| {
                [row.name.clone(), row.origin.clone(), row.policies.join(", "), row.state.clone()]
            }))
            .collect();
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    for [name, origin, policies, state] in &cells {
        println!("{name:<0$}  {origin:<1$}  {policies:<2$}  {state}", widths[0], widths[1], widths[2]);
    }
    for (origin, state) in states {
        match &state.condition {
            Condition::Starting => println!("{origin}: has not said yet which tools it has"),
            Condition::Down(reason) => println!("{origin}: {reason}"),
            Condition::Ready => {}
        }
    }
}

//! Shows the whole at work over real HTTP, with a client that is not ours, on whatever files there are.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use toolpost::{Runtime, Settings};

mod machine;
mod outage;
mod queue;
mod supplier;
mod ten_steps;
mod workflow;

use machine::Machine;
use supplier::Supplier;

use crate::client::{Client, Era};
use crate::clock::{now, sleep};
use crate::plan::{self, Expected, Planned};
use crate::report::{Form, Report};
use crate::serve::{Failure, executor, runtime, server, url};

/// What this host decides: results may be a minute old.
const SETTINGS: &str = r#"{ "tools": {
    "count_lines": { "cache": { "ttl-ms": 60000, "public": true } },
    "list_files": { "cache": { "ttl-ms": 60000, "public": true } },
    "search_text": { "cache": { "ttl-ms": 60000, "public": true } },
    "survey": { "cache": { "ttl-ms": 60000, "public": true } }
} }"#;

/// The longest that anything is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Shows everything at work over `root`; says whether all went as it had to.
///
/// # Errors
///
/// If `root` is no readable directory, or the server or the client does not come up.
pub fn run(root: &Path, form: Form) -> Result<bool, Failure> {
    let start = now();
    let (supplier, machine) = (Supplier::new(), Machine::new());
    let settings = Settings::from_json(SETTINGS)?;
    let runtime =
        runtime(root, |builder| builder.settings(settings).any(supplier.tool()).any(machine.tool()))?;
    let server = server(&runtime);
    let mut report = Report::new(form);
    executor()?.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = url(listener.local_addr()?);
        let shown = async {
            let shown = show(&url, &runtime, &supplier, &machine, &mut report).await;
            server.stop();
            shown
        };
        let (served, shown) = tokio::join!(server.serve(listener), shown);
        shown?;
        Ok::<_, Failure>(served?)
    })?;
    Ok(report.finish(now() - start)?)
}

async fn show(
    url: &str,
    runtime: &Runtime,
    supplier: &Supplier,
    machine: &Machine,
    report: &mut Report,
) -> Result<(), Failure> {
    report.running("shaking hands");
    let client = Client::over_http(url, Era::Discover).await?;
    let made = every_tool(&client, url, report).await?;
    again(&client, &made, report).await?;
    report.section("What must be refused, with an answer to repair the call from")?;
    for planned in plan::refusals() {
        report.call(plan::make(&client, &planned).await?.0)?;
    }
    outage::show(&client, supplier, report).await?;
    queue::show(&client, machine, report).await?;
    workflow::show(&client, runtime.cache(), report).await?;
    ten_steps::show(&client, runtime.cache(), report).await?;
    client.close().await?;
    let cache = runtime.cache().stats();
    report.count(
        "cache",
        [
            ("hits", cache.fresh_hits),
            ("misses", cache.misses),
            ("failures covered by a stale answer", cache.error_hits),
        ],
    );
    supplier.count(report);
    machine.count(report);
    Ok(())
}

/// Each tool once, as nobody has called it before. Says what was called, and how long it took.
async fn every_tool(
    client: &Client,
    url: &str,
    report: &mut Report,
) -> Result<Vec<(Planned, u128)>, Failure> {
    let names: Vec<_> = client.list().await?.into_iter().map(|tool| tool.name.into_owned()).collect();
    for name in plan::TOOLS.iter().filter(|name| !names.iter().any(|listed| listed == *name)) {
        report.fault(format!("the tool {name} is not listed"));
    }
    let (count, revision) = (plan::TOOLS.len(), Era::Discover.revision());
    report.section(format!("{count} tools at {url}, revision {revision}, and two that the demo makes up"))?;
    let first =
        Planned { tool: "list_files", arguments: json!({ "limit": 2_000 }), expected: Expected::Result };
    let (call, result) = plan::make(client, &first).await?;
    report.call(call)?;
    let listed = result.structured_content.unwrap_or(Value::Null);
    let mut made = Vec::new();
    for planned in plan::each_tool(&listed) {
        report.running(&format!("calling {}", planned.tool));
        let (call, _) = plan::make(client, &planned).await?;
        let is_kept = call.ok && !call.outcome.starts_with("refused");
        if is_kept && !["read_file", "run_workflow"].contains(&planned.tool) {
            made.push((planned, call.micros));
        }
        report.call(call)?;
    }
    Ok(made)
}

/// The same calls again: what they declare is remembered, and says so.
async fn again(client: &Client, made: &[(Planned, u128)], report: &mut Report) -> Result<(), Failure> {
    report.section(
        "The same calls again: all but read_file and run_workflow let their results be remembered",
    )?;
    for (planned, cold) in made {
        let (call, result) = plan::make(client, planned).await?;
        let is_hit = meta(&result, "dev.toolpost/cache") == "hit";
        let before = format!("{}.{:03} ms", cold / 1_000, cold % 1_000);
        let note = match is_hit {
            true => format!("from the cache, after {before} at first"),
            false => "not from the cache".into(),
        };
        report.call(call.noting(is_hit, &note))?;
    }
    Ok(())
}

/// A member of a result's `_meta`; null if there is none.
fn meta(result: &rmcp::model::CallToolResult, name: &str) -> Value {
    let meta = result.meta.as_ref().and_then(|meta| serde_json::to_value(meta).ok());
    meta.and_then(|meta| meta.get(name).cloned()).unwrap_or_default()
}

/// Waits until `condition` holds; says whether it came to hold.
async fn until(condition: impl Fn() -> bool) -> bool {
    let begun = now();
    while !condition() {
        if PATIENCE < now() - begun {
            return false;
        }
        sleep(Duration::from_millis(2)).await;
    }
    true
}

//! The same load on the server before and after: 32 callers over one connection.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rmcp::model::CallToolRequestParams;
use rmcp::service::{RoleClient, RunningService};

use crate::{Failure, Store, after, before, connect};

const TOOLS: [&str; 20] = [
    "lathe", "drill", "mill", "saw", "grinder", "planer", "shaper", "press", "shear", "brake", "hone",
    "reamer", "tap", "die", "chuck", "collet", "vise", "gauge", "steel", "brass",
];

const CALLERS: u32 = 32;

/// Calls that each caller makes.
const ROUNDS: u32 = 50;

/// What is asked, and of which store.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    /// Different questions to each tool; 0: no question is asked twice.
    questions: u32,
    down: bool,
}

/// What came of it.
struct Figures {
    took: Duration,
    latencies: Vec<Duration>,
    answered: usize,
    asked: u64,
}

/// Runs every load on both servers; a table in Markdown.
///
/// # Errors
///
/// If a server does not start.
///
/// # Cancel safety
///
/// Dropping the future stops the load.
pub async fn table() -> Result<String, Failure> {
    let mut table = String::from(
        "| load | server | calls/s | p50 ms | p99 ms | answered | store asked |\n|---|---|--:|--:|--:|--:|--:|\n",
    );
    for load in [
        Load { name: "5 questions to each tool, over and over", questions: 5, down: false },
        Load { name: "no question twice", questions: 0, down: false },
        Load { name: "no question twice, store down", questions: 0, down: true },
    ] {
        for server in ["before", "after"] {
            let store = Arc::new(Store::default());
            if load.down {
                store.take_down();
            }
            let client = match server {
                "after" => connect(after(&store)?).await?,
                _ => connect(before(&store)).await?,
            };
            let figures = run(load, &Arc::new(client), &store).await?;
            writeln!(table, "| {} | {server} | {figures} |", load.name)?;
        }
    }
    Ok(table)
}

async fn run(
    load: Load,
    client: &Arc<RunningService<RoleClient, ()>>,
    store: &Store,
) -> Result<Figures, Failure> {
    let begun = now();
    let callers: Vec<_> =
        (0..CALLERS).map(|caller| tokio::spawn(call(load, caller, Arc::clone(client)))).collect();
    let (mut latencies, mut answered) = (Vec::new(), 0);
    for caller in callers {
        let (took, good) = caller.await?;
        latencies.extend(took);
        answered += good;
    }
    latencies.sort();
    Ok(Figures { took: now() - begun, latencies, answered, asked: store.asked() })
}

async fn call(
    load: Load,
    caller: u32,
    client: Arc<RunningService<RoleClient, ()>>,
) -> (Vec<Duration>, usize) {
    let (mut latencies, mut answered) = (Vec::new(), 0);
    for round in 0..ROUNDS {
        let number = caller * ROUNDS + round;
        let size = if load.questions == 0 { number } else { number / 20 % load.questions };
        let mut request = CallToolRequestParams::new(TOOLS[number as usize % TOOLS.len()]);
        request.arguments = serde_json::json!({ "size": size }).as_object().cloned();
        let begun = now();
        let result = client.call_tool(request).await;
        latencies.push(now() - begun);
        answered += usize::from(result.is_ok_and(|result| result.is_error != Some(true)));
    }
    (latencies, answered)
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let calls = self.latencies.len();
        let at = |share: f64| self.latencies[((calls - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        let rate = calls as f64 / self.took.as_secs_f64();
        let (p50, p99) = (at(0.5), at(0.99));
        write!(f, "{rate:.0} | {p50:.1} | {p99:.1} | {} of {calls} | {}", self.answered, self.asked)
    }
}

fn now() -> Instant {
    Instant::now()
}

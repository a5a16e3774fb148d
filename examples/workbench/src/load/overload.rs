//! Three times as many calls as the permits of a server can run: does it go on working, and refuse the rest at once?

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::goals::{Goal, all_held, goals_to_json, write_goals};
use super::{Ask, Cores, Figures, Pace, Plan, Served, drive};
use crate::report::Form;
use crate::serve::Failure;

/// What the tool takes.
const SERVICE: Duration = Duration::from_millis(20);

/// How many of it run at once; as many may wait.
const SEATS: u32 = 8;

/// Enough for calls to be sent when they are due: one that has to wait its turn takes two times the service.
const CONNECTIONS: u32 = 128;

/// Calls are made at half of the capacity for so long, before and after.
const CALM: Duration = Duration::from_secs(4);

/// An answer that takes longer is not a normal one.
const SLOW: Duration = Duration::from_millis(100);

/// Makes the overload for so long; says whether the server bore it well.
///
/// # Errors
///
/// If the server does not come up.
///
/// # Cancel safety
///
/// Dropping the future ends the server.
pub(super) async fn run(
    root: &Path,
    during: Duration,
    cores: Option<Cores>,
    form: Form,
) -> Result<bool, Failure> {
    let permits = SEATS.to_string();
    let options = ["--with-sleep", "--permits", &permits, "--queue", &permits];
    let served = Served::start(root, &options, cores).await?;
    let arguments = json!({ "ms": SERVICE.as_millis() });
    let ask = Arc::new(Ask::new(served.url(), "sleep", &arguments, &json!({}))?);
    let capacity = f64::from(SEATS) / SERVICE.as_secs_f64();
    let plan = |times: f64, during| Plan {
        connections: CONNECTIONS,
        pace: Pace::Open(times * capacity),
        during,
        slow: Some(SLOW),
    };
    let mut phases = Vec::new();
    for (name, times, during) in [("before", 0.5, CALM), ("overload", 3.0, during), ("after", 0.5, CALM)] {
        form.progress(&format!("{name}: {during:?}"));
        phases.push((name, drive(&ask, plan(times, during)).await?));
    }
    form.clear();
    let goals = goals(&phases[1].1, &phases[2].1, capacity * during.as_secs_f64());
    let ok = all_held(&goals) && phases.iter().all(|(_, phase)| phase.is_ok());
    show(&phases, &goals, ok, form)?;
    Ok(ok)
}

fn goals(overload: &Figures, after: &Figures, possible: f64) -> [Goal; 4] {
    let goodput = overload.answered.len() as f64 / possible;
    let refused = overload.refused.value_at_quantile(0.99);
    let normal = after.last_abnormal;
    [
        (
            "goodput of at least 90 % of the capacity",
            format!("{:.1} % of {possible} calls", goodput * 100.0),
            goodput >= 0.9,
        ),
        (
            "99 of 100 refusals within 10 ms",
            format!(
                "{:.3} ms, the slowest {:.3} ms",
                refused as f64 / 1e3,
                overload.refused.max() as f64 / 1e3
            ),
            !overload.refused.is_empty() && refused <= 10_000,
        ),
        (
            "every refusal says when to come back",
            format!("{} of {}", overload.hinted, overload.refused.len()),
            overload.hinted == overload.refused.len(),
        ),
        (
            "normal again within 2 s",
            normal.map_or_else(|| "at once".to_owned(), |last| format!("after {last:.2?}")),
            normal <= Some(Duration::from_secs(2)),
        ),
    ]
}

fn show(phases: &[(&str, Figures)], goals: &[Goal], ok: bool, form: Form) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if form == Form::Json {
        let phases: Vec<_> = phases.iter().map(|(name, figures)| figures.to_json(name)).collect();
        let goals = goals_to_json(goals);
        serde_json::to_writer_pretty(&mut out, &json!({ "ok": ok, "phases": phases, "goals": goals }))?;
        writeln!(out)?;
        return out.flush();
    }
    for (name, figures) in phases {
        writeln!(out, "{}", form.paint("1", name))?;
        figures.write(&mut out)?;
    }
    writeln!(out)?;
    write_goals(&mut out, goals, form)?;
    out.flush()
}

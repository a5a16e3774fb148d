//! The lock file of tools: shows how what upstreams list differs from it, and accepts that.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use crate::config::Config;
use crate::gateway::{Condition, Gateway};
use crate::say::say;
use crate::{FAILED, Failure, WRONG};

/// What to accept.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The upstreams to pin; all of them, unless told otherwise.
    names: Vec<String>,
    /// Shows what differs, and writes nothing. Ends with 1 if anything does.
    #[arg(long)]
    check: bool,
    /// How long servers may take to say which tools they have.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    wait: u64,
}

/// Shows the differences, and accepts them; returns the exit code.
pub(crate) async fn pin(config: Config, options: Options) -> Result<u8, Failure> {
    let Some(file) = &config.pins else {
        say("there is no lock file; name one by `pins = \"gateway.pins.json\"` in the file, or by --pins");
        return Ok(WRONG);
    };
    let (path, pins) = (file.path.clone(), file.pins.clone());
    let unknown: Vec<&String> =
        options.names.iter().filter(|name| !config.upstreams.contains_key(*name)).collect();
    if !unknown.is_empty() {
        unknown.into_iter().for_each(|name| say(format!("there is no upstream `{name}`")));
        return Ok(WRONG);
    }
    let chosen: BTreeSet<String> = match options.names.is_empty() {
        true => config.upstreams.keys().cloned().collect(),
        false => options.names.into_iter().collect(),
    };
    let gateway = Gateway::start(config).await.map_err(|faults| faults.join("\n"))?;
    gateway.settled(Duration::from_secs(options.wait)).await;
    // Of a server that is not there nothing is known: what is pinned of it stays.
    let states = gateway.states();
    let is_there = |name: &str| {
        states.get(&format!("upstreams.{name}")).is_some_and(|state| state.condition == Condition::Ready)
    };
    let absent: Vec<&String> = chosen.iter().filter(|name| !is_there(name)).collect();
    let changes = gateway.pin_changes().await;
    gateway.stop().await;
    let changes = changes
        .into_iter()
        .filter(|change| chosen.contains(change.upstream()) && is_there(change.upstream()));
    let mut count = 0_usize;
    for change in changes {
        println!("{change}\n{}", change.diff());
        pins.accept(&change);
        count += 1;
    }
    for name in &absent {
        say(format!("upstreams.{name} has not told its tools, and what is pinned of it stays"));
    }
    let is_whole = absent.is_empty();
    if options.check {
        println!("{count} changes");
        return Ok(if is_whole && count == 0 { 0 } else { FAILED });
    }
    if 0 < count || !path.exists() {
        write(&path, &pins.to_json())?;
    }
    println!("{count} changes accepted in {}", path.display());
    Ok(if is_whole { 0 } else { FAILED })
}

/// Writes the file beside its place first: nobody reads half of it.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let draft = path.with_file_name(name);
    let written = std::fs::write(&draft, text).and_then(|()| std::fs::rename(&draft, path));
    written.map_err(|error| format!("{}: {error}", path.display()).into())
}

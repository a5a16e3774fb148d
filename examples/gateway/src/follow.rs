//! Follows the files of the configuration while the gateway serves.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tokio::time::{MissedTickBehavior, interval};

use crate::config::{Config, Files};
use crate::gateway::Gateway;
use crate::say::say;

/// How often files are looked at.
const EVERY: Duration = Duration::from_millis(250);

/// What tells one state of a file from another.
type Stamp = Option<(SystemTime, u64)>;

/// Applies every new configuration, until it is dropped: when a file has changed, or on SIGHUP where `by_signal`. One with
/// faults changes nothing, and is told of on stderr.
pub(crate) async fn follow(gateway: Gateway, files: Files, mut watched: Vec<PathBuf>, by_signal: bool) {
    let mut hangups = Hangups::new(by_signal);
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut applied, mut seen) = (stamps(&watched), stamps(&watched));
    loop {
        let asked = tokio::select! {
            _ = ticks.tick() => false,
            () = hangups.next() => true,
        };
        let now = stamps(&watched);
        // Two looks at the same: whoever writes the file has ended.
        let is_steady = now == std::mem::replace(&mut seen, now.clone());
        if !asked && (now == applied || !is_steady) {
            continue;
        }
        applied = now;
        match Config::load(&files) {
            Err(faults) => {
                say("the new configuration has faults, and nothing is changed:");
                faults.iter().for_each(say);
            }
            Ok(config) => {
                watched.clone_from(&config.watched);
                applied = stamps(&watched);
                seen.clone_from(&applied);
                let notes = config.notes.clone();
                match gateway.apply(config).await {
                    Ok(changes) if changes.is_empty() => say("the configuration is as it was"),
                    Ok(changes) => say(format!("the configuration is changed: {}", changes.join(", "))),
                    Err(faults) => {
                        say("the new configuration makes no sense, and nothing is changed:");
                        faults.into_iter().for_each(say);
                    }
                }
                notes.into_iter().for_each(say);
            }
        }
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |file: &PathBuf| {
        let about = std::fs::metadata(file).ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    files.iter().map(stamp).collect()
}

/// SIGHUP, where it means that the configuration is to be read again.
struct Hangups(Option<tokio::signal::unix::Signal>);

impl Hangups {
    fn new(are_heard: bool) -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self(are_heard.then(|| signal(SignalKind::hangup()).ok()).flatten())
    }

    async fn next(&mut self) {
        let came = match &mut self.0 {
            Some(hangups) => hangups.recv().await,
            None => None,
        };
        if came.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

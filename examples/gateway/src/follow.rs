//! Follows the files of the configuration while the gateway serves.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::config::{Config, Files, Watched};
use crate::gateway::Gateway;
use crate::say::say;

/// How often files are looked at.
const EVERY: Duration = Duration::from_millis(250);

/// Applies every new configuration, until it is dropped: when a file has changed, or on SIGHUP where `by_signal`. One with
/// faults changes nothing, and is told of on stderr.
pub(crate) async fn follow(gateway: Gateway, files: Files, mut applied: Watched, by_signal: bool) {
    let mut hangups = Hangups::new(by_signal);
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = applied.clone();
    loop {
        let asked = tokio::select! {
            _ = ticks.tick() => false,
            () = hangups.next() => true,
        };
        let now = applied.now();
        // Two looks at the same: whoever writes the file has ended.
        let is_steady = now == std::mem::replace(&mut seen, now.clone());
        if !asked && (now == applied || !is_steady) {
            continue;
        }
        match Config::load(&files) {
            Err((faults, watched)) => {
                // A file that is named there and is absent may come.
                applied = watched;
                say("the new configuration has faults, and nothing is changed:");
                faults.iter().for_each(say);
            }
            Ok(config) => {
                applied.clone_from(&config.watched);
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

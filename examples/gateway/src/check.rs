//! Says whether a configuration could be served.

use crate::WRONG;
use crate::config::Config;
use crate::say::say;

/// Says what this machine lacks for `config`, which has no other faults; returns the exit code.
pub(crate) fn check(config: &Config) -> u8 {
    config.notes.iter().for_each(|note| say(note.as_str()));
    let missing = config.missing();
    if !missing.is_empty() {
        missing.into_iter().for_each(say);
        return WRONG;
    }
    let counts = [
        (config.upstreams.len(), "upstream"),
        (config.commands, "program"),
        (config.workers.len(), "worker"),
    ];
    let counts: Vec<String> = counts
        .into_iter()
        .filter(|(count, _)| 0 < *count)
        .map(|(count, name)| format!("{count} {name}{}", if count == 1 { "" } else { "s" }))
        .collect();
    println!("ok: {}", counts.join(", "));
    0
}

//! Hostile clients beside an innocent one; replicas that are killed; sessions that nobody uses.

use crate::{Done, root, run_in};

/// Seconds of each kind, so that all of them take two minutes.
pub(crate) const SHORT: u32 = 3;
/// Seconds of each kind that outlast most time-outs.
pub(crate) const LONG: u32 = 60;

/// Every kind of hostile client for `seconds`, each beside an innocent one. Fails if a server dies, takes more than
/// 256 MiB, leaves the innocent client without an answer, or does not end when it is asked to.
pub(crate) fn run(seconds: u32) -> Done {
    siege(&["--seconds", &seconds.to_string()])
}

/// Two replicas behind a plain balancer, each killed and restarted ten times (in the short form twice) while 1,000 clients
/// with a session and as many without one (100) have calls in flight. Fails if a session is lost, or a call fails that was
/// not in flight on the process that was killed.
pub(crate) fn replicas(short: bool) -> Done {
    let size = if short { ["100", "100", "2"] } else { ["1000", "1000", "10"] };
    siege(&["replicas", "--sessions", size[0], "--modern", size[1], "--kills", size[2]])
}

/// A million sessions, in the short form 50,000, that are opened and never used. Fails if memory grows by more than 1 MiB.
pub(crate) fn abandoned(short: bool) -> Done {
    siege(&["abandoned", "--sessions", if short { "50000" } else { "1000000" }])
}

fn siege(arguments: &[&str]) -> Done {
    let root = root();
    // At once, so that the two share their dependencies.
    run_in(&root, "cargo", &["build", "--release", "--quiet", "-p", "workbench", "-p", "siege"])?;
    // Clients need more descriptors than the server has.
    let script = r#"ulimit -n "$(ulimit -Hn)"; exec "$0" "$@""#;
    run_in(&root, "sh", &[&["-c", script, "target/release/siege"], arguments].concat())
}

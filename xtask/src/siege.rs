//! Hostile clients beside an innocent one.

use crate::{Done, root, run_in};

/// Seconds of each kind, so that all of them take two minutes.
pub(crate) const SHORT: u32 = 3;
/// Seconds of each kind that outlast most time-outs.
pub(crate) const LONG: u32 = 60;

/// Every kind of hostile client for `seconds`, each beside an innocent one. Fails if a server dies, takes more than
/// 256 MiB, leaves the innocent client without an answer, or does not end when it is asked to.
pub(crate) fn run(seconds: u32) -> Done {
    let root = root();
    // At once, so that the two share their dependencies.
    run_in(&root, "cargo", &["build", "--release", "--quiet", "-p", "workbench", "-p", "siege"])?;
    // Hostile clients need more descriptors than the server has.
    let script = r#"ulimit -n "$(ulimit -Hn)"; exec target/release/siege --seconds "$0""#;
    run_in(&root, "sh", &["-c", script, &seconds.to_string()])
}

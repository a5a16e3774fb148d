//! Calls for a long time.

use crate::{Done, root, run_in};

/// Two million calls in one process, and 500 clients of a server for ten minutes, or in the short form for 20 seconds.
/// Fails if memory grows, a call fails, or latencies drift.
pub(crate) fn run(short: bool) -> Done {
    let mut args = vec!["run", "--release", "-q", "-p", "workbench", "--", "soak"];
    if short {
        args.extend(["--calls", "2000000", "--seconds", "20"]);
    }
    run_in(&root(), "cargo", &args)
}

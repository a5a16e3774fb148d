//! What may be depended on.

use std::path::Path;
use std::process::Command;

use crate::{Done, root, run_in};

/// Licenses, origins and banned crates, as `.cargo/deny.toml` says. (Advisories would need the network.)
pub(crate) fn deny() -> Done {
    let root = root();
    // Hundreds of crates to build for a second's work: it is used where it is, and not installed here.
    let Some(deny) = found(&root, "cargo-deny") else {
        println!("skipped: cargo-deny is not installed (`cargo install --locked cargo-deny`, some minutes)");
        return Ok(());
    };
    let args = ["--offline", "--log-level", "error", "check"];
    run_in(&root, &deny, &[&args[..], &["bans", "licenses", "sources"]].concat())
}

fn found(root: &Path, name: &str) -> Option<String> {
    let own = root.join("target/tools/bin").join(name).display().to_string();
    // As cargo calls it: by the name of the subcommand first.
    let args = [name.trim_start_matches("cargo-"), "--version"];
    let works =
        |program: &str| Command::new(program).args(args).output().is_ok_and(|out| out.status.success());
    [own, name.to_owned()].into_iter().find(|program| works(program))
}

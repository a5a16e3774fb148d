//! Fuzzing where bytes come in.

use std::process::Command;

use crate::{Done, root, run_in};

/// Runs every fuzz target for `seconds`; says so and does nothing where fuzzing is not possible.
pub(crate) fn run(seconds: u32) -> Done {
    let root = root();
    let works =
        |args: &[&str]| Command::new("cargo").args(args).output().is_ok_and(|out| out.status.success());
    if !works(&["+nightly", "--version"]) {
        println!("skipped: fuzzing needs a nightly toolchain; `cargo test` replays the committed corpora");
        return Ok(());
    }
    if !works(&["fuzz", "--version"]) {
        println!("installing cargo-fuzz");
        if run_in(&root, "cargo", &["install", "--quiet", "--locked", "cargo-fuzz"]).is_err() {
            println!("skipped: cargo-fuzz cannot be installed");
            return Ok(());
        }
    }
    let listed = Command::new("cargo").args(["+nightly", "fuzz", "list"]).current_dir(&root).output();
    let listed = listed.map_err(|error| format!("cargo fuzz list: {error}"))?;
    let time = format!("-max_total_time={seconds}");
    for target in String::from_utf8_lossy(&listed.stdout).lines() {
        println!("-- fuzz: {target}");
        run_in(
            &root,
            "cargo",
            &["+nightly", "fuzz", "run", target, "--", &time, "-rss_limit_mb=4096", "-verbosity=0"],
        )?;
    }
    Ok(())
}

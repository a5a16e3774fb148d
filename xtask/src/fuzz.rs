//! Fuzzing where bytes come in.

use std::process::Command;

use crate::{Done, hygiene, root, run_in};

/// Runs every fuzz target for `seconds`; says so and does nothing where fuzzing is not possible.
pub(crate) fn run(seconds: u32) -> Done {
    let root = root();
    if !hygiene::installed("fuzz") && !hygiene::install("cargo-fuzz") {
        println!("`cargo test` replays the committed corpora all the same");
        return Ok(());
    }
    let listed = Command::new("cargo").args(["fuzz", "list"]).current_dir(&root).output();
    let listed = listed.map_err(|error| format!("cargo fuzz list: {error}"))?;
    let time = format!("-max_total_time={seconds}");
    for target in String::from_utf8_lossy(&listed.stdout).lines() {
        println!("-- fuzz: {target}");
        // A stable compiler can count coverage, but asks to be told that this is meant. Nothing here is `unsafe`,
        // so that an address sanitizer would only watch other people's code, at half the speed.
        let fuzz = ["RUSTC_BOOTSTRAP=1", "cargo", "fuzz", "run", "--sanitizer", "none", target];
        let options = ["--", &time, "-rss_limit_mb=4096", "-timeout=20", "-verbosity=0"];
        run_in(&root, "env", &[&fuzz[..], &options].concat())?;
    }
    Ok(())
}

//! Model checkers: each crate's `tests/loom.rs` and `tests/shuttle.rs`.

use crate::{Done, root, run_in};

/// Every interleaving of a few threads and operations.
pub(crate) fn loom() -> Done {
    run("loom")
}

/// Random schedules with random cancellation; `TOOLPOST_SCHEDULES` raises their number.
pub(crate) fn shuttle() -> Done {
    run("shuttle")
}

fn run(model: &str) -> Done {
    let root = root();
    let crates = std::fs::read_dir(root.join("crates")).map_err(|error| format!("crates: {error}"))?;
    let mut names: Vec<String> = crates
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| root.join("crates").join(name).join("tests").join(format!("{model}.rs")).is_file())
        .collect();
    names.sort();
    for name in names {
        println!("-- {model}: {name}");
        let flags = format!("RUSTFLAGS=--cfg {model}");
        let target = format!("target/{model}");
        run_in(
            &root,
            "env",
            &[
                &flags,
                "cargo",
                "test",
                "--release",
                "-p",
                &name,
                "--all-features",
                "--test",
                model,
                "--target-dir",
                &target,
            ],
        )?;
    }
    Ok(())
}

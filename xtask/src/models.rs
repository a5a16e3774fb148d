//! Model checkers: each crate's `tests/loom.rs` and `tests/shuttle.rs`, and those in the source of what is private.

use crate::{Done, root, run_in};

/// Every interleaving of a few threads and operations.
pub(crate) fn loom() -> Done {
    run("loom")
}

/// Random schedules with random cancellation; `TOOLPOST_SCHEDULES` raises their number.
pub(crate) fn shuttle() -> Done {
    run("shuttle")
}

/// Models of what is private to a crate: the checker, the crate, the module of its tests.
const INSIDE: &[(&str, &str, &str)] = &[("shuttle", "toolpost-cache", "single_flight::shuttle")];

fn run(model: &str) -> Done {
    let root = root();
    let crates = std::fs::read_dir(root.join("crates")).map_err(|error| format!("crates: {error}"))?;
    let mut names: Vec<String> = crates
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| root.join("crates").join(name).join("tests").join(format!("{model}.rs")).is_file())
        .collect();
    names.sort();
    for name in names {
        test(model, &name, &["--test", model])?;
    }
    let inside = INSIDE.iter().filter(|(checker, ..)| *checker == model);
    inside.into_iter().try_for_each(|(_, name, module)| test(model, name, &["--lib", module]))
}

/// Runs the tests of one crate that `which` selects, under a model checker.
fn test(model: &str, name: &str, which: &[&str]) -> Done {
    println!("-- {model}: {name}");
    let flags = format!("RUSTFLAGS=--cfg {model}");
    let target = format!("target/{model}");
    let mut args =
        vec![&*flags, "cargo", "test", "--release", "-p", name, "--all-features", "--target-dir", &target];
    args.extend(which);
    run_in(&root(), "env", &args)
}

//! Benches beside their peers.

use crate::{Done, root, run_in};

/// Benches that fail when a goal is not met. Their goals are ratios in one run, in instructions where
/// valgrind is installed, so that a busy machine changes nothing.
const GATES: &[(&str, &[&str])] = &[
    ("breaker", &["gate"]),
    ("cache", &["gate"]),
    ("pipeline", &["gate"]),
    ("spine", &[]),
    ("startup", &["gate"]),
];

/// Runs every gate.
pub(crate) fn gate() -> Done {
    GATES.iter().try_for_each(|(name, rest)| run(name, rest))
}

/// Runs the bench called `name` of the benches workspace; `rest` goes to its binary.
pub(crate) fn run(name: &str, rest: &[&str]) -> Done {
    let package = format!("bench-{name}");
    let dir = root().join("benches");
    // What benches share is no bench.
    let is_bench = |name: &str| {
        let manifest = std::fs::read_to_string(dir.join(name).join("Cargo.toml")).unwrap_or_default();
        manifest.contains(&format!("name = \"bench-{name}\""))
    };
    if !is_bench(name) {
        let mut known: Vec<String> = std::fs::read_dir(&dir)
            .map_err(|error| format!("{}: {error}", dir.display()))?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| is_bench(name))
            .collect();
        known.sort();
        return Err(format!("there is no bench `{name}`; there are: {}", known.join(", ")));
    }
    let mut args = vec!["run", "--release", "--quiet", "--package", &package, "--"];
    args.extend(rest);
    run_in(&dir, "cargo", &args)
}

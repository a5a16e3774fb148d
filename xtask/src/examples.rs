//! Runs every example that ends by itself, and checks what the README's prints.

use std::process::Command;

use crate::{Done, build_binaries, root};

/// Examples that end by themselves; servers are run by the tests that need them.
const EXAMPLES: &[&str] = &[
    "hello_tool",
    "wrap_it",
    "custom_policy",
    "lazy_categories",
    "inside_rmcp",
    "inside_axum",
    "breaker_without_mcp",
    "workflow",
    "workflow_without_mcp",
];

/// An example is read in one sitting.
const LONGEST: usize = 100;

/// Runs every example; fails if one fails, prints nothing, or has grown long.
pub(crate) fn run() -> Done {
    let root = root();
    build_binaries(&root)?;
    for name in EXAMPLES {
        let source = root.join("examples").join(name).join("src/main.rs");
        let text =
            std::fs::read_to_string(&source).map_err(|error| format!("{}: {error}", source.display()))?;
        let lines = text.lines().count();
        if LONGEST < lines {
            return Err(format!("example {name} has {lines} lines; at most {LONGEST}"));
        }
        if !text.contains("cargo run") {
            return Err(format!("example {name} does not say how to run it"));
        }
        let out = Command::new(root.join("target/debug").join(name))
            .current_dir(&root)
            .output()
            .map_err(|error| format!("{name}: {error}"))?;
        let printed = String::from_utf8_lossy(&out.stdout).into_owned();
        if !out.status.success() || printed.is_empty() {
            let said = String::from_utf8_lossy(&out.stderr);
            return Err(format!("example {name} ended with {}: {printed}{said}", out.status));
        }
        println!("example {name}: {} lines printed", printed.lines().count());
        if *name == "hello_tool" {
            readme_shows(&printed)?;
        }
    }
    Ok(())
}

/// What the README says its first code prints.
fn readme_shows(printed: &str) -> Done {
    let readme =
        std::fs::read_to_string(root().join("README.md")).map_err(|error| format!("README.md: {error}"))?;
    let shown = readme.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or("");
    match shown == printed {
        true => Ok(()),
        false => Err(format!("README.md shows\n{shown}and hello_tool prints\n{printed}")),
    }
}

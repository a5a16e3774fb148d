//! Runs every example that ends by itself, and checks what the README's prints.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use crate::{Done, build_binaries, root};

/// What a client says to the one that serves, which ends with its input.
const SAID: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"xtask","version":"1"}}}
{"jsonrpc":"2.0","method":"notifications/initialized"}
{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"greet","arguments":{"name":"Ada"}}}
"#;

/// Examples that end by themselves, or with their input.
const EXAMPLES: &[&str] = &[
    "hello_tool",
    "wrap_it",
    "programs",
    "upstream",
    "custom_policy",
    "lazy_categories",
    "inside_rmcp",
    "inside_axum",
    "own_transport",
    "own_authentication",
    "bearer_tokens",
    "repeated_calls",
    "breaker_without_mcp",
    "workflow",
    "workflow_without_mcp",
    "server",
    "ask_a_server",
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
        let (binary, input) = match *name {
            "server" => ("example-server", SAID),
            name => (name, ""),
        };
        let mut command = Command::new(root.join("target/debug").join(binary));
        let out = answered(command.current_dir(&root), input).map_err(|error| format!("{name}: {error}"))?;
        let printed = String::from_utf8_lossy(&out.stdout).into_owned();
        if !out.status.success() || printed.is_empty() {
            let said = String::from_utf8_lossy(&out.stderr);
            return Err(format!("example {name} ended with {}: {printed}{said}", out.status));
        }
        println!("example {name}: {} lines printed", printed.lines().count());
        if *name == "server" && !printed.contains("Hello, Ada!") {
            return Err(format!("example {name} greets nobody: {printed}"));
        }
        if *name == "hello_tool" {
            readme_shows(&printed)?;
        }
    }
    Ok(())
}

/// What a command prints that is told `input` and no more.
pub(crate) fn answered(command: &mut Command, input: &str) -> std::io::Result<Output> {
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // Most examples read nothing, and may have ended by now.
        let _unread = stdin.write_all(input.as_bytes());
    }
    child.wait_with_output()
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

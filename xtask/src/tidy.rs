//! What rustc cannot check. Runs under `cargo test`.

mod pages;
mod unrun;

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Done, root};

/// Who may know whom: each crate, and the crates of the family it may depend on.
const LAYERS: &[(&str, &[&str])] = &[
    ("toolpost-breaker", &[]),
    ("toolpost-cache", &[]),
    ("toolpost-pool", &[]),
    ("toolpost-retry", &[]),
    ("toolpost-scheduler", &[]),
    ("toolpost-workflow", &[]),
    // The journal of runs on the log: of use without MCP, so not in the facade.
    ("toolpost-runs", &["toolpost-journal", "toolpost-workflow"]),
    ("toolpost-journal", &[]),
    ("toolpost-json", &[]),
    ("toolpost-protocol", &["toolpost-json"]),
    ("toolpost-tool", &["toolpost-json", "toolpost-protocol"]),
    ("toolpost-plan", &["toolpost-json", "toolpost-runs", "toolpost-tool", "toolpost-workflow"]),
    ("toolpost-client", &["toolpost-json", "toolpost-protocol"]),
    // The dispatcher for its near names alone.
    (
        "toolpost-process",
        &["toolpost-dispatch", "toolpost-json", "toolpost-protocol", "toolpost-retry", "toolpost-tool"],
    ),
    // The dispatcher for its traits and for compiling schemas.
    (
        "toolpost-upstream",
        &[
            "toolpost-breaker",
            "toolpost-client",
            "toolpost-dispatch",
            "toolpost-json",
            "toolpost-pool",
            "toolpost-process",
            "toolpost-protocol",
            "toolpost-retry",
            "toolpost-tool",
        ],
    ),
    // The dispatcher and the server for its client in memory alone, behind the feature `client`.
    (
        "toolpost-test",
        &["toolpost-dispatch", "toolpost-json", "toolpost-protocol", "toolpost-server", "toolpost-tool"],
    ),
    ("toolpost-dispatch", &["toolpost-json", "toolpost-protocol", "toolpost-tool"]),
    ("toolpost-server", &["toolpost-dispatch", "toolpost-json", "toolpost-protocol", "toolpost-tool"]),
    ("toolpost-auth", &["toolpost-dispatch", "toolpost-json", "toolpost-server", "toolpost-tool"]),
    (
        "toolpost",
        &[
            "toolpost-auth",
            "toolpost-breaker",
            "toolpost-cache",
            "toolpost-dispatch",
            "toolpost-journal",
            "toolpost-json",
            "toolpost-plan",
            "toolpost-pool",
            "toolpost-process",
            "toolpost-protocol",
            "toolpost-retry",
            "toolpost-runs",
            "toolpost-scheduler",
            "toolpost-server",
            "toolpost-tool",
            "toolpost-upstream",
            "toolpost-workflow",
        ],
    ),
    (
        "toolpost-rmcp",
        &["toolpost", "toolpost-dispatch", "toolpost-json", "toolpost-protocol", "toolpost-tool"],
    ),
];

/// The visible names at the top, besides build products.
const TOP: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "benches",
    "crates",
    "docs",
    "examples",
    "fuzz",
    "interop",
    "target",
    "xtask",
];

/// Lines a hand-written file may have, its tests not counted.
const LONGEST: usize = 500;

/// Prints every fault.
pub(crate) fn run() -> Done {
    let faults = faults(&root());
    match faults.is_empty() {
        true => Ok(()),
        false => Err(format!("{} faults\n{}", faults.len(), faults.join("\n"))),
    }
}

fn faults(root: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    let (mut files, mut texts) = (Vec::new(), Vec::new());
    collect(root, &mut files);
    for path in &files {
        let name = path.strip_prefix(root).unwrap_or(path).display().to_string();
        let Ok(text) = fs::read_to_string(path) else { continue };
        if name.ends_with("Cargo.toml") {
            manifest(&name, &text, &mut faults);
        } else if name.ends_with(".rs") {
            source(&name, &text, &mut faults);
            test_binaries(&name, &mut faults);
            citations(&name, &text, &mut faults);
        }
        prose(&name, &text, &mut faults);
        texts.push((name, text));
    }
    pages::uncompiled(&texts, &mut faults);
    unrun::unrun(&texts, &mut faults);
    top(root, &mut faults);
    msrv(root, &mut faults);
    first_screen(root, &mut faults);
    walk(root, &mut faults);
    faults.sort();
    faults
}

/// Files that are ours and are text.
fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let skipped = ["target", ".git", "corpus", "artifacts", "coverage", "node_modules"];
        if path.is_dir() {
            if !skipped.contains(&&*name) {
                collect(&path, files);
            }
        } else if [".rs", ".toml", ".md", ".yml", ".sh"].iter().any(|end| name.ends_with(end))
            || name == "run"
        {
            files.push(path);
        }
    }
}

fn manifest(name: &str, text: &str, faults: &mut Vec<String>) {
    let krate =
        text.lines().find_map(|line| line.strip_prefix("name = ")).map(|n| n.trim_matches('"').to_owned());
    let (Some(krate), true) = (krate, name.starts_with("crates/") || name.starts_with("xtask")) else {
        return;
    };
    if !text.contains("rust-version.workspace = true") {
        faults.push(format!("{name}: the Rust version is stated once, in the workspace"));
    }
    let allowed = LAYERS.iter().find(|(name, _)| *name == krate).map(|(_, allowed)| *allowed);
    if allowed.is_none() && krate != "xtask" {
        faults.push(format!("{name}: `{krate}` has no row in the layering table"));
    }
    let mut section = "";
    for line in text.lines() {
        if line.starts_with('[') {
            section = line;
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let dependency = key.trim().trim_end_matches(".workspace");
        if !section.contains("dependencies") {
            continue;
        }
        if value.contains("version") || value.trim().starts_with('"') {
            faults.push(format!("{name}: the version of `{dependency}` belongs in the workspace"));
        }
        let ours = dependency.starts_with("toolpost") && dependency != krate;
        if section == "[dependencies]"
            && ours
            && allowed.is_some_and(|allowed| !allowed.contains(&dependency))
        {
            faults.push(format!("{name}: {krate} must not know {dependency}"));
        }
    }
}

fn source(name: &str, text: &str, faults: &mut Vec<String>) {
    if !text.starts_with("//!") {
        faults.push(format!("{name}: a file begins by saying what it does (`//!`)"));
    }
    let fences = text.lines().filter_map(|line| line.trim_start().trim_start_matches("//").split_once("```"));
    if fences
        .into_iter()
        .any(|(before, tags)| before.len() < 3 && tags.split(',').any(|tag| tag.trim() == "ignore"))
    {
        faults.push(format!("{name}: a fence that is ignored is not compiled"));
    }
    let in_tests = name.contains("/tests/") || name.ends_with("/tests.rs");
    let body = text.split("\n#[cfg(test)]").next().unwrap_or(text);
    let lines = body.lines().count();
    if LONGEST < lines && !in_tests {
        faults.push(format!(
            "{name}: {lines} lines; split it by what it does (at most {LONGEST} without tests)"
        ));
    }
    if name.starts_with("crates/") && !in_tests {
        cancel_safety(name, body, faults);
    }
}

/// Every public function that is async, or returns a future, says what happens when the future is dropped.
fn cancel_safety(name: &str, body: &str, faults: &mut Vec<String>) {
    let mut docs = String::new();
    let mut lines = body.lines().map(str::trim_start);
    while let Some(line) = lines.next() {
        if line.starts_with("///") {
            docs.push_str(line);
        } else if line.starts_with("pub async fn") || line.starts_with("pub fn") {
            let mut signature = line.to_owned();
            while !signature.ends_with(['{', ';', '}']) {
                let Some(more) = lines.next() else { break };
                signature.push_str(more);
            }
            let returned = signature.split_once("->").map_or("", |(_, returned)| returned);
            let waits = line.starts_with("pub async fn")
                || ["impl Future", "dyn Future", "BoxFuture"].iter().any(|future| returned.contains(future));
            if waits && !docs.contains("# Cancel safety") {
                let function = line.split(['(', '<']).next().unwrap_or(line);
                faults.push(format!("{name}: `{function}` does not say whether it is cancel safe"));
            }
            docs.clear();
        } else if !line.starts_with("#[") {
            docs.clear();
        }
    }
}

/// A comment such as `// Cases 12` cites a list that its reader does not have.
fn citations(name: &str, text: &str, faults: &mut Vec<String>) {
    for (n, line) in text.lines().enumerate() {
        let Some(comment) = line.trim_start().strip_prefix("// ") else { continue };
        let Some((word, rest)) = comment.split_once(' ') else { continue };
        let number = rest.split([',', ':']).next().unwrap_or(rest);
        let names = word.starts_with(char::is_uppercase) && word.chars().all(char::is_alphabetic);
        if names && !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()) {
            faults.push(format!("{name}:{}: `{comment}` cites a list that is not here", n + 1));
        }
    }
}

/// Tests of a crate link once: `tests/it/main.rs`, besides the model checkers, which need a build of their own.
fn test_binaries(name: &str, faults: &mut Vec<String>) {
    let Some((_, file)) = name.split_once("/tests/") else { return };
    let own = ["loom.rs", "shuttle.rs"].contains(&file);
    if name.starts_with("crates/") && !file.contains('/') && !own {
        faults.push(format!("{name}: one more binary to link; make it a module of tests/it/main.rs"));
    }
}

/// Text speaks of the project alone.
fn prose(name: &str, text: &str, faults: &mut Vec<String>) {
    if name == "xtask/src/tidy.rs" {
        return;
    }
    for (n, line) in text.lines().enumerate() {
        if line.ends_with(' ') || line.ends_with('\t') {
            faults.push(format!("{name}:{}: space at the end of the line", n + 1));
        }
        if ["/root/", "/work/", "/home/"].iter().any(|path| line.contains(path)) {
            faults.push(format!("{name}:{}: a path of one machine", n + 1));
        }
    }
}

fn top(root: &Path, faults: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && !TOP.contains(&&*name) {
            faults.push(format!("{name}: not one of the names at the top"));
        }
    }
}

/// The README promises the Rust version that the workspace states.
fn msrv(root: &Path, faults: &mut Vec<String>) {
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap_or_default();
    let stated = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap_or("?");
    let readme = fs::read_to_string(root.join("README.md")).unwrap_or_default();
    if !readme.contains(&format!("Rust {}", stated.trim_matches('"'))) {
        faults.push(format!("README.md: does not name the workspace's Rust version, {stated}"));
    }
}

/// The README's first code is a program that runs: `examples/hello_tool`.
fn first_screen(root: &Path, faults: &mut Vec<String>) {
    let readme = fs::read_to_string(root.join("README.md")).unwrap_or_default();
    let program = fs::read_to_string(root.join("examples/hello_tool/src/main.rs")).unwrap_or_default();
    let shown = readme.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or("?");
    if !program.ends_with(shown) {
        faults.push("README.md: its first code differs from examples/hello_tool".into());
    }
    // A crate is packed with files of its own folder alone.
    if readme != fs::read_to_string(root.join("crates/toolpost/README.md")).unwrap_or_default() {
        faults.push("crates/toolpost/README.md: not the same as README.md, of which it is the copy".into());
    }
}

/// What `docs/where.md` says where it is, is there: a row is a question, a link to a file, a line of that file.
fn walk(root: &Path, faults: &mut Vec<String>) {
    let page = fs::read_to_string(root.join("docs/where.md")).unwrap_or_default();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| Where "));
    let mut count = 0;
    for row in rows {
        count += 1;
        let cells: Vec<&str> = row.split(" | ").collect();
        let file = cells.get(1).and_then(|cell| cell.strip_prefix('[')?.split(']').next()).unwrap_or("?");
        let line = cells.get(2).map_or("?", |cell| cell.trim_end_matches(" |").trim_matches(['`', ' ']));
        let text = fs::read_to_string(root.join(file)).unwrap_or_default();
        if !text.contains(line) {
            faults.push(format!("docs/where.md: `{line}` is not in {file}"));
        }
    }
    if count < 10 {
        faults.push(format!("docs/where.md: answers {count} questions, and ought to answer ten"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tidy() {
        assert_eq!(faults(&root()), Vec::<String>::new());
    }

    #[test]
    fn a_leaf_that_knows_another_is_a_fault() {
        let text = "[package]\nname = \"toolpost-cache\"\nrust-version.workspace = true\n\n\
                    [dependencies]\ntoolpost-breaker.workspace = true\nserde = \"1\"\n";
        let mut found = Vec::new();
        manifest("crates/toolpost-cache/Cargo.toml", text, &mut found);
        assert_eq!(
            found,
            [
                "crates/toolpost-cache/Cargo.toml: toolpost-cache must not know toolpost-breaker",
                "crates/toolpost-cache/Cargo.toml: the version of `serde` belongs in the workspace",
            ],
        );
    }

    #[test]
    fn sources_are_checked() {
        let mut found = Vec::new();
        source("crates/x/src/a.rs", "pub async fn f() {}\n", &mut found);
        source("crates/x/src/b.rs", &format!("//! B.\n{}", "fn f() {}\n".repeat(LONGEST)), &mut found);
        assert_eq!(found.len(), 3, "{found:?}");
    }

    #[test]
    fn whatever_waits_says_whether_it_is_cancel_safe() {
        let said = "/// Waits.\n///\n/// # Cancel safety\n///\n/// Yes.\n#[must_use]\n";
        let waits = [
            "pub async fn f() {}\n",
            "pub fn f(\n    a: u8,\n) -> impl Future<Output = ()> + use<> {\n}\n",
            "pub fn f() -> Pin<Box<dyn Future<Output = ()>>> {}\n",
        ];
        for function in waits {
            let mut found = Vec::new();
            cancel_safety("a.rs", function, &mut found);
            assert_eq!(
                found,
                ["a.rs: `".to_owned()
                    + function.split('(').next().unwrap()
                    + "` does not say whether it is cancel safe"]
            );
            found.clear();
            cancel_safety("a.rs", &format!("{said}{function}"), &mut found);
            cancel_safety("a.rs", "pub fn f(of: impl Future) -> u8 {\n", &mut found);
            assert!(found.is_empty(), "{found:?}");
        }
    }

    #[test]
    fn a_list_that_is_not_here_is_not_cited() {
        let mut found = Vec::new();
        citations(
            "a.rs",
            "// Cache 12\n    // Retry 2, Retry 6\n// Cache 9: what it is\n// About 1 ms\n// 12\n",
            &mut found,
        );
        assert_eq!(found.len(), 3, "{found:?}");
    }

    #[test]
    fn a_test_binary_more_is_a_fault() {
        let mut found = Vec::new();
        for name in ["crates/x/tests/it/a.rs", "crates/x/tests/loom.rs", "crates/x/tests/b.rs"] {
            test_binaries(name, &mut found);
        }
        assert_eq!(found.len(), 1, "{found:?}");
    }
}

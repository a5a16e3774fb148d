//! Rust in a page is compiled: some crate includes the page in its documentation.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// What a source of ours says to make a page part of its documentation.
const INCLUDES: &str = "doc = include_str!(\"";

/// The page that is included as its copy, to which [`first_screen`](super::first_screen) holds it.
const COPIED: &str = "README.md";

/// Pages whose Rust nobody compiles; `files` are all that are ours, by name and text.
pub(super) fn uncompiled(files: &[(String, String)], faults: &mut Vec<String>) {
    let included: BTreeSet<PathBuf> =
        files.iter().filter(|(name, _)| name.ends_with(".rs")).flat_map(included).collect();
    for (name, text) in files.iter().filter(|(name, _)| name.ends_with(".md")) {
        let tags: Vec<Vec<&str>> = fences(text).collect();
        if tags.iter().any(|tags| tags.contains(&"ignore")) {
            faults.push(format!("{name}: a fence that is ignored is not compiled"));
        }
        let has_rust = tags.iter().any(|tags| tags.contains(&"rust"));
        if has_rust && name != COPIED && !included.contains(Path::new(name)) {
            faults.push(format!("{name}: no crate compiles its Rust; see examples/pages"));
        }
    }
}

/// The pages that one source includes.
fn included((name, text): &(String, String)) -> Vec<PathBuf> {
    let dir = Path::new(name).parent().unwrap_or(Path::new(""));
    let named = text.split(INCLUDES).skip(1).filter_map(|rest| rest.split('"').next());
    named.map(|page| without_dots(&dir.join(page))).collect()
}

/// The same path, with each `..` taken back.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = plain.pop(),
            part => plain.push(part),
        }
    }
    plain
}

/// The tags of each fence that opens.
fn fences(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix("```"));
    lines.step_by(2).map(|tags| tags.split([',', ' ']).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_that_nobody_compiles_is_a_fault() {
        let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let page = "# Page\n\n```text\nno rust\n```\n\n```rust,no_run\nf();\n```\n";
        let files = [
            file("docs/page.md", page),
            file("docs/other.md", page),
            file("docs/words.md", "```sh\nls\n```\n```\nrust\n```\n"),
            file("crates/x/docs/ignored.md", "```ignore\n```\n"),
            file("crates/x/src/lib.rs", "#[doc = include_str!(\"../../../docs/page.md\")]\nstruct Page;\n"),
            file("crates/x/src/a.rs", "const OTHER: &str = include_str!(\"../../../docs/other.md\");\n"),
        ];
        let mut found = Vec::new();
        uncompiled(&files, &mut found);
        assert_eq!(
            found,
            [
                "docs/other.md: no crate compiles its Rust; see examples/pages",
                "crates/x/docs/ignored.md: a fence that is ignored is not compiled",
            ]
        );
    }
}

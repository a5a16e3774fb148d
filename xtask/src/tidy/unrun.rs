//! Unit tests stand where they are run: not in a library whose manifest says that it has none.

/// Tests that `cargo test` passes over; `files` are all that are ours, by name and text.
pub(super) fn unrun(files: &[(String, String)], faults: &mut Vec<String>) {
    let without = files.iter().filter(|(_, text)| has_no_tests(text));
    for dir in without.filter_map(|(name, _)| name.strip_suffix("Cargo.toml")) {
        let sources = format!("{dir}src/");
        let sources = files.iter().filter(|(name, _)| name.starts_with(&sources) && name.ends_with(".rs"));
        for (name, _) in sources.filter(|(_, text)| text.contains("#[cfg(test)]") || text.contains("#[test]"))
        {
            faults.push(format!("{name}: its tests are not run: {dir}Cargo.toml has `test = false`"));
        }
    }
}

/// Whether this is the manifest of a crate whose library has no unit tests.
fn has_no_tests(manifest: &str) -> bool {
    let library = manifest.split("\n[lib]\n").nth(1).and_then(|rest| rest.split("\n[").next());
    library.is_some_and(|library| library.lines().any(|line| line == "test = false"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_test_that_nobody_runs_is_a_fault() {
        let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let files =
            |manifest| [file("crates/a/Cargo.toml", manifest), file("crates/a/src/b.rs", "#[cfg(test)]")];
        let faults = |manifest| {
            let mut faults = Vec::new();
            unrun(&files(manifest), &mut faults);
            faults.len()
        };
        assert_eq!(faults("[package]\nname = \"a\"\n\n[lib]\ntest = false\n\n[dependencies]\n"), 1);
        assert_eq!(faults("[package]\nname = \"a\"\n\n[[test]]\nname = \"loom\"\ntest = false\n"), 0);
        assert_eq!(faults("[package]\nname = \"a\"\n\n[lib]\n\n[[bin]]\ntest = false\n"), 0);
    }
}

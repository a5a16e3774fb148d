//! Keeps the figures of the last full run of each bench in `benches/RESULTS.md`.

use std::path::Path;

const TITLE: &str = "# Results\n\nFigures of the last full run of each bench, written by the bench itself.\n";

/// Replaces the section `name` of the results by `text`.
///
/// # Errors
///
/// If the file cannot be read or written.
pub fn record(name: &str, text: &str) -> std::io::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../RESULTS.md");
    let old = match std::fs::read_to_string(&path) {
        Ok(old) => old,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => TITLE.to_owned(),
        Err(error) => return Err(error),
    };
    std::fs::write(path, with_section(&old, name, text))
}

/// The machine in one line: processor, how many of them, system.
pub fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    // Not `available_parallelism`: it counts the cores this thread is pinned to.
    let cpus = info.lines().filter(|line| line.starts_with("processor")).count();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    format!("{cpus} processors ({model}), {} {}", std::env::consts::OS, std::env::consts::ARCH)
}

fn with_section(old: &str, name: &str, text: &str) -> String {
    let heading = format!("## {name}\n");
    let mut sections = old.split_inclusive('\n').fold(vec![String::new()], |mut sections, line| {
        if line.starts_with("## ") {
            sections.push(String::new());
        }
        sections.last_mut().expect("never empty").push_str(line);
        sections
    });
    let new = format!("{heading}\n{}\n", text.trim_end());
    match sections.iter_mut().skip(1).find(|section| section.starts_with(&heading)) {
        Some(section) => *section = new,
        None => sections.push(new),
    }
    let sections: Vec<&str> = sections.iter().map(|section| section.trim_end()).collect();
    sections.join("\n\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::with_section;

    #[test]
    fn a_section_is_added_once_and_then_replaced() {
        let one = with_section("# Results\n", "http", "first");
        let two = with_section(&one, "stdio", "other");
        let three = with_section(&two, "http", "second\nlines\n");
        assert_eq!(three, "# Results\n\n## http\n\nsecond\nlines\n\n## stdio\n\nother\n");
    }
}

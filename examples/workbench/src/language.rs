//! Tells a file's language by its name.

/// The language of the file at `path`; "Other" if its name does not tell.
#[must_use]
pub fn of(path: &str) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name {
        "Makefile" | "makefile" | "GNUmakefile" => return "Make",
        "Dockerfile" | "Containerfile" => return "Docker",
        _ => {}
    }
    // `.gitignore` has a name and no extension.
    let Some((_, extension)) = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()) else {
        return "Other";
    };
    match extension.to_ascii_lowercase().as_str() {
        "rs" => "Rust",
        "md" | "markdown" => "Markdown",
        "toml" => "TOML",
        "json" | "jsonl" => "JSON",
        "yaml" | "yml" => "YAML",
        "txt" => "Text",
        "sh" | "bash" | "zsh" => "Shell",
        "py" | "pyi" => "Python",
        "js" | "mjs" | "cjs" | "jsx" => "JavaScript",
        "ts" | "mts" | "cts" | "tsx" => "TypeScript",
        "c" | "h" => "C",
        "cc" | "cpp" | "cxx" | "hpp" | "hh" => "C++",
        "go" => "Go",
        "java" => "Java",
        "kt" | "kts" => "Kotlin",
        "rb" => "Ruby",
        "php" => "PHP",
        "cs" => "C#",
        "swift" => "Swift",
        "html" | "htm" => "HTML",
        "css" | "scss" => "CSS",
        "sql" => "SQL",
        "xml" => "XML",
        "lock" => "Lock file",
        _ => "Other",
    }
}

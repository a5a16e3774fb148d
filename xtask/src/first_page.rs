//! Does what `docs/getting-started.md` says, in an empty folder, and makes the calls that it shows.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::examples::answered;
use crate::{Done, root, run_in};

const PAGE: &str = "docs/getting-started.md";

/// Writes the page's files into an empty folder, with this workspace in the place of the registry; builds them, and tells
/// the program the page's lines.
pub(crate) fn run() -> Done {
    let root = root();
    let page = read(&root.join(PAGE))?;
    let manifest = file(&page, "toml", "# Cargo.toml")?;
    let program = file(&page, "rust,no_run", "// src/main.rs")?;
    let said: String =
        page.lines().filter(|line| line.starts_with(r#"{"jsonrpc""#)).flat_map(|l| [l, "\n"]).collect();

    let folder = std::env::temp_dir().join(format!("toolpost-first-page-{}", std::process::id()));
    let done = tried(&root, &folder, &manifest, &program, &said);
    let cleared = fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()));
    done.and(cleared)
}

fn tried(root: &Path, folder: &Path, manifest: &str, program: &str, said: &str) -> Done {
    let published = r#"toolpost = { version = "0.1""#;
    let here = format!("toolpost = {{ path = {:?}", root.join("crates/toolpost"));
    if !manifest.contains(published) {
        return Err(format!("{PAGE}: its Cargo.toml does not depend on `{published}, .. }}`"));
    }
    write(&folder.join("Cargo.toml"), &manifest.replace(published, &here))?;
    write(&folder.join("src/main.rs"), program)?;
    // The versions that everything else here is tested with.
    write(&folder.join("Cargo.lock"), &read(&root.join("Cargo.lock"))?)?;

    let target = root.join("target");
    run_in(folder, "cargo", &["build", "--quiet", "--target-dir", &target.display().to_string()])?;
    let out = answered(&mut Command::new(target.join("debug/lathes")), said)
        .map_err(|error| format!("lathes: {error}"))?;
    let (printed, errors) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    let answers: Vec<&str> = printed.lines().collect();
    let [_, first, second] = answers[..] else {
        return Err(format!(
            "lathes answers {} lines where the page shows three requests: {printed}{errors}",
            answers.len()
        ));
    };
    let hit = r#""dev.toolpost/cache":"hit""#;
    let found = |answer: &str| answer.contains(r#""structuredContent":{"names":["L-400"]}"#);
    if !out.status.success() || !errors.is_empty() || !found(first) || !found(second) {
        return Err(format!("lathes ended with {}: {printed}{errors}", out.status));
    }
    if first.contains(hit) || !second.contains(hit) {
        return Err(format!(
            "the second call of the page comes from the cache, and the first does not: {printed}"
        ));
    }
    println!("first page: built, served and cached");
    Ok(())
}

/// The file of the page in a fence of this language whose first line is `name`.
fn file(page: &str, language: &str, name: &str) -> Result<String, String> {
    let begin = format!("```{language}\n{name}\n");
    let rest = page.split_once(&begin).map(|(_, rest)| rest);
    let text = rest.and_then(|rest| rest.split_once("```")).map(|(text, _)| text);
    text.map(ToOwned::to_owned).ok_or_else(|| format!("{PAGE}: it has no file `{name}`"))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Done {
    let parent = path.parent().unwrap_or(path);
    let done = fs::create_dir_all(parent).and_then(|()| fs::write(path, text));
    done.map_err(|error| format!("{}: {error}", path.display()))
}

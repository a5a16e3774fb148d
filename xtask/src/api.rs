//! The public surface of the family: a snapshot of each crate, what it shares names with, what it lets through of others.
//!
//! rustdoc writes the surface as JSON; its format is that of one compiler, so that another compiler skips the check.

mod render;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{Done, root, run_in};
use walk::Surface;

/// The version of rustdoc's JSON that [`walk`] and [`render`] read.
const FORMAT: u64 = 57;

/// Crates whose signatures name nothing but the standard library and themselves, whatever their features.
const LEAVES: &[&str] = &[
    "toolpost-breaker",
    "toolpost-cache",
    "toolpost-journal",
    "toolpost-json",
    "toolpost-pool",
    "toolpost-retry",
    "toolpost-scheduler",
    "toolpost-workflow",
];

/// What a leaf's signatures may name all the same: crate, and why.
const LET_THROUGH: &[(&str, &str, &str)] = &[
    ("toolpost-json", "bytes::bytes::Bytes", "what transports receive; a copy of each message otherwise"),
    (
        "toolpost-json",
        "bytestring::ByteString",
        "checked text that is shared; a copy or a second check otherwise",
    ),
    ("toolpost-json", "serde_core::de::Deserialize", "what typed decoding decodes into"),
    ("toolpost-json", "serde_core::ser::Serialize", "what values are written from"),
    (
        "toolpost-json",
        "serde_json::error::Error",
        "why a value does not serialize, as its own `Serialize` says it",
    ),
];

/// Public type names that more than one crate defines, each with the reason why it may.
const SHARED: &[(&str, &str)] = &[
    (
        "Permit",
        "the field's word for leave to run, of a breaker and of a gate; the leaves know nobody, and nobody holds both by name",
    ),
    (
        "Priority",
        "one meaning: a tool's author declares it without a scheduler, and the scheduler orders jobs without tools",
    ),
];

/// Public types in the whole family, at most; and in the crates that have a bound of their own.
const TYPES: usize = 407;
const TYPES_OF: &[(&str, usize)] = &[
    ("toolpost-auth", 7),
    ("toolpost-breaker", 15),
    ("toolpost-cache", 25),
    ("toolpost-client", 10),
    ("toolpost-journal", 13),
    ("toolpost-json", 12),
    ("toolpost-pool", 9),
    ("toolpost-plan", 15),
    ("toolpost-process", 16),
    ("toolpost-protocol", 80),
    ("toolpost-retry", 4),
    ("toolpost-scheduler", 23),
    ("toolpost-upstream", 11),
    ("toolpost-runs", 3),
    ("toolpost-workflow", 33),
];

/// Prints the names that crates share and the counts; fails on what exceeds the bounds.
pub(crate) fn report() -> Done {
    let Some(surfaces) = surfaces()? else { return Ok(()) };
    let mut owners: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut faults = Vec::new();
    let mut all = 0;
    for (name, surface) in &surfaces {
        println!("{name}: {} types, {} traits", surface.types.len(), surface.traits.len());
        all += surface.types.len();
        if let Some((_, most)) = TYPES_OF.iter().find(|(of, most)| of == name && surface.types.len() > *most)
        {
            faults.push(format!("{name} has {} public types, at most {most}", surface.types.len()));
        }
        for ty in &surface.types {
            owners.entry(ty).or_default().insert(name);
        }
    }
    println!("public types in all: {all}");
    if all > TYPES {
        faults.push(format!("{all} public types, at most {TYPES}"));
    }
    for (ty, crates) in owners.iter().filter(|(_, crates)| crates.len() > 1) {
        let crates: Vec<&str> = crates.iter().copied().collect();
        match SHARED.iter().find(|(name, _)| name == ty) {
            Some((_, reason)) => println!("shared: {ty} ({}): {reason}", crates.join(", ")),
            None => faults.push(format!("{ty} is defined in {}", crates.join(", "))),
        }
    }
    faults.extend(foreign(&surfaces));
    match faults.is_empty() {
        true => Ok(()),
        false => Err(format!("{} faults\n{}", faults.len(), faults.join("\n"))),
    }
}

/// Holds each crate's surface against its snapshot; `bless` writes the snapshots anew.
///
/// # Errors
///
/// A surface that differs: lines that went break users, lines that came do not.
pub(crate) fn snapshots(bless: bool) -> Done {
    let Some(surfaces) = surfaces()? else { return Ok(()) };
    let mut faults = foreign(&surfaces);
    for (name, surface) in &surfaces {
        let path = snapshot(name);
        let now: Vec<&str> = surface.lines.iter().map(String::as_str).collect();
        if bless {
            fs::write(&path, now.join("\n") + "\n")
                .map_err(|error| format!("{}: {error}", path.display()))?;
            continue;
        }
        let old = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let old: Vec<&str> = old.lines().collect();
        let gone: Vec<&&str> = old.iter().filter(|line| now.binary_search(line).is_err()).collect();
        let new: Vec<&&str> = now.iter().filter(|line| old.binary_search(line).is_err()).collect();
        faults.extend(gone.iter().map(|line| format!("{name}: breaks users: - {line}")));
        faults.extend(new.iter().map(|line| format!("{name}: + {line}")));
    }
    match faults.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "{} differences; if they are meant, tell CHANGELOG.md and run `cargo xtask api --bless`\n{}",
            faults.len(),
            faults.join("\n")
        )),
    }
}

fn snapshot(name: &str) -> PathBuf {
    root().join("crates").join(name).join("public-api.txt")
}

/// What the signatures of leaves name of other crates.
fn foreign(surfaces: &BTreeMap<String, Surface>) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, surface) in surfaces.iter().filter(|(name, _)| LEAVES.contains(&name.as_str())) {
        for named in &surface.foreign {
            if !LET_THROUGH.iter().any(|(of, what, _)| of == name && what == named) {
                faults.push(format!(
                    "{name} shows `{named}`, which is neither its own nor the standard library's"
                ));
            }
        }
    }
    faults
}

/// The surface of every crate of the family; none if this compiler writes another format.
fn surfaces() -> Result<Option<BTreeMap<String, Surface>>, String> {
    let root = root();
    let mut surfaces = BTreeMap::new();
    for name in names(&root)? {
        let target = root.join("target/api");
        let shown = target.display().to_string();
        // The JSON of a stable compiler; it only does not say so without this.
        let mut args = vec!["RUSTC_BOOTSTRAP=1", "cargo", "rustdoc", "--quiet", "--lib", "--all-features"];
        args.extend(["--package", &name, "--target-dir", &shown]);
        args.extend(["--", "-Zunstable-options", "--output-format", "json", "--cap-lints", "allow"]);
        run_in(&root, "env", &args)?;
        let path = target.join("doc").join(name.replace('-', "_")).with_extension("json");
        let text = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let json: Value =
            serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        if json["format_version"] != FORMAT {
            println!(
                "skipped: this compiler's rustdoc writes format {}, {FORMAT} is read",
                json["format_version"]
            );
            return Ok(None);
        }
        surfaces.insert(name, walk::surface(&json));
    }
    Ok(Some(surfaces))
}

fn names(root: &Path) -> Result<Vec<String>, String> {
    let crates = fs::read_dir(root.join("crates")).map_err(|error| format!("crates: {error}"))?;
    let mut names: Vec<String> =
        crates.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

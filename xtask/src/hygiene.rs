//! What may be depended on, and what a build asks of whoever depends on us.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::{Done, root, run_in};

/// What a clean build may take on two cores.
const CLEAN: &[(&str, Duration)] = &[
    ("toolpost-breaker", Duration::from_secs(10)),
    ("toolpost-cache", Duration::from_secs(10)),
    ("toolpost-journal", Duration::from_secs(10)),
    ("toolpost-pool", Duration::from_secs(10)),
    ("toolpost-retry", Duration::from_secs(10)),
    ("toolpost-scheduler", Duration::from_secs(10)),
    ("toolpost-workflow", Duration::from_secs(10)),
    ("toolpost", Duration::from_secs(60)),
];

/// Packages that whoever serves tools compiles, with those of the family: as it comes, and with the validator of schemas.
/// A package in two versions is two. More come in for a reason, and the bound follows it.
const SERVED: &[(&[&str], usize)] = &[(&[], 115), (&["--features", "validate"], 153)];

/// The build of a server's author stays small.
pub(crate) fn count_packages() -> Done {
    for (options, most) in SERVED {
        let tree = ["tree", "-p", "toolpost", "--features", "server", "-e", "normal", "--prefix", "none"];
        let listed = Command::new("cargo").args(tree).args(*options).current_dir(root()).output();
        let listed = listed.map_err(|error| format!("cargo tree: {error}"))?;
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        // Name and version; after them comes where it is from, or that it was listed before.
        let packages: BTreeSet<&str> =
            text.lines().map(|line| line.split(" (").next().unwrap_or(line)).collect();
        let count = packages.len();
        println!("toolpost with `server` {}: {count} packages, at most {most}", options.join(" "));
        if !(10..=*most).contains(&count) {
            return Err(format!("{count} packages: find out what came in (`cargo tree`), or leave it out"));
        }
    }
    Ok(())
}

/// Licenses, origins and banned crates, as `.cargo/deny.toml` says. (Advisories would need the network.)
pub(crate) fn deny() -> Done {
    let root = root();
    if !installed("deny") && !install("cargo-deny") {
        return Ok(());
    }
    let args = ["deny", "--offline", "--log-level", "error", "check", "bans", "licenses", "sources"];
    run_in(&root, "cargo", &args)
}

/// Each crate compiles by itself, and with every pair of its features, with and without the default ones; the facade, which has
/// so many that its pairs take minutes, with each of them unless `all` pairs are asked for.
///
/// By itself: what another crate of the workspace asks of a shared dependency must not be what makes it compile.
pub(crate) fn features(all: bool) -> Done {
    let root = root();
    if !installed("hack") && !install("cargo-hack") {
        return Ok(());
    }
    let packages = packages(&root)?;
    let (facade, others): (Vec<_>, Vec<_>) = packages.iter().partition(|name| *name == "toolpost");
    for (depth, packages) in [(if all { "2" } else { "1" }, facade), ("2", others)] {
        let mut args =
            vec!["hack", "check", "--quiet", "--feature-powerset", "--depth", depth, "--no-dev-deps"];
        args.extend(packages.into_iter().flat_map(|name| ["-p", name]));
        run_in(&root, "cargo", &args)?;
    }
    Ok(())
}

/// Every crate packs: what it needs is inside its folder, and its metadata is whole. Nothing is published.
///
/// What is packed is not built again here: the other steps build the same files.
pub(crate) fn package() -> Done {
    let root = root();
    let mut args = vec!["package", "--quiet", "--no-verify", "--allow-dirty"];
    let packages = packages(&root)?;
    args.extend(packages.iter().flat_map(|name| ["-p", name]));
    run_in(&root, "cargo", &args)
}

/// Holds each crate against the last release, by its tag: what breaks users asks for another major version, or before 1.0
/// another minor one.
pub(crate) fn semver() -> Done {
    let root = root();
    let tags =
        Command::new("git").args(["tag", "--list", "v*", "--sort=-v:refname"]).current_dir(&root).output();
    let tags = tags.map_err(|error| format!("git tag: {error}"))?;
    let tags = String::from_utf8_lossy(&tags.stdout).into_owned();
    let Some(last) = tags.lines().next() else {
        println!("skipped: nothing is released yet, so that there is no tag `v*` to compare with");
        return Ok(());
    };
    if !installed("semver-checks") && !install("cargo-semver-checks") {
        return Ok(());
    }
    let mut args = vec!["semver-checks", "--baseline-rev", last, "--all-features"];
    let packages = packages(&root)?;
    args.extend(packages.iter().flat_map(|name| ["-p", name]));
    run_in(&root, "cargo", &args)
}

/// The crates compile with the oldest compiler that the workspace promises, `disk` and what asks for it left out.
pub(crate) fn oldest_compiler() -> Done {
    let root = root();
    let manifest = fs::read_to_string(root.join("Cargo.toml")).map_err(|error| error.to_string())?;
    let stated = manifest.lines().find_map(|line| line.strip_prefix("rust-version = "));
    let stated = stated.ok_or("Cargo.toml: states no Rust version")?.trim_matches('"');
    let install = ["toolchain", "install", stated, "--profile", "minimal", "--no-self-update"];
    if let Err(error) = run_in(&root, "rustup", &install) {
        println!("skipped: Rust {stated} cannot be had: {error}");
        return Ok(());
    }
    let toolchain = format!("+{stated}");
    let mut args = vec![&*toolchain, "check", "--quiet", "--lib", "--target-dir", "target/oldest"];
    let features =
        "toolpost/server,toolpost/toml,toolpost/anyhow,toolpost/metrics,toolpost/tracing,toolpost/tower";
    args.extend(["--features", features]);
    let packages = packages(&root)?;
    args.extend(packages.iter().flat_map(|name| ["-p", name]));
    run_in(&root, "cargo", &args)
}

/// The crates compile with the oldest versions that their manifests allow.
pub(crate) fn minimal_versions() -> Done {
    let root = root();
    // A copy, for the lock file is written anew.
    let copy = root.join("target/minimal-versions");
    let failed = |error| format!("{}: {error}", copy.display());
    for name in ["crates", "examples", "xtask"] {
        let old = copy.join(name);
        if old.exists() {
            fs::remove_dir_all(&old).map_err(failed)?;
        }
        copy_sources(&root.join(name), &old).map_err(failed)?;
    }
    for name in ["Cargo.toml", "Cargo.lock", "README.md"] {
        fs::copy(root.join(name), copy.join(name)).map_err(failed)?;
    }
    // The resolver of a stable cargo knows how; it only does not say so without this.
    let update = ["RUSTC_BOOTSTRAP=1", "cargo", "-Z", "direct-minimal-versions", "update", "--quiet"];
    if let Err(error) = run_in(&copy, "env", &update) {
        println!("skipped: {error}; the registry's index may be out of reach");
        return Ok(());
    }
    let mut args = vec!["check", "--quiet", "--lib", "--all-features"];
    let packages = packages(&root)?;
    args.extend(packages.iter().flat_map(|name| ["-p", name]));
    run_in(&copy, "cargo", &args)
}

/// Every crate of the family, as arguments.
fn packages(root: &Path) -> Result<Vec<String>, String> {
    let crates = fs::read_dir(root.join("crates")).map_err(|error| format!("crates: {error}"))?;
    Ok(crates.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}

/// Prints how long clean builds take: what a user waits for who adds a crate.
///
/// A busy machine takes longer, so that only five times the goal is a failure.
#[expect(clippy::disallowed_methods, reason = "measures builds")]
pub(crate) fn build_times() -> Done {
    let root = root();
    let mut met = 0;
    for (name, goal) in CLEAN {
        let target = root.join("target/clean");
        if target.exists() {
            fs::remove_dir_all(&target).map_err(|error| format!("{}: {error}", target.display()))?;
        }
        let start = Instant::now();
        run_in(&root, "cargo", &["build", "--quiet", "-p", name, "--target-dir", "target/clean"])?;
        let took = start.elapsed();
        let verdict = if took <= *goal { "met" } else { "not met" };
        met += usize::from(took <= *goal);
        println!(
            "clean build of {name}: {:.1} s (at most {} s): {verdict}",
            took.as_secs_f64(),
            goal.as_secs()
        );
        if *goal * 5 < took {
            return Err(format!("a clean build of {name} takes five times its goal"));
        }
    }
    println!("goals met {met}/{}", CLEAN.len());
    Ok(())
}

/// Whether cargo has this subcommand.
pub(crate) fn installed(subcommand: &str) -> bool {
    Command::new("cargo").args([subcommand, "--version"]).output().is_ok_and(|out| out.status.success())
}

/// Installs a cargo subcommand; says that its check is skipped where that fails.
pub(crate) fn install(package: &str) -> bool {
    println!("installing {package}");
    let installed = run_in(&root(), "cargo", &["install", "--quiet", "--debug", "--locked", package]).is_ok();
    if !installed {
        println!("skipped: {package} cannot be installed");
    }
    installed
}

fn copy_sources(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, copy) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type()?.is_dir() {
            true => copy_sources(&source, &copy)?,
            false => fs::copy(&source, &copy).map(drop)?,
        }
    }
    Ok(())
}

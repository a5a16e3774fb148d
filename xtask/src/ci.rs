//! Everything that must hold before a change lands, in the order that fails soonest.

use std::path::Path;
use std::time::Instant;

use crate::{
    Done, api, bench, clients_lint, conformance, examples, first_page, fuzz, hygiene, interop, models, root,
    run_in, siege, soak, tidy,
};

/// One step: what it is called, and what runs it.
type Step = (&'static str, fn(&Path) -> Done);

const STEPS: &[Step] = &[
    ("fmt", |root| {
        let workspaces = [root.to_path_buf(), root.join("benches"), root.join("fuzz")];
        workspaces.iter().try_for_each(|dir| run_in(dir, "cargo", &["fmt", "--all", "--check"]))
    }),
    ("tidy", |_| tidy::run()),
    ("clippy", |root| {
        run_in(
            root,
            "cargo",
            &["clippy", "-q", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"],
        )
    }),
    ("readme: tests", |root| run_in(root, "cargo", &["test", "--workspace"])),
    ("readme: demo", |root| run_in(root, "cargo", &["run", "-q", "-p", "workbench", "--", "demo"])),
    ("examples", |_| examples::run()),
    ("clients-lint", |_| clients_lint::run()),
    ("first page", |_| first_page::run()),
    ("features", |root| {
        run_in(
            root,
            "cargo",
            &[
                "test",
                "-q",
                "-p",
                "toolpost",
                "-p",
                "toolpost-cache",
                "-p",
                "toolpost-pool",
                "-p",
                "toolpost-scheduler",
                "-p",
                "toolpost-workflow",
                "--all-features",
            ],
        )?;
        // What only a build without a feature can show.
        let unvalidated = ["--test", "it", "unvalidated"];
        run_in(root, "cargo", &[&["test", "-q", "-p", "toolpost-dispatch"], &unvalidated[..]].concat())
    }),
    ("docs", docs),
    ("public api", |_| api::snapshots(false)),
    ("package", |_| hygiene::package()),
    ("deny", |_| hygiene::deny()),
    ("packages", |_| hygiene::count_packages()),
    ("conformance", |_| conformance::run()),
    ("interop", |_| interop::run(true)),
    ("schema-check", schema_check),
    ("features alone", |_| hygiene::features(false)),
    ("minimal versions", |_| hygiene::minimal_versions()),
    ("oldest compiler", |_| hygiene::oldest_compiler()),
    // What follows is optimized, or made for its purpose alone, and takes long to build.
    ("selftest", |root| {
        run_in(root, "cargo", &["run", "--release", "-q", "-p", "workbench", "--", "selftest"])
    }),
    ("soak", |_| soak::run(true)),
    ("siege-of-one", |_| siege::run(siege::SHORT)),
    ("siege-of-replicas", |_| siege::replicas(true)),
    ("siege-of-sessions", |_| siege::abandoned(true)),
    // Unoptimized it runs a fiftieth of the schedules that its goal asks for.
    ("bound", |root| {
        run_in(
            root,
            "cargo",
            &["test", "--release", "-q", "-p", "toolpost-scheduler", "--test", "it", "bound::"],
        )
    }),
    ("loom", |_| models::loom()),
    ("shuttle", |_| models::shuttle()),
    ("gate", |_| bench::gate()),
    ("fuzz", |_| fuzz::run(5)),
];

/// Runs every step, or those from the one called `from` on; the first that fails ends it.
#[expect(clippy::disallowed_methods, reason = "prints how long each step took")]
pub(crate) fn run(from: Option<&str>) -> Done {
    let root = root();
    let begin = Instant::now();
    let first = from.map_or(Some(0), |from| STEPS.iter().position(|(name, _)| *name == from));
    let first = first.ok_or_else(|| {
        let names: Vec<_> = STEPS.iter().map(|(name, _)| *name).collect();
        format!("there is no such step; there are: {}", names.join(", "))
    })?;
    for (name, step) in &STEPS[first..] {
        let start = Instant::now();
        println!("== {name}");
        step(&root).map_err(|error| format!("{name}: {error}"))?;
        println!("== {name}: {:.0} s", start.elapsed().as_secs_f64());
    }
    println!("== all: {:.0} s", begin.elapsed().as_secs_f64());
    Ok(())
}

/// The pages as docs.rs makes them: each item says which feature it needs, which takes a nightly compiler.
pub(crate) fn docs_rs() -> Done {
    let command = "RUSTDOCFLAGS=--cfg docsrs -Dwarnings";
    let args = ["doc", "-q", "--workspace", "--no-deps", "--all-features", "--target-dir", "target/docs-rs"];
    run_in(&root(), "env", &[&[command, "cargo", "+nightly"], &args[..]].concat())
}

fn docs(root: &Path) -> Done {
    // Changing this process's own environment would be `unsafe`: `env` sets it for the child alone.
    run_in(
        root,
        "env",
        &["RUSTDOCFLAGS=-Dwarnings", "cargo", "doc", "-q", "--workspace", "--no-deps", "--all-features"],
    )
}

fn schema_check(root: &Path) -> Done {
    let dir = root.join("../shared/data/schema");
    if !dir.is_dir() {
        println!("skipped: the published schemas are not beside this checkout");
        return Ok(());
    }
    run_in(root, "cargo", &["xtask", "schema-check", "--dir", &dir.display().to_string()])
}

//! Every routine of the workspace. `cargo xtask help` lists them.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks to its terminal")]

mod api;
mod bench;
mod ci;
mod clients_lint;
mod conformance;
mod examples;
mod first_page;
mod fuzz;
mod hygiene;
mod interop;
mod models;
mod plots;
mod schema_check;
mod served;
mod siege;
mod soak;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const HELP: &str = "\
cargo xtask <routine>

  tidy                     what rustc cannot check: layering, file sizes, docs, versions in one place
  ci [--from STEP]         everything .ci/run runs, in its order; all of it, or what comes from a step on
  bench <name>             one bench beside its peers; each goal printed as met or not met
  clients-lint             what clients refuse or misread in the tools of the examples, a line for each tool and client
  conformance              the official suite against examples/conformance, one line per set
  interop [--quick | --servers]
                           clients that are not ours (the SDKs of TypeScript, Python and Rust, FastMCP, the Inspector) against
                           workbench and the fixture, over HTTP and stdio, in both eras; and over a gateway of the
                           official servers (npm, PyPI) and rmcp's (`--servers`: these alone); a line for each
  examples                 every example that ends by itself
  first-page               what docs/getting-started.md says, done in an empty folder
  gate                     the benches whose goals are ratios of instructions; fails on one not met
  plots                    what the scheduler is worth, drawn from its simulator
  deny                     licenses, origins and banned crates, as .cargo/deny.toml says
  packages                 how many packages whoever serves tools compiles, without and with the validator of schemas
  semver                   each crate against the last tag `v*`, by cargo-semver-checks
  docs-rs                  the pages as docs.rs makes them, on a nightly compiler
  package                  every crate packs; nothing is published
  features                 every pair of features compiles
  minimal-versions         the crates compile with the oldest versions that they allow
  oldest-compiler          the crates compile with the Rust version that the workspace states
  build-times              how long a clean build of each leaf and of the facade takes
  loom, shuttle            each crate's model-checked tests
  fuzz [--seconds N]       every fuzz target, 10 s each unless told otherwise
  soak [--short]           two million calls, then 500 clients for ten minutes: no growth, no error, no drift
  api                      public types: how many, which names crates share, what leaves show of others
  api --check | --bless    each crate's public surface against its snapshot; or writes the snapshots
  siege-of-one [--short | --seconds N]
                           each kind of hostile client for a minute beside an innocent one: nothing dies, grows or waits
  siege-of-replicas [--short]
                           two replicas behind a plain balancer, killed while 2,000 clients call: no session lost
  siege-of-sessions [--short]
                           a million sessions opened and never used: memory stays where it was
  schema-check --dir DIR   every schema example decodes and re-encodes to equal JSON
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["tidy"] => tidy::run(),
        ["ci"] => ci::run(None),
        ["ci", "--from", step] => ci::run(Some(step)),
        ["clients-lint"] => clients_lint::run(),
        ["conformance"] => conformance::run(),
        ["interop"] => interop::run(false),
        ["interop", "--quick"] => interop::run(true),
        ["interop", "--servers"] => interop::servers(),
        ["examples"] => examples::run(),
        ["first-page"] => first_page::run(),
        ["gate"] => bench::gate(),
        ["plots"] => plots::run(),
        ["deny"] => hygiene::deny(),
        ["semver"] => hygiene::semver(),
        ["docs-rs"] => ci::docs_rs(),
        ["packages"] => hygiene::count_packages(),
        ["package"] => hygiene::package(),
        ["features"] => hygiene::features(true),
        ["minimal-versions"] => hygiene::minimal_versions(),
        ["oldest-compiler"] => hygiene::oldest_compiler(),
        ["build-times"] => hygiene::build_times(),
        ["loom"] => models::loom(),
        ["shuttle"] => models::shuttle(),
        ["fuzz"] => fuzz::run(10),
        ["fuzz", "--seconds", seconds] => match seconds.parse() {
            Ok(seconds) => fuzz::run(seconds),
            Err(_) => Err(format!("`{seconds}` is not a number of seconds")),
        },
        ["soak"] => soak::run(false),
        ["soak", "--short"] => soak::run(true),
        ["siege-of-one"] => siege::run(siege::LONG),
        ["siege-of-one", "--short"] => siege::run(siege::SHORT),
        ["siege-of-one", "--seconds", seconds] => match seconds.parse() {
            Ok(seconds) => siege::run(seconds),
            Err(_) => Err(format!("`{seconds}` is not a number of seconds")),
        },
        ["siege-of-replicas"] => siege::replicas(false),
        ["siege-of-replicas", "--short"] => siege::replicas(true),
        ["siege-of-sessions"] => siege::abandoned(false),
        ["siege-of-sessions", "--short"] => siege::abandoned(true),
        ["bench", name, rest @ ..] => bench::run(name, rest),
        ["api"] => api::report(),
        ["api", "--check"] => api::snapshots(false),
        ["api", "--bless"] => api::snapshots(true),
        ["schema-check", "--dir", dir] => schema_check::run(Path::new(dir)),
        ["help" | "--help" | "-h"] | [] => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(format!("unknown routine `{}`\n\n{HELP}", other.join(" "))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// What a routine ends with: nothing, or what went wrong.
type Done = Result<(), String>;

/// The root of the workspace.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Builds every binary of the workspace at once: one by one, each would rebuild its dependencies with the
/// features that it alone asks for.
fn build_binaries(root: &Path) -> Done {
    run_in(root, "cargo", &["build", "--quiet", "--workspace", "--bins"])
}

/// Runs a command in `dir` and says what it was if it fails.
fn run_in(dir: &Path, program: &str, args: &[&str]) -> Done {
    let shown = format!("{program} {}", args.join(" "));
    match Command::new(program).args(args).current_dir(dir).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{shown}` ended with {status}")),
        Err(error) => Err(format!("`{shown}` did not start: {error}")),
    }
}

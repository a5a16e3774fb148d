//! Brings the clients, each at the version that is written down, to below `target/interop`; nothing is installed elsewhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use super::{Lab, Runner};
use crate::Done;

/// What there is; and of what there is not, why.
#[derive(Debug)]
pub(crate) struct There {
    node: Done,
    python: Done,
    python_v1: Done,
    cargo: Done,
    /// The servers of npm, and those of PyPI.
    pub(crate) node_servers: Done,
    pub(crate) python_servers: Done,
    pub(crate) nginx: Done,
}

const REQUIREMENTS: &str = "requirements.txt";
const REQUIREMENTS_V1: &str = "requirements-v1.txt";
/// Servers, in an environment of their own: they need another version of the SDK than the clients are.
pub(crate) const SERVERS: &str = "requirements-servers.txt";

impl There {
    /// Whether what a client runs on is there; else why not.
    pub(crate) fn of(&self, runner: Runner) -> &Done {
        match runner {
            Runner::Node => &self.node,
            Runner::Python(REQUIREMENTS_V1) => &self.python_v1,
            Runner::Python(_) => &self.python,
            Runner::Cargo => &self.cargo,
        }
    }
}

/// Installs everything, side by side.
pub(crate) fn all(lab: &Lab) -> Result<There, String> {
    for dir in ["js", "servers", "home"] {
        let dir = lab.dir.join(dir);
        fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    }
    copy(&lab.root.join("interop/js"), &lab.dir.join("js"))?;
    copy(&lab.root.join("interop/servers"), &lab.dir.join("servers"))?;
    let tools = "tools.json";
    copied(&lab.root.join("interop").join(tools), &lab.dir.join(tools))?;
    Ok(thread::scope(|scope| {
        // One after the other: the servers run on the node that comes with the clients.
        let node = scope.spawn(|| (packages(lab, "js"), packages(lab, "servers")));
        let python = scope.spawn(|| environment(lab, REQUIREMENTS));
        let python_v1 = scope.spawn(|| environment(lab, REQUIREMENTS_V1));
        let python_servers = scope.spawn(|| environment(lab, SERVERS));
        let cargo = scope.spawn(|| rmcp(lab));
        let nginx = unpacked(lab);
        let joined = |done: thread::ScopedJoinHandle<'_, Done>| {
            done.join().unwrap_or_else(|_| Err("the installation panicked".into()))
        };
        let panicked = || Err("the installation panicked".to_owned());
        let (node, node_servers) = node.join().unwrap_or_else(|_| (panicked(), panicked()));
        There {
            node,
            python: joined(python),
            python_v1: joined(python_v1),
            cargo: joined(cargo),
            node_servers,
            python_servers: joined(python_servers),
            nginx,
        }
    }))
}

/// The node that comes with the packages: the Inspector needs a newer one than many machines have.
pub(crate) fn node(lab: &Lab) -> PathBuf {
    lab.dir.join("js/node_modules/.bin/node")
}

/// The Python of the environment with these requirements.
pub(crate) fn python(lab: &Lab, requirements: &str) -> PathBuf {
    lab.dir.join(requirements.trim_end_matches(".txt")).join("bin/python")
}

/// nginx: the system's, or the one that was unpacked.
pub(crate) fn nginx(lab: &Lab) -> PathBuf {
    let unpacked = lab.dir.join("nginx/usr/sbin/nginx");
    if unpacked.is_file() { unpacked } else { "nginx".into() }
}

fn packages(lab: &Lab, name: &str) -> Done {
    let dir = lab.dir.join(name);
    let lock = read(&dir.join("package-lock.json"))?;
    once(&dir, &lock, || {
        // Not `ci`: it asks for the optional packages of other systems, which not every registry has.
        quiet(Command::new("npm").args(["install", "--silent", "--no-audit", "--no-fund"]).current_dir(&dir))
    })?;
    quiet(Command::new(node(lab)).args(["-e", ""]))
}

fn environment(lab: &Lab, requirements: &str) -> Done {
    let listed = lab.root.join("interop/py").join(requirements);
    let python = python(lab, requirements);
    let dir = lab.dir.join(requirements.trim_end_matches(".txt"));
    once(&dir, &read(&listed)?, || {
        quiet(Command::new("python3").args(["-m", "venv"]).arg(&dir))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        quiet(Command::new(&python).args(pip).arg(&listed))
    })
}

fn rmcp(lab: &Lab) -> Done {
    let manifest = lab.root.join("interop/rmcp/Cargo.toml");
    let build = ["build", "--quiet", "--locked", "--manifest-path"];
    let target = lab.dir.join("rmcp");
    quiet(Command::new("cargo").args(build).arg(manifest).arg("--target-dir").arg(target))
}

/// Debian's package, unpacked but not installed, where the machine has no nginx.
fn unpacked(lab: &Lab) -> Done {
    let answers = || quiet(Command::new(nginx(lab)).arg("-v"));
    if answers().is_ok() {
        return Ok(());
    }
    let dir = lab.dir.join("nginx");
    fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    quiet(Command::new("apt-get").args(["download", "nginx"]).current_dir(&dir))?;
    quiet(Command::new("sh").args(["-c", "dpkg -x nginx_*.deb ."]).current_dir(&dir))?;
    answers()
}

/// Does `install` unless it was done with the same `pins`.
fn once(dir: &Path, pins: &str, install: impl FnOnce() -> Done) -> Done {
    let stamp = dir.join(".installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == pins) {
        return Ok(());
    }
    install()?;
    fs::write(&stamp, pins).map_err(|error| format!("{}: {error}", stamp.display()))
}

/// Copies the files of a directory, for whatever they import is looked for beside them.
fn copy(from: &Path, to: &Path) -> Done {
    let entries = fs::read_dir(from).map_err(|error| format!("{}: {error}", from.display()))?;
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file()) {
        copied(&path, &to.join(path.file_name().unwrap_or_default()))?;
    }
    Ok(())
}

fn copied(from: &Path, to: &Path) -> Done {
    fs::copy(from, to).map(drop).map_err(|error| format!("{}: {error}", from.display()))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Runs a command; if it fails, the last line that it said is the reason.
fn quiet(command: &mut Command) -> Done {
    let name = command.get_program().to_string_lossy().into_owned();
    let out =
        command.stdin(Stdio::null()).output().map_err(|error| format!("{name} did not start: {error}"))?;
    let said = String::from_utf8_lossy(&out.stderr);
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    if out.status.success() { Ok(()) } else { Err(format!("{name} ended with {}: {last}", out.status)) }
}

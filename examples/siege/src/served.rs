//! A server under limits: started, watched, ended; and the directories that it serves.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Failure;
use crate::kinds::Kind;

/// What a server may have: KiB of address space, and descriptors.
const LIMITED: &str = r#"ulimit -v 524288; ulimit -n "$1"; shift; exec "$0" "$@""#;
const DESCRIPTORS: u32 = 1_024;
/// The longest that the end of a server is waited for.
const PATIENCE: Duration = Duration::from_secs(8);

/// A server, killed when this is dropped.
pub(crate) struct Served {
    child: Child,
    address: Option<SocketAddr>,
    /// The last line that it wrote to stderr.
    last: Arc<Mutex<String>>,
}

/// How a server ended that was asked to.
pub(crate) enum Ended {
    After(Duration),
    Never,
}

impl Served {
    /// Starts the workbench, or the fixture, on a free port of loopback.
    pub(crate) fn http(fixture: bool, workbench: &Path, root: &Path) -> Result<Self, Failure> {
        let command = if fixture {
            let mut command = limited(std::env::current_exe()?.as_os_str(), DESCRIPTORS);
            command.arg("serve");
            command
        } else {
            let mut command = limited(workbench.as_os_str(), DESCRIPTORS);
            command.args(["serve", "--http", "127.0.0.1:0", "--with-sleep", "--root"]).arg(root);
            command
        };
        Self::listening(command)
    }

    /// Starts a server over HTTP, and waits until it says where.
    pub(crate) fn listening(mut command: Command) -> Result<Self, Failure> {
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut stderr = BufReader::new(child.stderr.take().ok_or("no stderr")?);
        let mut line = String::new();
        stderr.read_line(&mut line)?;
        let last = Arc::new(Mutex::new(String::new()));
        let told = Arc::clone(&last);
        // What it says while it runs has to go somewhere; its last words say why it died.
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok).filter(|line| !line.is_empty()) {
                *told.lock().unwrap_or_else(PoisonError::into_inner) = line;
            }
        });
        let address = line.trim().split("http://").nth(1).and_then(|url| url.split('/').next());
        let address = address.and_then(|address| address.parse().ok());
        let mut served = Self { child, address, last };
        match served.address {
            Some(_) => Ok(served),
            None => {
                served.kill();
                Err(format!("the server said `{}`", line.trim()).into())
            }
        }
    }

    /// Starts the workbench on stdin and stdout, which are the caller's.
    pub(crate) fn stdio(workbench: &Path, root: &Path) -> Result<Self, Failure> {
        let mut command = limited(workbench.as_os_str(), DESCRIPTORS);
        command.args(["serve", "--root"]).arg(root).stdin(Stdio::piped()).stdout(Stdio::piped());
        Ok(Self { child: command.stderr(Stdio::null()).spawn()?, address: None, last: Arc::default() })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Its stdin and stdout.
    pub(crate) fn pipes(&mut self) -> Option<(std::process::ChildStdin, std::process::ChildStdout)> {
        Some((self.child.stdin.take()?, self.child.stdout.take()?))
    }

    pub(crate) fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The last line that it wrote to stderr.
    pub(crate) fn last_words(&self) -> String {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The most memory that it has taken, in KiB.
    pub(crate) fn peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// The memory that it has, in KiB.
    pub(crate) fn resident(&self) -> u64 {
        self.status("VmRSS:")
    }

    fn status(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    }

    /// Asks it to end, and says how long that took.
    pub(crate) fn end(&mut self) -> Ended {
        let start = Instant::now();
        if !self.lives() {
            return Ended::Never;
        }
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        if !asked.is_ok_and(|status| status.success()) {
            return Ended::Never;
        }
        while start.elapsed() < PATIENCE {
            if !self.lives() {
                return Ended::After(start.elapsed());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ended::Never
    }

    /// Kills it, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs `program` with what a server may have, and so many descriptors.
pub(crate) fn limited(program: &OsStr, descriptors: u32) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", LIMITED]).arg(program).arg(descriptors.to_string());
    command
}

/// The directories that are served; gone when this is dropped.
pub(crate) struct Roots {
    dir: PathBuf,
    modest: PathBuf,
    hostile: PathBuf,
}

impl Roots {
    pub(crate) fn make() -> Result<Self, Failure> {
        let dir = std::env::temp_dir().join(format!("siege-{}", std::process::id()));
        let roots = Self { modest: dir.join("modest"), hostile: dir.join("hostile"), dir };
        for root in [&roots.modest, &roots.hostile] {
            fs::create_dir_all(root.join("sub"))?;
            fs::write(root.join("a.txt"), "an innocent line\n")?;
            // As large as one answer of `read_file` may be.
            fs::write(root.join("large.txt"), "a line of the large file\n".repeat(10_000))?;
            for n in 0..200 {
                fs::write(root.join(format!("sub/{n}.txt")), format!("file {n}\n"))?;
            }
        }
        let sparse = roots.modest.join("sparse.txt");
        fs::write(&sparse, "text in front\n".repeat(8_000))?;
        File::options().write(true).open(&sparse)?.set_len(400 << 30)?;
        // Two files of rules that no walk must compile as they are.
        let braces = format!("{}a{}\n", "{".repeat(20_000), "}".repeat(20_000));
        fs::write(roots.hostile.join(".gitignore"), braces)?;
        let mut rules = File::create(roots.hostile.join("sub/.gitignore"))?;
        for n in 0..130_000 {
            writeln!(rules, "*a{n}*b")?;
        }
        Ok(roots)
    }

    /// A directory without anything hostile.
    pub(crate) fn modest(&self) -> &Path {
        &self.modest
    }

    /// A file with a secret that servers share.
    pub(crate) fn state_key(&self) -> Result<PathBuf, Failure> {
        let file = self.dir.join("state_key");
        fs::write(&file, format!("{}\n", "5a".repeat(32)))?;
        Ok(file)
    }

    /// The directory that is served under this kind.
    pub(crate) fn of(&self, kind: &Kind) -> &Path {
        if kind.hostile_root { &self.hostile } else { &self.modest }
    }
}

impl Drop for Roots {
    fn drop(&mut self) {
        let _left = fs::remove_dir_all(&self.dir);
    }
}

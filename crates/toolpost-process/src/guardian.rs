//! One small process that outlives a killed server, and kills what the server had started.
//!
//! It holds the reading end of a pipe whose writing end is the server's alone. The server tells it each process group that
//! begins and ends; when the pipe ends, the server is gone, however it went, and the guardian kills the groups that are left.
//! A process that left its group, or whose start the server did not live to tell, is found by the mark in its environment,
//! where there is a `/proc`.
//!
//! The guardian is the system's `sh` with a script of its own that takes nothing from outside but numbers: no program of ours
//! has to be installed beside the host's, and the host's `main` has nothing to call. See decision 037.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// The variable whose value marks what this server started.
pub(crate) const VARIABLE: &str = "TOOLPOST_SERVER";

/// What the guardian is.
pub(crate) const PROGRAM: &str = "/bin/sh";

const SCRIPT: &str = r#"
trap '' HUP INT QUIT TERM PIPE
groups=' '
while read -r sign group; do
    case $sign in
    +) groups="$groups$group " ;;
    -) case $groups in *" $group "*) groups="${groups%% $group *} ${groups#* $group }" ;; esac ;;
    esac
done
for group in $groups; do kill -KILL "-$group"; done
for round in 1 2 3 4; do
    for found in $(grep -ls "$1" /proc/[0-9]*/environ); do
        found=${found#/proc/}
        kill -KILL "${found%/environ}"
    done
    sleep 0.1
done
"#;

/// What marks the processes of this server: the same for its life, and nobody else's.
pub(crate) fn mark() -> &'static str {
    static MARK: OnceLock<String> = OnceLock::new();
    MARK.get_or_init(|| format!("{}-{:016x}", std::process::id(), RandomState::new().hash_one(0)))
}

/// Has `group` killed if this process ends before [`forget`] is called.
///
/// # Errors
///
/// If there is no guardian, and none can be started.
pub(crate) fn watch(group: u32) -> io::Result<()> {
    let mut watched = watched();
    watched.groups.insert(group);
    let told = watched.tell('+', group);
    if told.is_err() {
        watched.groups.remove(&group);
    }
    told
}

/// Lets `group` be. Called before its leader is reaped: until then its number is nobody else's.
pub(crate) fn forget(group: u32) {
    let mut watched = watched();
    watched.groups.remove(&group);
    if watched.guardian.is_some() {
        // One that cannot be told is replaced, by one that never heard of it.
        drop(watched.tell('-', group));
    }
}

#[derive(Default)]
struct Watched {
    groups: BTreeSet<u32>,
    guardian: Option<Guardian>,
}

fn watched() -> MutexGuard<'static, Watched> {
    static WATCHED: Mutex<Watched> = Mutex::new(Watched { groups: BTreeSet::new(), guardian: None });
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watched {
    fn tell(&mut self, sign: char, group: u32) -> io::Result<()> {
        if let Some(guardian) = &mut self.guardian {
            match guardian.say(&format!("{sign} {group}\n")) {
                Ok(()) => return Ok(()),
                // Somebody killed it, or stopped it until its pipe was full.
                Err(_) => self.guardian = None,
            }
        }
        let mut guardian = Guardian::start()?;
        for group in &self.groups {
            guardian.say(&format!("+ {group}\n"))?;
        }
        self.guardian = Some(guardian);
        Ok(())
    }
}

struct Guardian(Child);

impl Guardian {
    fn start() -> io::Result<Self> {
        let mut command = Command::new(PROGRAM);
        command.args(["-c", SCRIPT, "toolpost-guardian"]).arg(format!("{VARIABLE}={}", mark()));
        command.env_clear().env("PATH", "/usr/bin:/bin").current_dir("/").process_group(0);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let guardian = Self(child);
        if let Some(pipe) = &guardian.0.stdin {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        Ok(guardian)
    }

    /// A line this short is written as a whole or not at all.
    fn say(&mut self, line: &str) -> io::Result<()> {
        match &mut self.0.stdin {
            Some(pipe) => pipe.write_all(line.as_bytes()),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

/// Of one that is replaced: it must not live to kill what it was not told to let be.
impl Drop for Guardian {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

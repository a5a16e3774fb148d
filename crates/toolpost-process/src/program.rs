//! How a program is started.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::Metadata;
use std::io::{ErrorKind, PipeWriter, Write as _};
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use command_fds::{CommandFdExt as _, FdMapping};

use crate::{ProcessError, ProcessLimits, Redactor, guardian};

/// The longest secret: what a pipe takes at once on every system.
const SECRET_MAX: usize = 4_096;
/// The first descriptor after the standard three.
const FIRST: RawFd = 3;
/// Becomes the program that it is given as soon as that pipe ends: its limits are set by then.
const GATE: &str = r#"read -r limited <&3; exec 3<&-; exec "$0" "$@""#;
/// What a shell adds to the environment of what it starts.
const ADDED: [&str; 3] = ["OLDPWD", "PWD", "SHLVL"];

/// Describes how to start a program: its arguments, and what it gets of the server.
///
/// There is no shell: an argument is one argument, whatever is in it. The environment is empty but for what is named here
/// (and `TOOLPOST_SERVER`, by which processes are found whose server was killed). The process leads a group of its own, and
/// gets no descriptor but stdin, stdout, stderr and those of its [secrets](Self::secret).
///
/// ```
/// use toolpost_process::Program;
///
/// let program = Program::new("git").args(["log", "--oneline"]).pass_env("PATH").env("GIT_PAGER", "");
/// ```
#[derive(Clone)]
pub struct Program {
    executable: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, Option<OsString>)>,
    secrets: Vec<(String, Arc<[u8]>)>,
    dir: Option<PathBuf>,
    pub(crate) limits: ProcessLimits,
    pub(crate) grace: Duration,
    #[cfg(feature = "landlock")]
    pub(crate) paths: crate::confine::Paths,
}

impl Program {
    /// The program of that name, in the first directory of the server's `PATH` that has it; or the program at that path,
    /// if there is a `/` in it.
    #[must_use]
    pub fn new(executable: impl Into<PathBuf>) -> Self {
        Self {
            executable: executable.into(),
            args: Vec::new(),
            env: Vec::new(),
            secrets: Vec::new(),
            dir: None,
            limits: ProcessLimits::new(),
            grace: Duration::from_secs(2),
            #[cfg(feature = "landlock")]
            paths: crate::confine::Paths::default(),
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), Some(value.into())));
        self
    }

    /// Passes on a variable of the server's environment, as it is at each start; one that is not set is left out.
    #[must_use]
    pub fn pass_env(mut self, name: impl Into<OsString>) -> Self {
        self.env.push((name.into(), None));
        self
    }

    /// Hands in a secret by an inherited descriptor: the program reads it, once and to the end, from the descriptor whose
    /// number stands in the variable `NAME_FD`. So it is in no environment and on no command line, where other processes
    /// could see it. At most 4,096 bytes. A tool of this program takes the value out of all that it says, if it is text of
    /// [6 bytes](Redactor::SHORTEST) at least.
    #[must_use]
    pub fn secret(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.secrets.push((name.into(), value.into().into()));
        self
    }

    /// Sets the directory that it runs in; the server's, unless told otherwise.
    #[must_use]
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// Sets what it may take of the machine.
    #[must_use]
    pub const fn limits(mut self, limits: ProcessLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how long it has between `TERM`, which asks it to end, and `KILL`, which ends it: 2 s unless told otherwise.
    #[must_use]
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// What to start, as it was given.
    #[must_use]
    pub fn executable(&self) -> &Path {
        &self.executable
    }

    /// A redactor that knows its [secrets](Self::secret), the values of the variables that are [set](Self::env) for it, and of those
    /// that are [passed on](Self::pass_env) the ones whose names say that they are secrets: what is text of
    /// [6 bytes](Redactor::SHORTEST) at least. Where these are more than a redactor takes, the secrets alone.
    #[must_use]
    pub fn redactor(&self) -> Redactor {
        let value = |(name, value): &(OsString, Option<OsString>)| {
            let name = name.to_str()?;
            let value = match value {
                Some(set) => set.clone(),
                None => std::env::var_os(name).filter(|_| Redactor::is_secret(name))?,
            };
            let value = value.into_string().ok().filter(|value| Redactor::SHORTEST <= value.len())?;
            Some((name.to_owned(), value))
        };
        let secrets = self.secret_texts();
        let owned = secrets.iter().map(|(name, value)| (name.clone(), (*value).to_owned()));
        let known: Vec<(String, String)> = owned.chain(self.env.iter().filter_map(value)).collect();
        let mut faults = Vec::new();
        let redactor = Redactor::named(&known, &mut faults);
        if faults.is_empty() { redactor } else { Redactor::named(&secrets, &mut faults) }
    }

    /// The secrets that are text and long enough to be found in other text, and what a fault calls each.
    pub(crate) fn secret_texts(&self) -> Vec<(String, &str)> {
        let texts =
            self.secrets.iter().filter_map(|(name, value)| Some((name, std::str::from_utf8(value).ok()?)));
        let found = texts.filter(|(_, value)| Redactor::SHORTEST <= value.len());
        found.map(|(name, value)| (format!("secrets: `{name}`"), value)).collect()
    }

    /// A command that starts it, with pipes for its three descriptors; and what it waits for before it begins, until that
    /// is dropped.
    pub(crate) fn command(&self) -> Result<(Command, Option<PipeWriter>), ProcessError> {
        let executable = self.resolved()?;
        let mut handed = Vec::new();
        let mut gate = None;
        let mut command = match self.limits.are_none() {
            true => Command::new(executable),
            false => {
                let (reader, writer) = std::io::pipe()?;
                handed.push(FdMapping { parent_fd: reader.into(), child_fd: FIRST });
                gate = Some(writer);
                let mut command = Command::new("/bin/sh");
                let is_named = |added: &&str| self.env.iter().any(|(name, _)| name.as_os_str() == *added);
                let added: Vec<&str> = ADDED.into_iter().filter(|added| !is_named(added)).collect();
                let gate = format!("unset -v limited {}; {GATE}", added.join(" "));
                command.arg("-c").arg(gate).arg(executable);
                command
            }
        };
        command.args(&self.args).env_clear().process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (name, value) in &self.env {
            match value {
                Some(value) => drop(command.env(name, value)),
                None => drop(std::env::var_os(name).map(|value| command.env(name, value))),
            }
        }
        command.env(guardian::VARIABLE, guardian::mark());
        if let Some(dir) = &self.dir {
            if !dir.is_dir() {
                return Err(ProcessError::NoDirectory(dir.clone()));
            }
            command.current_dir(dir);
        }
        self.hand_in(&mut command, handed)?;
        Ok((command, gate))
    }

    /// Secrets wait in pipes whose other ends are closed.
    fn hand_in(&self, command: &mut Command, mut mappings: Vec<FdMapping>) -> Result<(), ProcessError> {
        let first = FIRST + RawFd::from(!mappings.is_empty());
        for ((name, value), child_fd) in self.secrets.iter().zip(first..) {
            if SECRET_MAX < value.len() {
                return Err(ProcessError::LongSecret(name.clone()));
            }
            let (reader, mut writer) = std::io::pipe()?;
            writer.write_all(value)?;
            mappings.push(FdMapping { parent_fd: reader.into(), child_fd });
            command.env(format!("{name}_FD"), child_fd.to_string());
        }
        if !mappings.is_empty() {
            // No two have one number.
            drop(command.fd_mappings(mappings));
        }
        Ok(())
    }

    /// Where the program is. Looked for here, so that neither the environment that it gets nor the directory that it runs
    /// in decide.
    fn resolved(&self) -> Result<PathBuf, ProcessError> {
        let may_run = |found: &Metadata| found.is_file() && found.permissions().mode() & 0o111 != 0;
        let executable = self.executable.clone();
        if executable.as_os_str().as_bytes().contains(&b'/') {
            let path = std::path::absolute(&executable)?;
            return match path.metadata() {
                Ok(found) if may_run(&found) => Ok(path),
                Ok(_) => Err(ProcessError::NotPermitted(executable)),
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    Err(ProcessError::NotPermitted(executable))
                }
                Err(_) => Err(ProcessError::NotFound(executable)),
            };
        }
        let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
        let mut denied = false;
        for dir in std::env::split_paths(&path).filter(|dir| dir.is_absolute()) {
            let candidate = dir.join(&self.executable);
            match candidate.metadata() {
                Ok(found) if may_run(&found) => return Ok(candidate),
                Ok(found) => denied |= found.is_file(),
                Err(_) => {}
            }
        }
        Err(if denied { ProcessError::NotPermitted(executable) } else { ProcessError::NotFound(executable) })
    }
}

/// Values of the environment and secrets are left out.
impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let env: Vec<&OsStr> = self.env.iter().map(|(name, _)| &**name).collect();
        let secrets: Vec<&str> = self.secrets.iter().map(|(name, _)| &**name).collect();
        f.debug_struct("Program")
            .field("executable", &self.executable)
            .field("args", &self.args)
            .field("env", &env)
            .field("secrets", &secrets)
            .field("dir", &self.dir)
            .field("limits", &self.limits)
            .field("grace", &self.grace)
            .finish_non_exhaustive()
    }
}

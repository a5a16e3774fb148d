//! Approvals of processes that share a directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use tokio::task::spawn_blocking;
use toolpost_tool::{BoxFuture, ToolError};

use super::memory::{OWN_MAX, fits, full};
use crate::clock;

use super::{ApprovalRequest, ApprovalState, ApprovalStore};

/// The most files in the directory.
const FILES_MAX: usize = 10_000;

/// How old a file is that was never written whole.
const TORN: Duration = Duration::from_secs(3_600);

/// A file for each request, `ID.waiting`, `ID.approved` or `ID.declined`, and one for each approval that was used,
/// `NAME.spent`. A decision is a renaming, and to take one is to remove its file: of several, one succeeds.
#[derive(Clone)]
pub(super) struct ApprovalDirectory {
    path: PathBuf,
}

impl ApprovalDirectory {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(path)?;
        Ok(Self { path: path.to_owned() })
    }

    /// The file of a request in this state. An id that could lead elsewhere has none.
    fn file(&self, id: &str, state: &str) -> io::Result<PathBuf> {
        let is_plain = (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match is_plain {
            true => Ok(self.path.join(format!("{id}.{state}"))),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn read(path: &Path) -> io::Result<ApprovalRequest> {
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }

    fn keep(&self, request: &ApprovalRequest, now: u64) -> Result<(), ToolError> {
        fits(request)?;
        for state in ["approved", "declined"] {
            if self.file(&request.id, state)?.exists() {
                return Ok(());
            }
        }
        if !self.has_room(request)? {
            self.sweep(now)?;
            if !self.has_room(request)? {
                return Err(full());
            }
        }
        let file = self.file(&request.id, "waiting")?;
        // Read whole or not at all: written beside it first.
        static WRITTEN: AtomicU64 = AtomicU64::new(0);
        let n = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let written = self.path.join(format!("{}.{}.{n}.tmp", request.id, std::process::id()));
        let mut new = created(&written, true)?;
        new.write_all(&serde_json::to_vec(request)?)?;
        new.sync_all()?;
        match file.exists() {
            true => fs::remove_file(&written)?,
            false => fs::rename(&written, &file)?,
        }
        Ok(())
    }

    /// Whether there is room for one more, and for one more of its principal.
    fn has_room(&self, request: &ApprovalRequest) -> io::Result<bool> {
        let (mut files, mut own) = (0, 0);
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            files += 1;
            let id = name.to_str().and_then(|name| name.split('.').next());
            own += usize::from(id.is_some_and(|id| id.ends_with(request.owner())));
        }
        Ok(files < FILES_MAX && own < OWN_MAX)
    }

    /// Removes what is of no more use, whoever has left it.
    fn sweep(&self, now: u64) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            let until = match path.extension().and_then(|extension| extension.to_str()) {
                Some("waiting" | "approved" | "declined") => {
                    Self::read(&path).ok().map(|request| request.expires)
                }
                Some("spent") => fs::read_to_string(&path).ok().and_then(|until| until.parse().ok()),
                Some("tmp") => None,
                _ => continue,
            };
            let torn = || {
                let written = fs::metadata(&path).and_then(|data| data.modified()).unwrap_or(UNIX_EPOCH);
                written.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_add(TORN).as_secs()
            };
            if until.unwrap_or_else(torn) <= now {
                found(fs::remove_file(&path))?;
            }
        }
        Ok(())
    }

    fn taken(&self, id: &str, now: u64) -> io::Result<ApprovalState> {
        for (name, state) in [("approved", ApprovalState::Approved), ("declined", ApprovalState::Declined)] {
            let file = self.file(id, name)?;
            let Some(request) = found(Self::read(&file))? else { continue };
            let is_mine = found(fs::remove_file(&file))?.is_some();
            if is_mine && now < request.expires {
                return Ok(state);
            }
        }
        let file = self.file(id, "waiting")?;
        match found(Self::read(&file))? {
            Some(request) if now < request.expires => Ok(ApprovalState::Waiting),
            Some(_) => found(fs::remove_file(&file)).map(|_| ApprovalState::Unknown),
            None => Ok(ApprovalState::Unknown),
        }
    }

    fn decided(&self, id: &str, is_approved: bool, now: u64) -> io::Result<bool> {
        let file = self.file(id, "waiting")?;
        let waits = found(Self::read(&file))?.is_some_and(|request| now < request.expires);
        if !waits {
            return Ok(false);
        }
        let to = self.file(id, if is_approved { "approved" } else { "declined" })?;
        Ok(found(fs::rename(&file, &to))?.is_some())
    }

    fn list(&self, now: u64) -> io::Result<Vec<ApprovalRequest>> {
        let mut waiting = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "waiting") {
                continue;
            }
            // One that was decided in between is none any more, and one that somebody else wrote is none at all.
            let Ok(request) = Self::read(&path) else { continue };
            if now < request.expires {
                let age = fs::metadata(&path).and_then(|data| data.modified()).unwrap_or(UNIX_EPOCH);
                waiting.push((age, request));
            } else {
                found(fs::remove_file(&path))?;
            }
        }
        waiting.sort_by(|one, other| (one.0, &one.1.id).cmp(&(other.0, &other.1.id)));
        Ok(waiting.into_iter().map(|(_, request)| request).collect())
    }

    fn spent(&self, once: &str, expires: u64, now: u64) -> Result<bool, ToolError> {
        let files = || fs::read_dir(&self.path).map(Iterator::count);
        if FILES_MAX <= files()? {
            self.sweep(now)?;
            if FILES_MAX <= files()? {
                return Err(full());
            }
        }
        match created(&self.file(once, "spent")?, false) {
            Ok(mut file) => {
                file.write_all(expires.to_string().as_bytes())?;
                file.sync_all()?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Does `work` where blocking is allowed. It is done whole, whether or not anybody waits for it.
    fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, ToolError> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, ToolError>> {
        let this = self.clone();
        Box::pin(async move {
            match spawn_blocking(move || work(&this)).await {
                Ok(done) => done.map_err(|error| {
                    let text = format!("approvals cannot be kept: {error}");
                    match error.kind() {
                        toolpost_tool::ErrorKind::Failed => ToolError::unavailable(text),
                        _ => error,
                    }
                }),
                Err(_) => Err(ToolError::unavailable("approvals cannot be kept now")),
            }
        })
    }
}

impl ApprovalStore for ApprovalDirectory {
    fn ask<'a>(&'a self, request: &'a ApprovalRequest) -> BoxFuture<'a, Result<(), ToolError>> {
        let (request, now) = (request.clone(), clock::unix());
        self.blocking(move |this| this.keep(&request, now))
    }

    fn take<'a>(&'a self, id: &'a str, now: u64) -> BoxFuture<'a, Result<ApprovalState, ToolError>> {
        let id = id.to_owned();
        self.blocking(move |this| Ok(this.taken(&id, now)?))
    }

    fn decide<'a>(
        &'a self,
        id: &'a str,
        is_approved: bool,
        now: u64,
    ) -> BoxFuture<'a, Result<bool, ToolError>> {
        let id = id.to_owned();
        self.blocking(move |this| Ok(found(this.decided(&id, is_approved, now))?.unwrap_or(false)))
    }

    fn waiting(&self, now: u64) -> BoxFuture<'_, Result<Vec<ApprovalRequest>, ToolError>> {
        self.blocking(move |this| Ok(this.list(now)?))
    }

    fn spend<'a>(&'a self, once: &'a str, expires: u64, now: u64) -> BoxFuture<'a, Result<bool, ToolError>> {
        let once = once.to_owned();
        self.blocking(move |this| this.spent(&once, expires, now))
    }
}

/// A file that is its owner's alone.
fn created(path: &Path, may_exist: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true);
    match may_exist {
        true => options.create(true).truncate(true),
        false => options.create_new(true),
    };
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// What was done to a file; nothing if it is not there.
fn found<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

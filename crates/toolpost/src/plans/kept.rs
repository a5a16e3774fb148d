//! Cursors that are too long to travel with their calls.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::spawn_blocking;
use toolpost_tool::{Refusal, ToolError};

use super::cursor::Cursor;
use crate::clock;

/// How long one is kept, in seconds: as long as a server takes a call back.
const LIFETIME: u64 = 600;

/// The most runs that are kept, and the most bytes of one and, in memory, of all.
const RUNS_MAX: usize = 1_000;
const RUN_BYTES: usize = 8 << 20;
const ALL_BYTES: usize = 64 << 20;

/// Where cursors are kept, by names that are drawn for them. A name travels sealed, to whom it belongs.
#[derive(Clone)]
pub(super) enum KeptRuns {
    Memory(Arc<Mutex<HashMap<String, (u64, String)>>>),
    Directory(PathBuf),
}

impl Default for KeptRuns {
    fn default() -> Self {
        Self::Memory(Arc::default())
    }
}

impl KeptRuns {
    pub(super) fn in_directory(path: &Path) -> io::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(path)?;
        Ok(Self::Directory(path.to_owned()))
    }

    /// Keeps a cursor under the name that it returns.
    pub(super) async fn keep(&self, text: String) -> Result<String, ToolError> {
        if RUN_BYTES < text.len() {
            return Err(ToolError::new(format!(
                "a step needs input, and what the steps before it came to is longer than {RUN_BYTES} bytes, which is not kept"
            )));
        }
        let half = || RandomState::new().hash_one(());
        let (name, now) = (format!("{:016x}{:016x}", half(), half()), clock::unix());
        match self {
            Self::Memory(runs) => {
                let mut runs = runs.lock().unwrap_or_else(PoisonError::into_inner);
                runs.retain(|_, (expires, _)| now < *expires);
                let bytes: usize = runs.values().map(|(_, text)| text.len()).sum();
                if RUNS_MAX <= runs.len() || ALL_BYTES < bytes + text.len() {
                    return Err(full());
                }
                runs.insert(name.clone(), (now + LIFETIME, text));
            }
            Self::Directory(path) => {
                let (path, name) = (path.clone(), name.clone());
                blocking(move || write(&path, &name, now, &text)).await?;
            }
        }
        Ok(name)
    }

    /// The cursor that is kept under this name. It stays: a client may come back more than once.
    pub(super) async fn load(&self, name: &str) -> Result<Cursor, ToolError> {
        let now = clock::unix();
        let found = match self {
            Self::Memory(runs) => {
                let runs = runs.lock().unwrap_or_else(PoisonError::into_inner);
                runs.get(name).filter(|(expires, _)| now < *expires).map(|(_, text)| text.clone())
            }
            Self::Directory(path) => {
                let file = path.join(format!("{name}.run"));
                match is_name(name) {
                    true => blocking(move || Ok(fs::read_to_string(file).ok())).await?,
                    false => None,
                }
            }
        };
        let gone =
            || ToolError::new("what was done of this workflow is kept no more; call again from the start");
        Ok(serde_json::from_str(&found.ok_or_else(gone)?)?)
    }
}

fn write(path: &Path, name: &str, now: u64, text: &str) -> Result<(), ToolError> {
    let mut runs = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        // Whatever else is in the directory is somebody's.
        if !entry.file_name().to_str().and_then(|file| file.strip_suffix(".run")).is_some_and(is_name) {
            continue;
        }
        let modified = entry.metadata().and_then(|data| data.modified());
        let age = modified.ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        if age.is_some_and(|at| at.as_secs() + LIFETIME < now) {
            // Another process may have been quicker.
            let _ = fs::remove_file(entry.path());
        } else {
            runs += 1;
        }
    }
    if RUNS_MAX <= runs {
        return Err(full());
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path.join(format!("{name}.run")))?;
    file.write_all(text.as_bytes())?;
    Ok(file.sync_all()?)
}

/// Whether it is one of those that are drawn.
fn is_name(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ToolError> + Send + 'static,
) -> Result<T, ToolError> {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(_) => Err(ToolError::unavailable("what was done of a workflow cannot be kept now")),
    }
}

fn full() -> ToolError {
    let text = "too many workflows wait for input: wait until some of them have gone on";
    ToolError::refused(Refusal::TooManyAtOnce, text, None)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use toolpost_tool::ErrorKind;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded_in_number_in_bytes_and_in_time() {
        let kept = KeptRuns::default();
        let first = kept.keep(r#"{"ended":{},"states":{}}"#.to_owned()).await.unwrap();
        for _ in 1..RUNS_MAX {
            kept.keep("{}".to_owned()).await.unwrap();
        }
        let full = kept.keep("{}".to_owned()).await.unwrap_err();
        assert_eq!(full.kind(), ErrorKind::Refused(Refusal::TooManyAtOnce));
        assert!(kept.load(&first).await.is_ok() && kept.load(&first).await.is_ok(), "it stays");
        tokio::time::advance(Duration::from_secs(LIFETIME)).await;
        assert!(kept.load(&first).await.is_err(), "its time is over");

        let long = "x".repeat(RUN_BYTES);
        for _ in 0..ALL_BYTES / RUN_BYTES {
            kept.keep(long.clone()).await.unwrap();
        }
        assert!(kept.keep("{}".to_owned()).await.is_err());
        assert!(kept.keep(long + "x").await.unwrap_err().to_string().contains("longer than"));
    }

    #[tokio::test]
    async fn what_is_too_old_is_removed_and_what_is_not_a_run_stays() {
        let dir = tempfile::TempDir::new().unwrap();
        let kept = KeptRuns::in_directory(dir.path()).unwrap();
        let old = format!("{:032x}.run", 7);
        for name in [&*old, "data.db", "backup.run"] {
            let file = fs::File::create(dir.path().join(name)).unwrap();
            file.set_modified(std::time::UNIX_EPOCH).unwrap();
        }
        kept.keep("{}".to_owned()).await.unwrap();
        let is_there = |name: &str| dir.path().join(name).exists();
        assert!(!is_there(&old) && is_there("data.db") && is_there("backup.run"));
    }

    #[tokio::test]
    async fn a_name_leads_nowhere_else() {
        let dir = tempfile::TempDir::new().unwrap();
        fs::write(dir.path().join("a.run"), "{}").unwrap();
        let kept = KeptRuns::in_directory(&dir.path().join("runs")).unwrap();
        for name in ["../a", "", "a", &"/".repeat(32)] {
            assert!(kept.load(name).await.is_err(), "{name}");
        }
    }
}

//! One opener of a file at a time.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use fs4::TryLockError;

/// Holds the lock on a file until this is dropped.
///
/// Dropping it says so to the system, rather than leaving it to the file's end: a child process that has just been made
/// has a copy of the file until its program begins, and would hold the lock for that long.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// Takes the lock on the file at `path`, which is created if it is not there; `None` if somebody else has it.
    pub(crate) fn take(path: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        match fs4::FileExt::try_lock(&file) {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // What fails here ends with the file.
        let _ = fs4::FileExt::unlock(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_the_file_does_not_keep_the_lock() {
        let path = std::env::temp_dir().join(format!("toolpost-lock-{}", std::process::id()));
        let lock = Lock::take(&path).unwrap().unwrap();
        assert!(Lock::take(&path).unwrap().is_none(), "it is taken");
        // What a child process has between its making and the start of its program.
        let copy = lock.0.try_clone().unwrap();
        drop(lock);
        assert!(Lock::take(&path).unwrap().is_some());
        drop(copy);
        std::fs::remove_file(path).unwrap();
    }
}

//! Names of files beside a journal, and how they are made durable.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The same path with one more ending.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// Makes a file's name as durable as the file. Windows has no such thing, and needs none.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(directory) if cfg!(unix) => File::open(directory)?.sync_all(),
        _ => Ok(()),
    }
}

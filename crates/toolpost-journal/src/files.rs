//! The file system as a log uses it: one directory of files. Tests put one that fails in its place.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::PathBuf;

/// One directory.
pub(crate) trait Files: Debug + Send + Sync {
    /// Names of the files in it.
    fn list(&self) -> io::Result<Vec<String>>;
    /// A new, empty file, to read and write; one of that name goes.
    fn create(&self, name: &str) -> io::Result<Box<dyn Blob>>;
    /// A file that is there, to read, and to write where asked.
    fn open(&self, name: &str, write: bool) -> io::Result<Box<dyn Blob>>;
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes names as durable as files.
    fn sync(&self) -> io::Result<()>;
    /// What to call a file in an error.
    fn path(&self, name: &str) -> PathBuf;
}

/// One file.
pub(crate) trait Blob: Debug + Send + Sync {
    fn size(&self) -> io::Result<u64>;
    /// May read less; nothing at the end.
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize>;
    /// May write less.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize>;
    fn set_size(&self, size: u64) -> io::Result<()>;
    /// Makes the bytes durable, and the size.
    fn sync(&self) -> io::Result<()>;
}

/// Reads until `bytes` is full or the file ends; how many bytes that were.
pub(crate) fn read_full(file: &dyn Blob, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], at + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// Writes all of `bytes`.
pub(crate) fn write_full(file: &dyn Blob, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => (bytes, at) = (&bytes[written..], at + written as u64),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A directory of the operating system's.
#[derive(Debug)]
pub(crate) struct OsFiles(pub(crate) PathBuf);

impl Files for OsFiles {
    fn list(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.0)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(Result::transpose).collect()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Blob>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        Ok(Box::new(options.open(self.path(name))?))
    }

    fn open(&self, name: &str, write: bool) -> io::Result<Box<dyn Blob>> {
        Ok(Box::new(OpenOptions::new().read(true).write(write).open(self.path(name))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    /// Windows has no such thing, and needs none.
    fn sync(&self) -> io::Result<()> {
        if cfg!(unix) { File::open(&self.0)?.sync_all() } else { Ok(()) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Blob for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    #[cfg(unix)]
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, bytes, at)
    }

    #[cfg(windows)]
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(self, bytes, at)
    }

    #[cfg(unix)]
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::write_at(self, bytes, at)
    }

    #[cfg(windows)]
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_write(self, bytes, at)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.set_len(size)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

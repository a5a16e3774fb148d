//! Keeps every path inside one directory.
//!
//! A path is first read as a [`RelPath`]: relative, without `..`, without NUL. It is then opened
//! relative to the handle of the root, and the kernel itself resolves it beneath that handle
//! (`openat2` with `RESOLVE_BENEATH` on Linux, one component at a time elsewhere; both by
//! `cap-std`). Nothing is checked by name and opened by name afterwards, so there is no moment in
//! which a link swapped in could lead a call out.

use std::fmt;
use std::io;
use std::path::{Component, Path, PathBuf};

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions};
use toolpost_tool::{ErrorKind, ToolError};

/// The longest path an argument may give, in bytes.
const PATH_MAX: usize = 4096;

/// The one directory that the tools see.
#[derive(Debug)]
pub struct Root {
    dir: Dir,
    path: PathBuf,
}

impl Root {
    /// Opens the directory at `path`; this is the only path that is followed wherever it leads.
    ///
    /// # Errors
    ///
    /// If there is no directory that can be read at `path`.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = path.canonicalize()?;
        let dir = Dir::open_ambient_dir(&path, ambient_authority())?;
        Ok(Self { dir, path })
    }

    /// Where the root was when it was opened. Not for the eyes of a caller.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    ///
    /// If the path leads out of the root, or to no readable regular file.
    pub fn file(&self, path: &RelPath) -> Result<File, Refused> {
        let refused = |why| Refused { path: path.to_string(), why };
        let file =
            self.dir.open_with(path.as_path(), &read_options()).map_err(|e| refused(Why::from_io(&e)))?;
        let metadata = file.metadata().map_err(|e| refused(Why::from_io(&e)))?;
        if metadata.is_dir() {
            return Err(refused(Why::IsDirectory));
        }
        if !metadata.is_file() {
            return Err(refused(Why::Special));
        }
        if path.ends_in_slash { Err(refused(Why::TrailingSlash)) } else { Ok(file) }
    }

    /// Opens a directory.
    ///
    /// # Errors
    ///
    /// If the path leads out of the root, or to no readable directory.
    pub fn dir(&self, path: &RelPath) -> Result<Dir, Refused> {
        self.dir
            .open_dir(path.as_path())
            .map_err(|e| Refused { path: path.to_string(), why: Why::from_io(&e) })
    }
}

/// The handle of the root.
#[must_use]
pub const fn top(root: &Root) -> &Dir {
    &root.dir
}

/// Opens the regular file `name` of `dir`, and nothing else: no link, no pipe, no device.
///
/// # Errors
///
/// If there is no such file, or it cannot be read.
pub fn open_plain(dir: &Dir, name: &Path) -> io::Result<File> {
    let mut options = read_options();
    options.follow(FollowSymlinks::No);
    let file = dir.open_with(name, &options)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::from(io::ErrorKind::InvalidInput)),
    }
}

/// Opens the directory `name` of `dir`; a link to a directory is not one.
///
/// # Errors
///
/// If there is no such directory, or it cannot be read.
pub fn open_plain_dir(dir: &Dir, name: &Path) -> io::Result<Dir> {
    dir.open_dir_nofollow(name)
}

/// Without waiting: opening a pipe that nobody writes to must not hang.
fn read_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).nonblock(true);
    options
}

/// A path below the root, by its form: relative, no `..`, no NUL. Where its links lead is another
/// question, answered when it is opened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RelPath {
    /// Components joined by `/`; empty for the root itself.
    path: String,
    ends_in_slash: bool,
}

impl RelPath {
    /// The root itself.
    #[must_use]
    pub const fn root() -> Self {
        Self { path: String::new(), ends_in_slash: false }
    }

    /// Reads a path as an argument gives it.
    ///
    /// # Errors
    ///
    /// If the path is absolute, climbs by `..`, holds a NUL, or is too long.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let refused = |why| Refused { path: shown(text), why };
        if text.len() > PATH_MAX {
            return Err(refused(Why::TooLong));
        }
        if text.contains('\0') {
            return Err(refused(Why::Nul));
        }
        let mut path = String::new();
        for component in Path::new(text).components() {
            match component {
                Component::CurDir => {}
                Component::Normal(part) => {
                    if !path.is_empty() {
                        path.push('/');
                    }
                    path.push_str(&part.to_string_lossy());
                }
                Component::ParentDir => return Err(refused(Why::Parent)),
                Component::RootDir | Component::Prefix(_) => return Err(refused(Why::Absolute)),
            }
        }
        Ok(Self { path, ends_in_slash: text.ends_with(['/', std::path::MAIN_SEPARATOR]) })
    }

    /// Whether this is the root itself.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.path.is_empty()
    }

    /// The components joined by `/`; empty for the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.path
    }

    fn as_path(&self) -> &Path {
        Path::new(if self.is_root() { "." } else { &self.path })
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_root() { "." } else { &self.path })
    }
}

/// A path that was not opened. Its text names the path as the caller gave it and says what to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refused {
    path: String,
    why: Why,
}

/// Why a path was not opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Why {
    /// It starts at the top of the file system.
    Absolute,
    /// The server may not read it.
    Denied,
    /// The server has no descriptors or no memory left to open it: no fault of the path.
    Exhausted,
    /// It is a directory where a file is wanted.
    IsDirectory,
    /// There is nothing there.
    Missing,
    /// A file stands where a directory is wanted.
    NotDirectory,
    /// It holds a NUL.
    Nul,
    /// A link leads out of the root.
    Outside,
    /// It climbs by `..`.
    Parent,
    /// It is a pipe, a socket or a device.
    Special,
    /// It is longer than any path may be.
    TooLong,
    /// It names a file as if it were a directory.
    TrailingSlash,
    /// The file system failed, or its links go round in circles.
    Unreadable,
}

impl Why {
    fn from_io(error: &io::Error) -> Self {
        match error.kind() {
            _ if is_exhausted(error) => Self::Exhausted,
            // `cap-std` makes its refusal by hand; a refusal by the system carries its number.
            io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => Self::Outside,
            io::ErrorKind::PermissionDenied => Self::Denied,
            io::ErrorKind::NotFound => Self::Missing,
            io::ErrorKind::NotADirectory => Self::NotDirectory,
            io::ErrorKind::IsADirectory => Self::IsDirectory,
            io::ErrorKind::InvalidFilename => Self::TooLong,
            io::ErrorKind::InvalidInput => Self::Nul,
            _ => Self::Unreadable,
        }
    }
}

impl Refused {
    /// The server has nothing left to open `path` with.
    pub(crate) fn exhausted(path: &str) -> Self {
        Self { path: shown(path), why: Why::Exhausted }
    }

    /// Why the path was not opened.
    #[must_use]
    pub const fn why(&self) -> Why {
        self.why
    }

    /// The answer to a call whose argument `argument` was this path.
    ///
    /// Of kind [`InvalidArguments`](ErrorKind::InvalidArguments), unless it is the server that cannot open anything:
    /// then [`Unavailable`](ErrorKind::Unavailable), and worth trying again.
    #[must_use]
    pub fn answer(&self, argument: &str) -> ToolError {
        if self.why == Why::Exhausted {
            return exhausted();
        }
        ToolError::with_kind(ErrorKind::InvalidArguments, format!("argument `{argument}`: {self}"))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ", self.path)?;
        f.write_str(match self.why {
            Why::Absolute => "is absolute; give it relative to the root, as list_files shows it",
            Why::Denied => "may not be read by this server; choose another file",
            Why::Exhausted => "could not be opened: the server has too many files open; try again",
            Why::IsDirectory => "is a directory; give a file, list_files shows what is in it",
            Why::Missing => "does not exist; list_files shows what does",
            Why::NotDirectory => {
                "goes through a file as if it were a directory; list_files shows what exists"
            }
            Why::Nul => "holds a NUL character; leave it out",
            Why::Outside => "leads out of the root through a link; only what is inside can be read",
            Why::Parent => "has a `..` in it; write the path from the root down, without `..`",
            Why::Special => "is not a regular file; choose another path",
            Why::TooLong => "is too long; 4096 bytes are the most, 255 for one name",
            Why::TrailingSlash => "ends in `/` and is a file; leave the `/` out",
            Why::Unreadable => {
                "could not be read (a link that leads back to itself, perhaps); choose another path"
            }
        })
    }
}

impl std::error::Error for Refused {}

/// Whether the system had nothing left to open a file with: descriptors of the process or of the machine, or memory.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    #[cfg(unix)]
    let is_out = {
        use rustix::io::Errno;
        [Errno::MFILE, Errno::NFILE]
            .into_iter()
            .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
    };
    #[cfg(not(unix))]
    let is_out = false;
    is_out || error.kind() == io::ErrorKind::OutOfMemory
}

/// The answer where the server has nothing left to open files with.
pub(crate) fn exhausted() -> ToolError {
    ToolError::unavailable(
        "the server has too many files open to read another one now; try again in a moment",
    )
}

/// At most 200 characters of what a caller sent, fit to be shown.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(200).flat_map(char::escape_debug).collect();
    if text.chars().nth(200).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn out_of_descriptors_is_the_servers_fault_and_worth_another_try() {
        for errno in [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE] {
            let error = io::Error::from_raw_os_error(errno.raw_os_error());
            let refused = Refused { path: "a".into(), why: Why::from_io(&error) };
            assert_eq!(refused.why(), Why::Exhausted);
            let answer = refused.answer("path");
            assert_eq!(answer.kind(), ErrorKind::Unavailable);
            assert!(answer.to_string().contains("too many files open"), "{answer}");
        }
    }
}

//! Writes a journal's file anew without what was removed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::frames::{MAGIC, payload};
use super::index::Index;

/// The new file in the place of the old one.
pub(super) struct Compacted {
    pub(super) index: Index,
    pub(super) file: File,
    pub(super) reader: File,
    pub(super) end: u64,
}

/// Writes what the index knows into a file beside the journal, syncs it, and gives it the journal's name.
/// What fails before that leaves the old file as it was.
pub(super) fn compact(
    index: &Index,
    reader: &Mutex<File>,
    beside: &Path,
    path: &Path,
) -> io::Result<Compacted> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(beside)?;
    // Before anything is in it: who may not read the old file may not read the new one.
    let protected = fs::metadata(path).and_then(|old| file.set_permissions(old.permissions()));
    let written = protected.and_then(|()| copy(index, reader, &mut file)).and_then(|index| {
        file.sync_all()?;
        let end = file.seek(SeekFrom::End(0))?;
        let reader = File::open(beside)?;
        fs::rename(beside, path)?;
        Ok((index, end, reader))
    });
    match written {
        Ok((index, end, reader)) => Ok(Compacted { index, file, reader, end }),
        Err(error) => {
            drop(file);
            let _ = fs::remove_file(beside);
            Err(error)
        }
    }
}

/// Copies what the index knows, run by run; where it lies then.
fn copy(index: &Index, reader: &Mutex<File>, file: &mut File) -> io::Result<Index> {
    let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
    let mut out = io::BufWriter::new(file);
    out.write_all(MAGIC)?;
    let (mut moved, mut end) = (Index::default(), MAGIC.len());
    for (_, lines) in index.runs() {
        for &(at, length) in &lines.ranges {
            let bytes = read(&mut reader, at, length)?;
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let damaged = || {
                    let offset = at + (bytes.len() - rest.len()) as u64;
                    io::Error::new(io::ErrorKind::InvalidData, format!("damaged at byte {offset}"))
                };
                let (payload, size) = payload(rest).ok_or_else(damaged)?;
                moved.read(end, size, payload);
                end += size;
                rest = &rest[size..];
            }
            out.write_all(&bytes)?;
        }
    }
    out.flush()?;
    Ok(moved)
}

/// The bytes at an offset.
pub(super) fn read(file: &mut File, at: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

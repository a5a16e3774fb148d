//! How far consumers of a log have come.

use std::io;

use crate::error::LogError;
use crate::files::{read_full, write_full};
use crate::reader::LogReader;

/// What a file of a position begins with.
const MAGIC: &[u8; 8] = b"toolppo1";
const SIZE: usize = 20;

impl LogReader {
    /// Keeps, under the consumer's name, the sequence number of the record that it wants next: one file beside the segments,
    /// durable when this returns. A crash leaves the old number or the new one. Retention does not wait for consumers.
    ///
    /// # Errors
    ///
    /// When the name is not of 1 to 64 ASCII letters, digits, `-` and `_`, or the file cannot be written.
    pub fn save_position(&self, consumer: &str, seq: u64) -> Result<(), LogError> {
        let (files, name) = (&self.cursor.files, self.position_name(consumer)?);
        let write = || {
            let new = format!("{name}.tmp");
            let mut bytes = [0; SIZE];
            bytes[..8].copy_from_slice(MAGIC);
            bytes[8..16].copy_from_slice(&seq.to_le_bytes());
            let sum = crc32c::crc32c(&bytes[..16]);
            bytes[16..].copy_from_slice(&sum.to_le_bytes());
            let file = files.create(&new)?;
            write_full(&*file, &bytes, 0)?;
            file.sync()?;
            drop(file);
            files.rename(&new, &name)?;
            files.sync()
        };
        write().map_err(|error| LogError::io(files.path(&name), error))
    }

    /// The number that was kept last under the consumer's name; `None` if none ever was.
    ///
    /// # Errors
    ///
    /// When the name is none, or the file is damaged or cannot be read.
    pub fn saved_position(&self, consumer: &str) -> Result<Option<u64>, LogError> {
        let (files, name) = (&self.cursor.files, self.position_name(consumer)?);
        let path = files.path(&name);
        let file = match files.open(&name, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(|error| LogError::io(&path, error))?,
        };
        let mut bytes = [0; SIZE + 1];
        let read = read_full(&*file, &mut bytes, 0).map_err(|error| LogError::io(&path, error))?;
        let (body, sum) = bytes[..SIZE].split_at(16);
        let whole = read == SIZE && body.starts_with(MAGIC) && crc32c::crc32c(body).to_le_bytes() == sum;
        match (whole, body[8..].first_chunk()) {
            (true, Some(seq)) => Ok(Some(u64::from_le_bytes(*seq))),
            _ => Err(LogError::damaged(path, 0, "the position of a consumer")),
        }
    }

    fn position_name(&self, consumer: &str) -> Result<String, LogError> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        match (1..=64).contains(&consumer.len()) && consumer.bytes().all(good) {
            true => Ok(format!("{consumer}.position")),
            false => {
                let text = "a consumer's name is of 1 to 64 letters, digits, `-` and `_`";
                Err(LogError::invalid(&self.cursor.path, text))
            }
        }
    }
}

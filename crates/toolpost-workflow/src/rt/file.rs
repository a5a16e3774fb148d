//! A journal in one file: checksummed frames, written and synced in groups.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::journal::{Entry, Journal};

const MAGIC: &[u8; 8] = b"toolpwj1";
/// Length and checksum, four bytes each.
const HEAD: usize = 8;

/// What a write has survived when it is called done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// The machine's crash: the file is synced.
    #[default]
    Machine,
    /// The process's crash: the operating system has the bytes.
    Process,
}

/// A journal in one file, for any number of runs.
///
/// A frame is the length of its payload, the CRC-32C of length and payload, and the payload: the run's
/// name and one entry. Appends that arrive while a write is under way share the next write and its
/// sync (group commit). Opening truncates the file after its last whole frame, which is where a crash
/// tore it. After a failed write the journal takes no more: what a failed sync left is anybody's guess.
#[derive(Clone, Debug)]
pub struct FileJournal {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    durability: Durability,
    truncated: u64,
    /// Held for appending to a buffer or swapping it, never over a write.
    state: Mutex<State>,
    /// Held by the one writer.
    file: Mutex<File>,
    written: watch::Sender<Written>,
}

#[derive(Debug, Default)]
struct State {
    buffer: Vec<u8>,
    /// Appends so far.
    appends: u64,
    writing: bool,
}

#[derive(Clone, Debug, Default)]
struct Written {
    /// Appends that are durable.
    appends: u64,
    /// Writes that made them so.
    writes: u64,
    error: Option<(io::ErrorKind, String)>,
}

impl FileJournal {
    /// Opens the journal, or creates it, durable against the machine's crash.
    ///
    /// Reads the whole file; call it where blocking is allowed.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, read or truncated, or is no journal.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::open_with(path, Durability::Machine)
    }

    /// Opens the journal with a durability of choice; see [`open`](Self::open).
    ///
    /// # Errors
    ///
    /// As `open`.
    pub fn open_with(path: impl AsRef<Path>, durability: Durability) -> io::Result<Self> {
        let path = path.as_ref().to_owned();
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let whole = match bytes.len() < MAGIC.len() && MAGIC.starts_with(&bytes) {
            true => 0,
            false if bytes.starts_with(MAGIC) => {
                MAGIC.len() + frames(&bytes[MAGIC.len()..]).map(|(_, n)| n).sum::<usize>()
            }
            false => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is no workflow journal"));
            }
        };
        file.set_len(whole as u64)?;
        file.seek(SeekFrom::End(0))?;
        if whole == 0 {
            file.write_all(MAGIC)?;
        }
        if durability == Durability::Machine {
            file.sync_all()?;
            if let Some(directory) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
                File::open(directory)?.sync_all()?;
            }
        }
        let shared = Shared {
            path,
            durability,
            truncated: (bytes.len() - whole) as u64,
            state: Mutex::default(),
            file: Mutex::new(file),
            written: watch::Sender::new(Written::default()),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// How many bytes of a torn write were cut off when the file was opened.
    #[must_use]
    pub fn truncated(&self) -> u64 {
        self.shared.truncated
    }

    /// How many appends are durable, and how many writes that took: fewer, where they came in groups.
    #[must_use]
    pub fn writes(&self) -> (u64, u64) {
        let written = self.shared.written.borrow();
        (written.appends, written.writes)
    }
}

#[async_trait]
impl Journal for FileJournal {
    async fn append(&self, run: &str, entries: &[Entry]) -> io::Result<()> {
        let (mine, lead) = {
            let mut state = self.shared.lock();
            for entry in entries {
                frame(run, entry, &mut state.buffer)?;
            }
            state.appends += 1;
            (state.appends, !std::mem::replace(&mut state.writing, true))
        };
        let mut written = self.shared.written.subscribe();
        if lead {
            let shared = Arc::clone(&self.shared);
            // Detached: whoever waits may leave, the bytes are written all the same. It ends with the buffer empty.
            drop(spawn_blocking(move || shared.write()));
        }
        let done =
            written.wait_for(|w| mine <= w.appends || w.error.is_some()).await.map_err(io::Error::other)?;
        match &done.error {
            Some((kind, text)) => Err(io::Error::new(*kind, text.clone())),
            None => Ok(()),
        }
    }

    async fn load(&self, run: &str) -> io::Result<Vec<Entry>> {
        let (path, run) = (self.shared.path.clone(), run.to_owned());
        spawn_blocking(move || {
            let bytes = std::fs::read(path)?;
            let payloads = frames(bytes.get(MAGIC.len()..).unwrap_or_default());
            payloads
                .filter_map(|(payload, _)| payload.strip_prefix(&*name(&run)))
                .map(|entry| {
                    Entry::decode(entry)
                        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unknown entry"))
                })
                .collect()
        })
        .await
        .map_err(io::Error::other)?
    }
}

impl Shared {
    /// Writes until nobody has anything more to write.
    fn write(&self) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let (buffer, appends) = {
                let mut state = self.lock();
                if state.buffer.is_empty() {
                    state.writing = false;
                    return;
                }
                (std::mem::take(&mut state.buffer), state.appends)
            };
            let result = file.write_all(&buffer).and_then(|()| match self.durability {
                Durability::Machine => file.sync_data(),
                Durability::Process => Ok(()),
            });
            let failed = result.is_err();
            self.written.send_modify(|written| match result {
                Ok(()) => {
                    written.appends = appends;
                    written.writes += 1;
                }
                Err(error) => written.error = Some((error.kind(), error.to_string())),
            });
            if failed {
                // `writing` stays set: nobody leads again, and whoever appends hears of the error.
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The run's name as it stands before an entry: its length in two bytes, then itself.
fn name(run: &str) -> Vec<u8> {
    let mut out = (run.len() as u16).to_le_bytes().to_vec();
    out.extend(run.as_bytes());
    out
}

fn frame(run: &str, entry: &Entry, out: &mut Vec<u8>) -> io::Result<()> {
    let too_long = || io::Error::new(io::ErrorKind::InvalidInput, "the run's name or the entry is too long");
    u16::try_from(run.len()).map_err(|_| too_long())?;
    let mut payload = name(run);
    entry.encode(&mut payload);
    let length = u32::try_from(payload.len()).map_err(|_| too_long())?.to_le_bytes();
    out.extend(length);
    out.extend(checksum(length, &payload).to_le_bytes());
    out.extend(payload);
    Ok(())
}

fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length), payload)
}

/// The payloads of the whole frames at the start of `bytes`, each with the size of its frame.
fn frames(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8], usize)> {
    std::iter::from_fn(move || {
        let length: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
        let sum = u32::from_le_bytes(bytes.get(4..HEAD)?.try_into().ok()?);
        let end = HEAD.checked_add(u32::from_le_bytes(length) as usize)?;
        let payload = bytes.get(HEAD..end)?;
        if checksum(length, payload) != sum {
            return None;
        }
        bytes = &bytes[end..];
        Some((payload, end))
    })
}

//! A journal in one file: checksummed frames, written and synced in groups.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::claim::Claim;
use super::compact::{compact, read};
use super::directory::{beside, sync_directory};
use super::file_error::JournalError;
use super::frames::{Frames, Judged, MAGIC, scan};
use super::index::{Index, RecordedRun};
use super::lock::Lock;
use super::view::decode;
use crate::journal::{Journal, JournalEntry};

/// Bytes that wait for the write under way. Whoever appends beyond that waits for it too.
const BUFFER: usize = 4 << 20;

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
/// sync (group commit). An index of where each run's entries lie is kept in memory, so that a run's
/// start reads no more than its own record; it takes the run's name, and 16 bytes for each group of
/// entries. The file grows until [`remove`](Self::remove) and [`compact`](Self::compact) shrink it.
///
/// ```
/// use std::sync::Arc;
/// use toolpost_workflow::Workflow;
/// use toolpost_workflow::rt::FileJournal;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("orders");
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let mut w = Workflow::<u64>::new("order");
/// let order = w.input();
/// let paid = w.step("pay").run(order, |order| async move { Ok(format!("paid {order}")) });
/// w.record(paid);
/// let plan = w.build(paid)?;
///
/// let journal = Arc::new(FileJournal::open(&path)?);
/// let killed = plan.start(42).journal(journal.clone(), "order 42").run();
/// drop(killed); // Or the machine.
///
/// // Whoever comes after asks what is left to do; this one was never begun.
/// assert!(journal.unfinished().is_empty());
/// let report = plan.start(42).journal(journal.clone(), "order 42").run().await;
/// assert_eq!(*report.into_result()?, "paid 42");
/// assert!(journal.list()[0].is_finished() && journal.unfinished().is_empty());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # One opener at a time
///
/// Whoever has the journal open holds a lock on the file `<path>.lock` beside it, which stays there when
/// the journal is closed: a second opener, in this process or another, is refused (see
/// [`JournalError::is_in_use`]). The lock ends with the process, however it ends. Clones share one
/// opening. Two hard links to one file are two journals to the lock: do not make any. To look at a
/// journal from outside, use [`JournalView`](super::JournalView).
///
/// # What a crash leaves, and what is damage
///
/// A crash can tear the last write. Opening cuts off what is not whole at the end of the file. A frame
/// that is not whole *although whole frames follow* was not torn by a crash: opening fails with the
/// offset (see [`JournalError::damaged_at`]), and nothing is cut off.
///
/// After a failed write the journal takes no more, for what a failed sync left is anybody's guess:
/// every append is refused at once with that error. Open it anew when the cause is gone.
///
/// Dropping the last clone writes what runs that were dropped had still handed over, and closes the
/// journal. That blocks for one write at most, or for the rest of a compaction under way.
#[derive(Clone, Debug)]
pub struct FileJournal {
    opened: Arc<Opened>,
}

/// What all clones share, and no writer does: the journal is closed when this is dropped.
#[derive(Debug)]
struct Opened {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    durability: Durability,
    truncated: u64,
    /// Held for looking or swapping, never over a write.
    state: Mutex<State>,
    /// Held by the one writer, over its write.
    writer: Mutex<Writer>,
    written: watch::Sender<Written>,
}

#[derive(Debug)]
struct State {
    buffer: Frames,
    /// Appends so far.
    appends: u64,
    /// Whether a writer is on its way.
    writing: bool,
    index: Index,
    /// Another handle of the file that `index` is about.
    reader: Arc<Mutex<File>>,
    failed: Option<Failed>,
}

type Failed = (io::ErrorKind, String);

#[derive(Debug)]
struct Writer {
    file: File,
    end: u64,
    /// Until the journal is closed.
    lock: Option<Lock>,
}

#[derive(Clone, Debug, Default)]
struct Written {
    /// Appends that are durable.
    appends: u64,
    /// Writes that made them so.
    writes: u64,
    failed: Option<Failed>,
}

impl FileJournal {
    /// Opens the journal, or creates it, durable against the machine's crash.
    ///
    /// Reads the whole file; call it where blocking is allowed.
    ///
    /// # Errors
    ///
    /// When it is open elsewhere, is damaged, is no journal, or cannot be read or written.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        Self::open_with(path, Durability::Machine)
    }

    /// Opens the journal with a durability of choice; see [`open`](Self::open).
    ///
    /// # Errors
    ///
    /// As `open`.
    pub fn open_with(path: impl AsRef<Path>, durability: Durability) -> Result<Self, JournalError> {
        let path = path.as_ref();
        let failed = |error| JournalError::io(path, error);
        let edit = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        // It must be there for its path to be made out: one file has one lock, whatever links lead to it.
        drop(edit().map_err(failed)?);
        let real = fs::canonicalize(path).map_err(failed)?;
        let lock = Lock::take(&beside(&real, "lock")).map_err(failed)?;
        let lock = lock.ok_or_else(|| JournalError::in_use(path))?;
        // Anew: the owner before us may have put another file in its place.
        let mut file = edit().map_err(failed)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let mut index = Index::default();
        let whole = match scan(&bytes, |at, size, payload| index.read(at, size, payload)) {
            Judged::Whole(whole) => whole,
            Judged::Damaged(at) => return Err(JournalError::damaged(path, at as u64)),
            Judged::Foreign => return Err(JournalError::foreign(path)),
        };
        let opened = Self::cut(&mut file, whole, durability, &real).and_then(|end| {
            // What a crash in the middle of a compaction left.
            match fs::remove_file(beside(&real, "compacting")) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            Ok((end, File::open(&real)?))
        });
        let (end, reader) = opened.map_err(failed)?;
        let state = State {
            buffer: Frames::default(),
            appends: 0,
            writing: false,
            index,
            reader: Arc::new(Mutex::new(reader)),
            failed: None,
        };
        let shared = Shared {
            path: real,
            durability,
            truncated: (bytes.len() - whole) as u64,
            state: Mutex::new(state),
            writer: Mutex::new(Writer { file, end, lock: Some(lock) }),
            written: watch::Sender::new(Written::default()),
        };
        Ok(Self { opened: Arc::new(Opened { shared: Arc::new(shared) }) })
    }

    /// How many bytes of a torn write were cut off when the file was opened.
    #[must_use]
    pub fn truncated(&self) -> u64 {
        self.opened.shared.truncated
    }

    /// How many appends are durable, and how many writes that took: fewer, where they came in groups.
    #[must_use]
    pub fn writes(&self) -> (u64, u64) {
        let written = self.opened.shared.written.borrow();
        (written.appends, written.writes)
    }

    /// The runs in the journal, by name, as far as they are durable.
    #[must_use]
    pub fn list(&self) -> Vec<RecordedRun> {
        self.opened.shared.lock().index.list()
    }

    /// The names of the runs that are not [finished](RecordedRun::is_finished): what to resume after a
    /// crash. Those that this process is running are among them.
    #[must_use]
    pub fn unfinished(&self) -> Vec<String> {
        let runs = self.list().into_iter();
        runs.filter(|run| !run.is_finished()).map(|run| run.name().to_owned()).collect()
    }

    /// Forgets a run; `false` if the journal does not know it. The name is free again. The bytes stay
    /// in the file until it is [compacted](Self::compact).
    ///
    /// # Errors
    ///
    /// When the run is under way in this process, or the file cannot be written.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the run may be removed or not.
    pub async fn remove(&self, run: &str) -> io::Result<bool> {
        let shared = &self.opened.shared;
        let Some(_claim) = Claim::take(self.identity(), run) else {
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, format!("run `{run}` is under way")));
        };
        shared.settled().await?;
        if shared.lock().index.of(run).is_none() {
            return Ok(false);
        }
        shared.push(Frames::removal(run)?).await?;
        Ok(true)
    }

    /// Writes the file anew without what was removed; how many bytes that saved. Appends wait meanwhile.
    ///
    /// A crash leaves the old file or the new one, whole: the new one is written beside it, synced, and
    /// renamed.
    ///
    /// # Errors
    ///
    /// When a file cannot be written, or an entry is damaged. The journal goes on in the old file, unless
    /// nobody can tell which of the two the directory names: then it takes no more.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it goes on to its end all the same, unless the journal is closed before it begins.
    pub async fn compact(&self) -> io::Result<u64> {
        let shared = Arc::clone(&self.opened.shared);
        spawn_blocking(move || shared.compact()).await.map_err(io::Error::other)?
    }

    /// Cuts off what is behind the whole frames; the end of the file.
    fn cut(file: &mut File, whole: usize, durability: Durability, path: &Path) -> io::Result<u64> {
        file.set_len(whole as u64)?;
        if whole == 0 {
            file.seek(SeekFrom::Start(0))?;
            file.write_all(MAGIC)?;
        }
        if durability == Durability::Machine {
            file.sync_all()?;
            sync_directory(path)?;
        }
        file.seek(SeekFrom::End(0))
    }
}

#[async_trait]
impl Journal for FileJournal {
    async fn append(&self, run: &str, entries: &[JournalEntry]) -> io::Result<()> {
        match entries.is_empty() {
            true => Ok(()),
            false => self.opened.shared.push(Frames::entries(run, entries)?).await,
        }
    }

    /// What was appended before, by whomever, is there: it waits for the write that is under way.
    async fn load(&self, run: &str) -> io::Result<Vec<JournalEntry>> {
        let (shared, run) = (Arc::clone(&self.opened.shared), run.to_owned());
        shared.settled().await?;
        spawn_blocking(move || shared.load(&run)).await.map_err(io::Error::other)?
    }

    fn identity(&self) -> usize {
        Arc::as_ptr(&self.opened.shared).addr()
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Shared {
    /// Queues frames for the next write, and waits until they are durable.
    async fn push(self: &Arc<Self>, frames: Frames) -> io::Result<()> {
        let mut written = self.written.subscribe();
        let mut frames = Some(frames);
        let mine = loop {
            if let Some((mine, lead)) = self.queue(&mut frames)? {
                if lead {
                    let shared = Arc::clone(self);
                    // Detached: whoever waits may leave, the bytes are written all the same. It ends
                    // with the buffer empty.
                    drop(spawn_blocking(move || shared.write()));
                }
                break mine;
            }
            written.changed().await.map_err(io::Error::other)?;
        };
        let done = written.wait_for(|w| mine <= w.appends || w.failed.is_some()).await;
        let done = done.map_err(io::Error::other)?;
        match &done.failed {
            // A later write may have failed since.
            Some(failed) if done.appends < mine => Err(error(failed)),
            _ => Ok(()),
        }
    }

    /// The number of this append, and whether a writer must be sent for; `None` while the buffer is full.
    fn queue(&self, frames: &mut Option<Frames>) -> io::Result<Option<(u64, bool)>> {
        let mut state = self.lock();
        if let Some(failed) = &state.failed {
            return Err(error(failed));
        }
        let more = frames.as_ref().map_or(0, |frames| frames.bytes.len());
        if !state.buffer.bytes.is_empty() && BUFFER < state.buffer.bytes.len() + more {
            return Ok(None);
        }
        state.buffer.append(frames.take().unwrap_or_default());
        state.appends += 1;
        let lead = !std::mem::replace(&mut state.writing, true);
        Ok(Some((state.appends, lead)))
    }

    /// Waits for what was appended before.
    async fn settled(&self) -> io::Result<()> {
        let before = self.lock().appends;
        let mut written = self.written.subscribe();
        let done = written.wait_for(|w| before <= w.appends || w.failed.is_some()).await;
        done.map(drop).map_err(io::Error::other)
    }

    fn load(&self, run: &str) -> io::Result<Vec<JournalEntry>> {
        let (ranges, reader) = {
            let state = self.lock();
            let Some(lines) = state.index.of(run) else { return Ok(Vec::new()) };
            (lines.ranges.clone(), Arc::clone(&state.reader))
        };
        let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries = Vec::new();
        for (at, length) in ranges {
            decode(&read(&mut reader, at, length)?, at, &mut entries)?;
        }
        Ok(entries)
    }

    /// Writes until nobody has anything more to write.
    fn write(&self) {
        let mut writer = self.writer();
        self.flush(&mut writer);
    }

    fn flush(&self, writer: &mut Writer) {
        loop {
            let (buffer, appends) = {
                let mut state = self.lock();
                if state.buffer.bytes.is_empty() {
                    state.writing = false;
                    return;
                }
                (std::mem::take(&mut state.buffer), state.appends)
            };
            match writer.append(&buffer.bytes, self.durability) {
                Ok(at) => {
                    self.lock().index.add(buffer.frames, at);
                    self.written.send_modify(|written| {
                        written.appends = appends;
                        written.writes += 1;
                    });
                }
                Err(error) => return self.fail(&error),
            }
        }
    }

    /// Takes no more.
    fn fail(&self, error: &io::Error) {
        let failed = (error.kind(), error.to_string());
        let mut state = self.lock();
        state.failed = Some(failed.clone());
        state.buffer = Frames::default();
        state.writing = false;
        drop(state);
        self.written.send_modify(|written| written.failed = Some(failed));
    }

    fn compact(&self) -> io::Result<u64> {
        let mut writer = self.writer();
        if writer.lock.is_none() {
            // It comes too late: the file may be another's by now.
            return Err(io::Error::other("the journal was closed"));
        }
        self.flush(&mut writer);
        let (index, reader) = {
            let state = self.lock();
            if let Some(failed) = &state.failed {
                return Err(error(failed));
            }
            (state.index.clone(), Arc::clone(&state.reader))
        };
        let new = compact(&index, &reader, &beside(&self.path, "compacting"), &self.path)?;
        let saved = writer.end.saturating_sub(new.end);
        (writer.file, writer.end) = (new.file, new.end);
        let mut state = self.lock();
        (state.index, state.reader) = (new.index, Arc::new(Mutex::new(new.reader)));
        drop(state);
        // Entries that go into the new file must not be lost because a crash brings the old one back.
        sync_directory(&self.path).inspect_err(|error| self.fail(error))?;
        Ok(saved)
    }

    /// Writes what is queued, and lets others open the file. A writer that comes later finds nothing to do.
    fn close(&self) {
        let mut writer = self.writer();
        self.flush(&mut writer);
        writer.lock = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Writes at the end; where that was.
    fn append(&mut self, bytes: &[u8], durability: Durability) -> io::Result<u64> {
        self.file.write_all(bytes)?;
        if durability == Durability::Machine {
            self.file.sync_data()?;
        }
        let at = self.end;
        self.end += bytes.len() as u64;
        Ok(at)
    }
}

fn error((kind, text): &Failed) -> io::Error {
    io::Error::new(*kind, text.clone())
}

//! A journal of runs in a log.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::sync::RwLock;
use tokio::task::spawn_blocking;
use toolpost_journal::rt::Log;
use toolpost_journal::{LogError, LogOptions, LogReader, NewRecord};
use toolpost_workflow::rt::RunClaim;
use toolpost_workflow::{Journal, JournalEntry};

use crate::index::{Index, REMOVED, RecordedRun, kind, load};

/// A journal on disk, for any number of runs: a log ([`toolpost_journal`]) in a directory, in which each entry is a record with
/// the run's name as its correlation.
///
/// Appends that arrive while others are written share the next write and its sync. Where each run's entries are is kept in
/// memory, so that a run's start reads little more than its own record; that takes the run's name, and 16 bytes for each group
/// of entries. The log grows until [`remove`](Self::remove) and [`compact`](Self::compact) shrink it.
///
/// ```
/// use std::sync::Arc;
/// use toolpost_runs::FileJournal;
/// use toolpost_workflow::Workflow;
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
/// assert!(journal.unfinished()?.is_empty());
/// let report = plan.start(42).journal(journal.clone(), "order 42").run().await;
/// assert_eq!(*report.into_result()?, "paid 42");
/// assert!(journal.list()?[0].is_finished() && journal.unfinished()?.is_empty());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # One opener at a time
///
/// A second opener, in this process or another, is refused ([`LogError::is_in_use`]). Clones share one opening. To look at a
/// journal from outside, use [`JournalView`](crate::JournalView), or a [`LogReader`] for the records as they are.
///
/// # What a crash leaves, and what is damage
///
/// As of any log ([`LogWriter`](toolpost_journal::LogWriter)): a torn end is cut off when it is opened
/// ([`truncated`](Self::truncated)); any other damage is an error with file and offset, and nothing is changed. After a failed
/// write or sync the journal takes no more until it is opened anew. A journal in one file, as versions before this one wrote it,
/// is refused: its runs are finished with the version that began them.
///
/// Dropping the last clone writes what runs that were dropped had still handed over, and closes the journal. That blocks for two
/// writes at most; a [compaction](Self::compact) under way keeps it open until its end.
#[derive(Clone, Debug)]
pub struct FileJournal {
    opened: Arc<Opened>,
}

#[derive(Debug)]
struct Opened {
    log: Log,
    known: Mutex<Known>,
    /// Held for reading by appends, and for writing by a compaction.
    gate: RwLock<()>,
}

/// What is known of the log, up to where the reader stands.
#[derive(Debug)]
struct Known {
    index: Index,
    reader: LogReader,
    /// The first record that is not known yet.
    next: u64,
}

impl FileJournal {
    /// Opens the journal in the directory `path`, or creates it, durable against the machine's crash.
    ///
    /// Reads the whole log, in constant memory but for the index; call it where blocking is allowed.
    ///
    /// # Errors
    ///
    /// When it is open elsewhere, is damaged, is no log, or cannot be read or written.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LogError> {
        Self::open_with(path, LogOptions::new())
    }

    /// Opens the journal with options of choice, such as another durability or a key. Retention is none, whatever they say: a run
    /// without its beginning could not go on.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_with(path: impl AsRef<Path>, options: LogOptions) -> Result<Self, LogError> {
        let options = options.retain_bytes(u64::MAX).retain_for(Duration::MAX).record_bytes(usize::MAX);
        let log = Log::open(path, options)?;
        let reader = log.reader()?;
        let mut known = Known { index: Index::default(), next: reader.position(), reader };
        known.catch_up(log.head().seq() + 1)?;
        Ok(Self { opened: Arc::new(Opened { log, known: Mutex::new(known), gate: RwLock::new(()) }) })
    }

    /// How many bytes of a torn write were cut off when the journal was opened.
    #[must_use]
    pub fn truncated(&self) -> u64 {
        self.opened.log.cut()
    }

    /// How many entries were written since it was opened, and how many writes that took: fewer, where they came in groups.
    #[must_use]
    pub fn writes(&self) -> (u64, u64) {
        self.opened.log.written()
    }

    /// The runs in the journal, by name, as far as they are durable. Reads what was appended since it was asked last, so call
    /// it where blocking is allowed.
    ///
    /// # Errors
    ///
    /// When that cannot be read.
    pub fn list(&self) -> Result<Vec<RecordedRun>, LogError> {
        Ok(self.opened.known()?.index.list())
    }

    /// The names of the runs that are not [finished](RecordedRun::is_finished): what to resume after a crash. Those that this
    /// process is running are among them. Reads as [`list`](Self::list) does.
    ///
    /// # Errors
    ///
    /// As of `list`.
    pub fn unfinished(&self) -> Result<Vec<String>, LogError> {
        let runs = self.list()?.into_iter();
        Ok(runs.filter(|run| !run.is_finished()).map(|run| run.name().to_owned()).collect())
    }

    /// Forgets a run; `false` if the journal does not know it. The name is free again. The bytes stay in the log until it is
    /// [compacted](Self::compact).
    ///
    /// # Errors
    ///
    /// When the run is under way in this process, or the log cannot be read or written.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the run may be removed or not.
    pub async fn remove(&self, run: &str) -> io::Result<bool> {
        Ok(self.remove_all(&[run]).await? != 0)
    }

    /// Forgets runs that belong together; how many of them the journal knew. A crash leaves all of them or none. Otherwise as
    /// [`remove`](Self::remove).
    ///
    /// # Errors
    ///
    /// When one of the runs is under way in this process, or named twice, or the log cannot be read or written.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the runs may be removed or not.
    pub async fn remove_all(&self, runs: &[&str]) -> io::Result<usize> {
        let claim = |run: &&str| {
            let busy = || io::Error::new(io::ErrorKind::ResourceBusy, format!("run `{run}` is under way"));
            RunClaim::take(self, run).ok_or_else(busy)
        };
        let _claims = runs.iter().map(claim).collect::<io::Result<Vec<_>>>()?;
        let _open = self.opened.gate.read().await;
        self.opened.log.flush().await?;
        let mut own: Vec<String> = runs.iter().map(|run| (*run).to_owned()).collect();
        let own = self
            .blocking(move |opened| {
                let known = opened.known()?;
                own.retain(|run| known.index.knows(run));
                Ok(own)
            })
            .await?;
        let records: Vec<NewRecord<'_>> =
            own.iter().map(|run| NewRecord::new(REMOVED, b"").correlation(run)).collect();
        if !records.is_empty() {
            self.opened.log.append_all(&records).await?;
        }
        Ok(own.len())
    }

    /// Gives back the bytes of what was removed; how many those were. Appends wait meanwhile.
    ///
    /// What is to stay is appended again, run by run, each in one group that voids what came before of it; then the segments
    /// before that are removed. A crash in the middle leaves each run in one place or the other, whole.
    ///
    /// # Errors
    ///
    /// When the log cannot be read or written, or the journal was closed before this began.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it goes on to its end all the same, unless the journal is closed before it begins.
    pub async fn compact(&self) -> io::Result<u64> {
        let opened = Arc::downgrade(&self.opened);
        let handle = Handle::current();
        spawn_blocking(move || handle.block_on(compact(opened))).await.map_err(io::Error::other)?
    }

    async fn blocking<R: Send + 'static>(
        &self,
        run: impl FnOnce(&Opened) -> io::Result<R> + Send + 'static,
    ) -> io::Result<R> {
        let opened = Arc::clone(&self.opened);
        spawn_blocking(move || run(&opened)).await.map_err(io::Error::other)?
    }
}

#[async_trait]
impl Journal for FileJournal {
    async fn append(&self, run: &str, entries: &[JournalEntry]) -> io::Result<()> {
        let _open = self.opened.gate.read().await;
        append(&self.opened.log, run, entries, false).await
    }

    /// What was appended before, by whomever, is there: it waits for the write that is under way.
    async fn load(&self, run: &str) -> io::Result<Vec<JournalEntry>> {
        // A compaction removes what it has written anew, where this may be reading.
        let _open = self.opened.gate.read().await;
        self.opened.log.flush().await?;
        let run = run.to_owned();
        self.blocking(move |opened| {
            let mut known = opened.known()?;
            let ranges = known.index.ranges(&run);
            load(&mut known.reader, &ranges)
        })
        .await
    }

    fn identity(&self) -> usize {
        Arc::as_ptr(&self.opened).addr()
    }
}

impl Opened {
    /// What is known once all that is acknowledged has been read.
    fn known(&self) -> Result<MutexGuard<'_, Known>, LogError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.catch_up(self.log.head().seq() + 1)?;
        Ok(known)
    }
}

impl Known {
    fn catch_up(&mut self, end: u64) -> Result<(), LogError> {
        if self.next < end {
            if self.reader.position() != self.next {
                self.reader.seek(self.next)?;
            }
            let read = self.index.read(&mut self.reader, end);
            // What was read is known, also where the next record could not be: it is not to be there twice.
            self.next = self.reader.position();
            read?;
        }
        Ok(())
    }
}

/// Appends entries as one group; `anew`: in the place of all that came before of the run.
async fn append(log: &Log, run: &str, entries: &[JournalEntry], anew: bool) -> io::Result<()> {
    let mut bytes = Vec::new();
    let ends: Vec<usize> = entries
        .iter()
        .map(|entry| {
            entry.encode(&mut bytes);
            bytes.len()
        })
        .collect();
    let begins = std::iter::once(0).chain(ends.iter().copied());
    let record = |((begin, end), entry)| NewRecord::new(kind(entry), &bytes[begin..end]).correlation(run);
    let void = anew.then(|| NewRecord::new(REMOVED, b"").correlation(run));
    let records: Vec<NewRecord<'_>> =
        void.into_iter().chain(begins.zip(ends.iter().copied()).zip(entries).map(record)).collect();
    if !records.is_empty() {
        log.append_all(&records).await?;
    }
    Ok(())
}

async fn compact(opened: Weak<Opened>) -> io::Result<u64> {
    let Some(opened) = opened.upgrade() else { return Err(io::Error::other("the journal was closed")) };
    let _alone = opened.gate.write().await;
    opened.log.flush().await?;
    let before = opened.log.bytes();
    opened.log.rotate().await?;
    let begin = opened.log.head().seq() + 1;
    let names: Vec<String> =
        opened.known()?.index.list().into_iter().map(|run| run.name().to_owned()).collect();
    for run in names {
        let entries = {
            let mut known = opened.known()?;
            let ranges = known.index.ranges(&run);
            load(&mut known.reader, &ranges)?
        };
        append(&opened.log, &run, &entries, true).await?;
    }
    opened.log.remove_before(begin).await?;
    Ok(before.saturating_sub(opened.log.bytes()))
}

//! Many writers of one log.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::ack::Ack;
use super::clock::{now, wall_clock};
use super::subscription::LogSubscription;
use crate::chain::LogHead;
use crate::error::LogError;
use crate::group::Group;
use crate::options::{Durability, LogOptions};
use crate::reader::LogReader;
use crate::record::{NewRecord, nanos};
use crate::writer::{LogWriter, fits};

/// The longest that a group waits for as many appends as the one before it had.
const COMPANY: Duration = Duration::from_millis(1);

/// A log that any number of tasks append to; clones are cheap, and share it.
///
/// Appends that arrive while a group is written are the next group, and share its write and its sync (group commit). A thread of
/// the runtime's that may block writes, so that no task is held up by the disk; whoever appends outside of a runtime writes
/// by itself.
///
/// ```
/// use toolpost_journal::rt::Log;
/// use toolpost_journal::{LogOptions, NewRecord};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("audit");
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let log = Log::open(&path, LogOptions::new())?;
/// let seq = log.append(NewRecord::new("call.started", b"{}").correlation("7f3a")).await?;
/// assert_eq!(seq, 1); // and it is on disk
/// log.offer(NewRecord::new("call.ended", b"{}").correlation("7f3a"))?; // written soon; nobody waits
/// log.flush().await?;
/// assert_eq!(log.head().seq(), 2);
/// # Ok::<_, toolpost_journal::LogError>(())
/// # }).unwrap();
/// # Ok::<_, std::io::Error>(())
/// ```
///
/// What [`LogWriter`] says of crashes, damage, and failed writes holds here: after a failed write or sync every call fails
/// until the log is opened anew.
///
/// Dropping the last clone writes what was appended and closes the log, which blocks for two writes at most.
#[derive(Clone, Debug)]
pub struct Log {
    opened: Arc<Opened>,
}

/// What all clones share, and no writing thread does: the log is closed when this is dropped.
#[derive(Debug)]
struct Opened {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: Arc<Path>,
    options: LogOptions,
    /// Held for looking, adding or swapping, never over a write.
    state: Mutex<State>,
    /// What a writing thread waits for.
    work: Condvar,
    /// Held over a write; before `state` where both are.
    writing: Mutex<Writing>,
    /// Behind the last record that was acknowledged.
    end: watch::Sender<u64>,
}

#[derive(Debug)]
struct Writing {
    writer: LogWriter,
    /// The memory of the group before.
    spare: Option<Group>,
    /// How many records the last group had, and how long it took.
    company: u32,
    took: Duration,
    /// The first write that is not synced, where there is an interval.
    unsynced: Option<Instant>,
}

#[derive(Debug)]
struct State {
    /// What is written next.
    group: Group,
    ack: Arc<Ack>,
    /// The end of the group that is being written, or was last.
    under_way: Arc<Ack>,
    /// Whether a thread writes, or is about to.
    is_writing: bool,
    /// So many records in the group wake the thread that waits for them; none do if it is at work.
    wakes: u32,
    is_closing: bool,
    failed: Option<LogError>,
    head: LogHead,
    records: u64,
    groups: u64,
}

enum Queued {
    /// They have these numbers, and this says when they are written.
    In(Range<u64>, Arc<Ack>),
    /// There is room once this is over.
    Full(Arc<Ack>),
}

impl Log {
    /// Opens the log in the directory `path`, or creates it; call it where blocking is allowed.
    ///
    /// # Errors
    ///
    /// Those of [`LogWriter::open`].
    pub fn open(path: impl AsRef<Path>, options: LogOptions) -> Result<Self, LogError> {
        let writer = LogWriter::open(&path, options.clone())?;
        let ack = Arc::new(Ack::default());
        ack.tell(Ok(()));
        let state = State {
            group: writer.new_group(),
            ack: Arc::default(),
            under_way: ack,
            is_writing: false,
            wakes: 0,
            is_closing: false,
            failed: None,
            head: writer.head(),
            records: 0,
            groups: 0,
        };
        let shared = Arc::new(Shared {
            path: writer.path(),
            options,
            state: Mutex::new(state),
            work: Condvar::new(),
            end: watch::Sender::new(writer.head().seq() + 1),
            writing: Mutex::new(Writing {
                writer,
                spare: None,
                company: 1,
                took: Duration::ZERO,
                unsynced: None,
            }),
        });
        Ok(Self { opened: Arc::new(Opened { shared }) })
    }

    /// Appends a record, and waits until it is as durable as [`LogOptions::durability`] says; its sequence number.
    ///
    /// # Errors
    ///
    /// When the record is too long, or a write or sync has failed, now or before. It may be kept all the same.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the record may be kept or not.
    pub async fn append(&self, record: NewRecord<'_>) -> Result<u64, LogError> {
        self.append_all(&[record]).await.map(|range| range.start)
    }

    /// Appends records with numbers in a row and in one group, of which a crash leaves all or nothing; waits as `append` does.
    ///
    /// # Errors
    ///
    /// Those of `append`; of one record that is too long nothing is appended.
    ///
    /// # Cancel safety
    ///
    /// Dropped, all of the records may be kept or none.
    pub async fn append_all(&self, records: &[NewRecord<'_>]) -> Result<Range<u64>, LogError> {
        let shared = &self.opened.shared;
        shared.fit(records)?;
        let (range, ack) = loop {
            match shared.queue(records)? {
                Queued::In(range, ack) => break (range, ack),
                Queued::Full(ack) => ack.wait().await?,
            }
        };
        ack.wait().await.map(|()| range)
    }

    /// Appends a record and waits for nothing: it is written soon. Its sequence number.
    ///
    /// # Errors
    ///
    /// When as much waits to be written as [`LogOptions::pending_bytes`] allows ([`LogError::is_full`]), the record is too
    /// long, or a write has failed before. Nothing of it is kept then.
    pub fn offer(&self, record: NewRecord<'_>) -> Result<u64, LogError> {
        let shared = &self.opened.shared;
        let records = [record];
        shared.fit(&records)?;
        match shared.queue(&records)? {
            Queued::In(range, _) => Ok(range.start),
            Queued::Full(_) => Err(LogError::full(&shared.path)),
        }
    }

    /// Waits until all that was appended before is as durable as appends are.
    ///
    /// # Errors
    ///
    /// When a write or a sync has failed.
    ///
    /// # Cancel safety
    ///
    /// Dropping it stops the waiting alone.
    pub async fn flush(&self) -> Result<(), LogError> {
        let shared = &self.opened.shared;
        let (ack, leads) = {
            let mut state = shared.lock();
            if let Some(failed) = &state.failed {
                return Err(failed.clone());
            }
            match state.group.is_empty() {
                true => (Arc::clone(&state.under_way), false),
                // Who was to write it may have ended with its runtime.
                false => (Arc::clone(&state.ack), !std::mem::replace(&mut state.is_writing, true)),
            }
        };
        if leads {
            shared.lead();
        }
        ack.wait().await
    }

    /// Ends the segment, so that what follows is in another: for what is to be removed with
    /// [`remove_before`](Self::remove_before).
    ///
    /// # Errors
    ///
    /// When a file cannot be written: the log takes no more.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it goes on to its end all the same.
    pub async fn rotate(&self) -> Result<(), LogError> {
        self.blocking(LogWriter::rotate).await
    }

    /// Removes the oldest segments as long as they hold no record from `seq` on; how many bytes that freed.
    ///
    /// # Errors
    ///
    /// When a file cannot be removed. The log goes on.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it goes on to its end all the same.
    pub async fn remove_before(&self, seq: u64) -> Result<u64, LogError> {
        self.blocking(move |writer| writer.remove_before(seq)).await
    }

    /// A reader of this log; call it where blocking is allowed.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn reader(&self) -> Result<LogReader, LogError> {
        LogReader::open(&self.opened.shared.path)
    }

    /// What is acknowledged from now on, for one who watches: at most `behind` records behind. What it is too slow for is
    /// dropped, and counted; the log never waits for it.
    ///
    /// # Panics
    ///
    /// When `behind` is zero.
    #[must_use]
    pub fn subscribe(&self, behind: u64) -> LogSubscription {
        assert!(0 < behind, "a subscription that may not be behind by a record never gets one");
        LogSubscription::new(self.opened.shared.end.subscribe(), Arc::clone(&self.opened.shared.path), behind)
    }

    /// Where the hash chain stands behind the last record that was written: to be kept elsewhere, for
    /// [`LogReader::verify`].
    #[must_use]
    pub fn head(&self) -> LogHead {
        self.opened.shared.lock().head
    }

    /// How many records were written since the log was opened, and in how many groups.
    #[must_use]
    pub fn written(&self) -> (u64, u64) {
        let state = self.opened.shared.lock();
        (state.records, state.groups)
    }

    /// How many bytes of a torn group were cut off when the log was opened.
    #[must_use]
    pub fn cut(&self) -> u64 {
        self.opened.shared.writing().writer.cut()
    }

    /// The bytes of all segments; waits for a write under way, so call it where blocking is allowed.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.opened.shared.writing().writer.bytes()
    }

    async fn blocking<R: Send + 'static>(
        &self,
        run: impl FnOnce(&mut LogWriter) -> Result<R, LogError> + Send + 'static,
    ) -> Result<R, LogError> {
        let shared = Arc::clone(&self.opened.shared);
        let done = spawn_blocking(move || run(&mut shared.writing().writer)).await;
        done.map_err(|error| LogError::io(&*self.opened.shared.path, std::io::Error::other(error)))?
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.shared.lock().is_closing = true;
        self.shared.work.notify_all();
        self.shared.write();
        self.shared.writing().writer.close();
    }
}

/// The writing, handed to a thread.
struct Turn {
    shared: Arc<Shared>,
    is_taken: bool,
}

impl Turn {
    fn take(mut self) {
        self.is_taken = true;
        self.shared.write();
    }
}

/// A runtime that is shutting down drops what it has not begun: then the next append or flush hands it to another thread, or
/// the end of the log writes.
impl Drop for Turn {
    fn drop(&mut self) {
        if !self.is_taken {
            self.shared.lock().is_writing = false;
        }
    }
}

impl Shared {
    fn fit(&self, records: &[NewRecord<'_>]) -> Result<(), LogError> {
        records.iter().try_for_each(|record| fits(&self.path, &self.options, record))
    }

    /// Adds records to the group that is written next.
    fn queue(self: &Arc<Self>, records: &[NewRecord<'_>]) -> Result<Queued, LogError> {
        let size = |record: &NewRecord<'_>| {
            crate::format::RECORD_HEAD + record.kind.len() + record.correlation.len() + record.payload.len()
        };
        let more: usize = records.iter().map(size).sum();
        let mut state = self.lock();
        if let Some(failed) = &state.failed {
            return Err(failed.clone());
        }
        if records.is_empty() {
            return Ok(Queued::In(state.group.next()..state.group.next(), Arc::clone(&state.under_way)));
        }
        if !state.group.is_empty() && self.options.pending_bytes < state.group.size() + more {
            return Ok(Queued::Full(Arc::clone(&state.ack)));
        }
        // Under the lock, so that times rise with the numbers.
        let now = nanos(wall_clock());
        let first = state.group.next();
        for record in records {
            state.group.push(record, now);
        }
        let queued = Queued::In(first..state.group.next(), Arc::clone(&state.ack));
        let wakes = state.wakes != 0 && state.wakes <= state.group.count();
        if wakes {
            state.wakes = 0;
        }
        let leads = !std::mem::replace(&mut state.is_writing, true);
        drop(state);
        if wakes {
            self.work.notify_one();
        }
        if leads {
            self.lead();
        }
        Ok(queued)
    }

    /// Begins to write. To be called by who has set `is_writing`.
    fn lead(self: &Arc<Self>) {
        let turn = Turn { shared: Arc::clone(self), is_taken: false };
        match Handle::try_current() {
            // Detached: whoever waits may leave, the records are written all the same. It ends with none left, and the
            // log's end does not need it.
            Ok(runtime) => drop(runtime.spawn_blocking(move || turn.take())),
            Err(_) => turn.take(),
        }
    }

    /// Writes until nobody has anything more to write, and nothing is to be synced.
    fn write(&self) {
        let interval = match self.options.durability {
            Durability::Interval(interval) => Some(interval),
            _ => None,
        };
        loop {
            let mut writing = self.writing();
            let mut state = self.lock();
            if state.group.is_empty() {
                let Some((since, interval)) = writing.unsynced.zip(interval) else {
                    state.is_writing = false;
                    return;
                };
                let left = interval.saturating_sub(now().saturating_duration_since(since));
                if state.is_closing || left.is_zero() {
                    drop(state);
                    self.sync(&mut writing);
                } else {
                    drop(writing);
                    state.wakes = 1;
                    let waited = self.work.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0.wakes = 0;
                }
                continue;
            }
            if self.options.durability == Durability::Machine && state.group.count() < writing.company {
                // Who waited for the last group is about to append again; a sync for each half of them costs twice as much.
                let (company, most) = (writing.company, (writing.took / 8).min(COMPANY));
                state.wakes = company;
                let few = |state: &mut State| state.group.count() < company && !state.is_closing;
                let waited = self.work.wait_timeout_while(state, most, few);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                state.wakes = 0;
            }
            let (next, time) = (state.group.next(), state.group.time());
            let mut spare = writing.spare.take().unwrap_or_else(|| state.group.restarted());
            spare.restart(next, time);
            let mut group = std::mem::replace(&mut state.group, spare);
            let ack = std::mem::take(&mut state.ack);
            state.under_way = Arc::clone(&ack);
            drop(state);

            let start = now();
            let written = writing.writer.write(&mut group);
            let head = writing.writer.head();
            (writing.took, writing.company) = (now().saturating_duration_since(start), group.count());
            if let Some(interval) = interval {
                let since = *writing.unsynced.get_or_insert(start);
                if interval <= now().saturating_duration_since(since) {
                    self.sync(&mut writing);
                }
            }
            match written {
                Ok(()) => {
                    let mut state = self.lock();
                    state.head = head;
                    state.records += u64::from(group.count());
                    state.groups += 1;
                    drop(state);
                    self.end.send_replace(head.seq() + 1);
                    ack.tell(Ok(()));
                }
                Err(error) => {
                    self.fail(&error);
                    ack.tell(Err(error));
                }
            }
            writing.spare = Some(group);
        }
    }

    fn sync(&self, writing: &mut Writing) {
        writing.unsynced = None;
        if let Err(error) = writing.writer.sync() {
            self.fail(&error);
        }
    }

    /// Takes no more, and lets nobody wait.
    fn fail(&self, error: &LogError) {
        let mut state = self.lock();
        state.failed = Some(error.as_failed());
        let (next, time) = (state.group.first(), state.group.time());
        state.group.restart(next, time);
        let ack = std::mem::take(&mut state.ack);
        drop(state);
        ack.tell(Err(error.as_failed()));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

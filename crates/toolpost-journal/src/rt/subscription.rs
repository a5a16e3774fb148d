//! What is appended to a log, for one who watches.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::error::LogError;
use crate::filter::LogFilter;
use crate::reader::LogReader;
use crate::record::LogRecord;

/// The records that are acknowledged from [`Log::subscribe`](super::Log::subscribe) on, as they come. It reads them back from
/// the log, so that it keeps nothing in memory that it has not given, and holds up nobody, however slow it is.
#[derive(Debug)]
pub struct LogSubscription {
    /// Behind the last record that is acknowledged.
    end: watch::Receiver<u64>,
    path: Arc<Path>,
    behind: u64,
    filter: LogFilter,
    /// The next record.
    next: u64,
    reader: Reader,
}

#[derive(Debug)]
enum Reader {
    Here(Option<Box<LogReader>>),
    /// A thread that may block reads with it.
    Away(JoinHandle<Result<Box<LogReader>, LogError>>),
}

/// What a subscription gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery<'a> {
    /// A record.
    Record(LogRecord<'a>),
    /// So many records were passed over, because this subscription was too far behind, or retention removed them.
    Dropped(u64),
}

impl LogSubscription {
    pub(super) fn new(mut end: watch::Receiver<u64>, path: Arc<Path>, behind: u64) -> Self {
        let next = *end.borrow_and_update();
        Self { end, path, behind, filter: LogFilter::new(), next, reader: Reader::Here(None) }
    }

    /// Gives only records that the filter takes.
    #[must_use]
    pub fn filter(mut self, filter: LogFilter) -> Self {
        self.filter = filter;
        self
    }

    /// Waits for the next record; `None` once the log is closed and all is given.
    ///
    /// # Errors
    ///
    /// When the log is damaged or cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Dropped, nothing is lost: the next call goes on.
    pub async fn next(&mut self) -> Result<Option<Delivery<'_>>, LogError> {
        let (seq, within, span) = loop {
            if let Reader::Away(reading) = &mut self.reader {
                let read = reading.await;
                self.reader = Reader::Here(None);
                let read = read.map_err(|error| LogError::io(&*self.path, std::io::Error::other(error)))?;
                self.reader = Reader::Here(Some(read?));
            }
            let Reader::Here(reader) = &mut self.reader else { continue };
            // Behind the next record only if retention removed that.
            if let Some(at) = reader.as_ref().map(|reader| reader.position()).filter(|at| self.next < *at) {
                let dropped = at - std::mem::replace(&mut self.next, at);
                return Ok(Some(Delivery::Dropped(dropped)));
            }
            let end = *self.end.borrow_and_update();
            if end <= self.next {
                match self.end.changed().await {
                    Ok(()) => continue,
                    Err(_closed) if *self.end.borrow() <= self.next => return Ok(None),
                    Err(_closed) => continue,
                }
            }
            if self.behind < end - self.next {
                let to = end - self.behind;
                let dropped = to - std::mem::replace(&mut self.next, to);
                *reader = None;
                return Ok(Some(Delivery::Dropped(dropped)));
            }
            if let Some(here) = reader.as_mut().filter(|reader| reader.is_loaded()) {
                let found = here.next_taken()?;
                self.next = here.position();
                match found {
                    Some(found) => break found,
                    None => continue,
                }
            }
            let (taken, path) = (reader.take(), Arc::clone(&self.path));
            let (filter, next) = (self.filter.clone(), self.next);
            self.reader = Reader::Away(spawn_blocking(move || read_on(taken, &path, filter, next)));
        };
        match &self.reader {
            Reader::Here(Some(reader)) => reader.give(seq, within, &span).map(|r| Some(Delivery::Record(r))),
            _ => Ok(None),
        }
    }
}

/// Reads the group of the record `next`, with a reader that stands there, or a new one.
fn read_on(
    reader: Option<Box<LogReader>>,
    path: &Path,
    filter: LogFilter,
    next: u64,
) -> Result<Box<LogReader>, LogError> {
    let mut reader = match reader {
        Some(reader) => reader,
        None => {
            let mut reader = Box::new(LogReader::open(path)?);
            reader.filter(filter);
            unless_gone(reader.seek(next))?;
            reader
        }
    };
    unless_gone(reader.load_next().map(drop))?;
    Ok(reader)
}

/// A record that is gone is counted by the place where the reader then stands.
fn unless_gone(result: Result<(), LogError>) -> Result<(), LogError> {
    match result {
        Err(error) if error.gone().is_some() => Ok(()),
        result => result,
    }
}

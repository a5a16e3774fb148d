//! Where the events of streams that can be resumed are kept.

use std::error::Error;
use std::future::pending;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

/// Keeps the events of streams, so that a client whose connection broke can fetch what it missed.
///
/// A stream is one answer over HTTP within a session of the older revisions: what a call says, and at last its result. Its
/// name is a key that only the client it belongs to can lead to: a store compares names and knows nothing else of them.
/// [`MemoryEventStore`](crate::MemoryEventStore) is the default, of one process. Servers that share a store, and the
/// [state key](crate::ServerBuilder::state_key), serve each other's streams: begun on one, resumed on another.
///
/// One server writes to a stream, and any number read it. What a store fails at costs no call: the stream goes on to
/// the client that listens, and cannot be resumed. A function that takes more than 2 s has failed, and one that panics
/// too.
///
/// A store of your own is held to this page by `toolpost_test::check_event_store`. Here is one that keeps everything:
///
/// ```
/// use std::collections::HashMap;
/// use std::error::Error;
/// use std::sync::Mutex;
/// use std::time::Instant;
///
/// use bytes::Bytes;
/// use toolpost_server::{EventStore, StreamEvents};
///
/// type Failure = Box<dyn Error + Send + Sync>;
///
/// struct Stream {
///     events: Vec<Bytes>,
///     ended: bool,
///     touched: Instant,
/// }
///
/// #[derive(Default)]
/// struct Everything(Mutex<HashMap<String, Stream>>);
///
/// #[async_trait::async_trait]
/// impl EventStore for Everything {
///     async fn open(&self, stream: &str, _owner: &str) -> Result<(), Failure> {
///         let fresh = || Stream { events: Vec::new(), ended: false, touched: Instant::now() };
///         self.0.lock().unwrap().entry(stream.to_owned()).or_insert_with(fresh);
///         Ok(())
///     }
///
///     async fn append(&self, stream: &str, event: Bytes, last: bool) -> Result<u64, Failure> {
///         let mut streams = self.0.lock().unwrap();
///         let stream = streams.get_mut(stream).filter(|stream| !stream.ended).ok_or("no such stream")?;
///         stream.events.push(event);
///         (stream.ended, stream.touched) = (last, Instant::now());
///         Ok(stream.events.len() as u64)
///     }
///
///     async fn touch(&self, stream: &str) -> Result<(), Failure> {
///         let mut streams = self.0.lock().unwrap();
///         streams.get_mut(stream).ok_or("no such stream")?.touched = Instant::now();
///         Ok(())
///     }
///
///     async fn read(&self, stream: &str, after: u64) -> Result<Option<StreamEvents>, Failure> {
///         Ok(self.0.lock().unwrap().get(stream).map(|stream| {
///             let numbered = (1..).zip(stream.events.iter().cloned());
///             let mut read = StreamEvents::default();
///             read.events = numbered.filter(|(number, _)| after < *number).collect();
///             read.ended = stream.ended;
///             read.quiet = stream.touched.elapsed();
///             read
///         }))
///     }
///
///     async fn remove(&self, stream: &str) -> Result<(), Failure> {
///         self.0.lock().unwrap().remove(stream);
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait EventStore: Send + Sync + 'static {
    /// Begins a stream without events; one that is there already stays as it is.
    ///
    /// `owner` stands for whoever the stream is kept for: the same for all streams of one principal, or of one address
    /// where nobody says who calls. A store that shares out its room does so among owners.
    ///
    /// # Errors
    ///
    /// If the stream cannot be kept: it is sent without being resumable.
    ///
    /// # Cancel safety
    ///
    /// After a drop the stream may be there or not.
    async fn open(&self, stream: &str, owner: &str) -> Result<(), Box<dyn Error + Send + Sync>>;

    /// Adds an event to a stream, and gives it a number: greater than that of the event before it, and at least 1. An
    /// event is any bytes, also none.
    ///
    /// After the `last` one, nothing more can be added. A store that runs out of room for one stream may forget the
    /// oldest events of it.
    ///
    /// # Errors
    ///
    /// If there is no such stream, if it has ended, or if the event cannot be kept. Nothing more is then added to the
    /// stream.
    ///
    /// # Cancel safety
    ///
    /// After a drop the event may be there or not.
    async fn append(
        &self,
        stream: &str,
        event: Bytes,
        last: bool,
    ) -> Result<u64, Box<dyn Error + Send + Sync>>;

    /// Notes that whoever writes the stream is still there: every 5 s while a call runs. From then on, as from an
    /// [`append`](Self::append), a store keeps the stream for as long as it keeps any.
    ///
    /// # Errors
    ///
    /// If there is no such stream, or the store cannot be reached.
    ///
    /// # Cancel safety
    ///
    /// After a drop it may be noted or not.
    async fn touch(&self, stream: &str) -> Result<(), Box<dyn Error + Send + Sync>>;

    /// Reads the events whose number is greater than `after`, in their order, without waiting for any; `None` if there is
    /// no such stream, or no longer. It may give a part of them, the first of those there are.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    async fn read(
        &self,
        stream: &str,
        after: u64,
    ) -> Result<Option<StreamEvents>, Box<dyn Error + Send + Sync>>;

    /// Waits until there may be something to [read](Self::read) after `after`; it may resolve for nothing, or never.
    ///
    /// Whoever waits reads every 500 ms in any case, so that a store without a way to tell need not implement it. By
    /// default it never resolves.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    async fn changed(&self, stream: &str, after: u64) {
        let _ = (stream, after);
        pending::<()>().await;
    }

    /// Removes a stream and its events; nothing if there is none.
    ///
    /// # Errors
    ///
    /// If the store cannot be reached.
    ///
    /// # Cancel safety
    ///
    /// After a drop it may be gone or not.
    async fn remove(&self, stream: &str) -> Result<(), Box<dyn Error + Send + Sync>>;
}

/// What an [`EventStore`] has of a stream.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct StreamEvents {
    /// Events with their numbers, in ascending order.
    pub events: Vec<(u64, Bytes)>,
    /// Whether the last event of the stream was added.
    pub ended: bool,
    /// How long ago an event was added, or the stream was [touched](EventStore::touch). After 20 s, the server that wrote
    /// the stream counts as gone, and the client is told that no result will come.
    pub quiet: Duration,
}

//! The fast way of a server that receives the same bytes again and again: a hit by raw bytes, or a miss to go on from.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Instant;

use super::outcome::{LoadContext, LoadError, LoadOptions, LoadOutcome, Loaded};
use super::plan::{Awaited, Name, Plan};
use super::read_through::{Looked, ReadThrough};
use crate::cache::Lookup;
use crate::counters::Count;
use crate::key::{CacheKey, KeyRef, KeyWriter};
use crate::recent_keys::{RawKey, Sighting};
use crate::single_flight::Waiter;

/// A look-up that found nothing fresh, from which [`ReadThrough::load`] goes on without looking up again.
#[must_use = "nothing is loaded before it is given to `load`"]
pub struct Miss<V, E> {
    key: CacheKey,
    found: Looked<V, E>,
    at: Instant,
}

impl<V, E, L> ReadThrough<V, E, L>
where
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
    L: Ord + Clone + Send + 'static,
{
    /// Reads a fresh value by the raw bytes of a request, without writing its canonical key, if these bytes have been seen
    /// twice before; else by the key that `write_key` writes.
    ///
    /// For a server that receives the same bytes again and again, where writing the canonical key costs four fifths of a hit.
    /// It allocates nothing, copies nothing but what `read` does, and counts a hit. Raw bytes of more than 1 KiB, or whose key
    /// has more than 2 KiB, are not remembered; of the others the latest 8,192 are. A value of at most 2 KiB, by a weight
    /// that its options give it, may be found by raw bytes for a while after the store evicted it.
    ///
    /// `now` is the time on tokio's clock, as a standard instant. `read` must not use the cache: it may be called with a lock
    /// held.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use toolpost_cache::{Cache, Capacity, EntryOptions, KeyWriter, Memory};
    /// use toolpost_cache::rt::{LoadOptions, LoadOutcome, RawKey, ReadThrough};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let sums: ReadThrough<u64, std::fmt::Error> =
    ///     ReadThrough::new(Cache::new(Memory::new(Capacity::entries(1_000))));
    /// for arguments in [&b"[1,2]"[..], b"[ 1, 2 ]"] {
    ///     let raw = RawKey { function: 1, scope: b"ann", arguments };
    ///     let now = tokio::time::Instant::now().into_std();
    ///     let write_key = |key: &mut KeyWriter| {
    ///         key.text("sum").text("ann").int(1).int(2);
    ///     };
    ///     let sum = match sums.hit(raw, now, write_key, |sum| *sum) {
    ///         Ok(sum) => sum,
    ///         Err(miss) => {
    ///             let load = |_| async { LoadOutcome::Keep(3, EntryOptions::ttl(Duration::from_secs(60))) };
    ///             sums.load(miss, LoadOptions::new(), load).await?.value
    ///         }
    ///     };
    ///     assert_eq!(sum, 3);
    /// }
    /// assert_eq!(sums.cache().stats().loads, 1, "two spellings, one key");
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A [`Miss`] if nothing fresh is there, uncounted until it is [loaded](Self::load).
    #[inline(always)]
    pub fn hit<R>(
        &self,
        raw: RawKey<'_>,
        now: Instant,
        write_key: impl FnOnce(&mut KeyWriter),
        read: impl FnOnce(&V) -> R,
    ) -> Result<R, Miss<V, E>> {
        match self.cache().get_raw(raw, now, Result::is_ok) {
            Ok(hit) => Ok(hit.read(|entry| match entry.value() {
                Ok(value) => read(value),
                Err(_) => unreachable!("an error is no hit"),
            })),
            Err(sighting) => self.hit_by_key(raw, sighting, now, write_key, read),
        }
    }

    #[inline(never)]
    fn hit_by_key<R>(
        &self,
        raw: RawKey<'_>,
        sighting: Sighting,
        now: Instant,
        write_key: impl FnOnce(&mut KeyWriter),
        read: impl FnOnce(&V) -> R,
    ) -> Result<R, Miss<V, E>> {
        KeyWriter::with(|writer| {
            write_key(writer);
            let key = KeyRef::from(writer.bytes());
            let found = self.look(key, now);
            if let Lookup::Fresh(entry) = &found.lookup
                && let Ok(value) = entry.value()
            {
                self.cache().count(Count::FreshHit);
                if sighting == Sighting::Repeated {
                    self.cache().recent_keys().insert(raw, key);
                }
                return Ok(read(value));
            }
            Err(Miss { key: key.into(), found, at: now })
        })
    }

    /// Loads what a [`hit`](Self::hit) did not find, as [`get`](Self::get) does.
    ///
    /// Poll it at once: the load counts its time from the look-up.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    ///
    /// # Panics
    ///
    /// As for [`get`](Self::get).
    ///
    /// # Cancel safety
    ///
    /// As for [`get`](Self::get).
    #[expect(clippy::needless_pass_by_value, reason = "options are made for one call")]
    #[inline]
    pub fn load<'a, F, Fut>(
        &'a self,
        miss: Miss<V, E>,
        options: LoadOptions<'_, L>,
        load: F,
    ) -> impl Future<Output = Result<Loaded<V>, LoadError<E>>> + Send + Unpin + use<'a, V, E, L, F, Fut>
    where
        F: FnOnce(LoadContext<L>) -> Fut + Send + 'static,
        Fut: Future<Output = LoadOutcome<V, E>> + Send + 'static,
    {
        let Miss { key, found: Looked { lookup, puts }, at } = miss;
        let mut awaited = match self.plan(lookup, Name::Own(key), at, &options, load) {
            Plan::Ready(answer) => Awaited::Ready(Some(answer)),
            Plan::Join(key, join, load) => {
                let limit = options.limit;
                let flight = move |priority| self.fly(priority, puts, Some(at), limit, load);
                Awaited::Flight(Self::handed(Waiter::new(self, key, join, flight)))
            }
        };
        poll_fn(move |cx| match &mut awaited {
            Awaited::Ready(answer) => answer.take().map_or(Poll::Pending, Poll::Ready),
            Awaited::Flight(flight) => Pin::new(flight).poll(cx),
        })
    }
}

impl<V, E> fmt::Debug for Miss<V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Miss").field(&self.key).finish()
    }
}

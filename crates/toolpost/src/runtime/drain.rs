//! The end of a runtime: what is waited for, and what remains.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use futures_util::future::{join, join3};

use super::Runtime;
use crate::clock;
use crate::layers::ResultCache;

/// How long a drain waits before it looks again for work that began while it waited for other work.
const AGAIN: Duration = Duration::from_millis(10);

impl Runtime {
    /// Takes no more calls, for good, and waits for what was begun: calls (those that queue for a permit included), the
    /// refreshes of expired results, threads that cannot be stopped, and the host's
    /// [`Background`](crate::Background) work. For at most `grace`.
    ///
    /// A server that serves this runtime drains its calls by itself when it stops; call this afterwards for the rest. A
    /// cache that several runtimes share starts no more refreshes for any of them.
    ///
    /// # Errors
    ///
    /// What remains when the grace is over. It goes on as long as its tokio runtime does, and a tokio runtime that is
    /// dropped waits for threads: end the process by `shutdown_timeout` or `std::process::exit`, as
    /// [`BlockingThreads`](crate::layers::BlockingThreads) shows.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the waiting; new calls stay refused.
    pub async fn drain(&self, grace: Duration) -> Result<(), Remaining> {
        let end = clock::after(grace);
        let ended = async {
            // Behind tools in front there are two dispatchers: what runs in the inner one for a refresh is in no outer
            // call.
            loop {
                let calls = join(self.dispatcher.drain(end), self.behind.dispatcher().drain(end));
                join(calls, self.rest()).await;
                // What the last calls left behind, after the first wait for it was over; and what that left behind.
                self.rest().await;
                if !self.is_worth_waiting() {
                    break;
                }
                // Begun since then, or of an owner who says that it is idle and is not: that is asked, not spun for.
                tokio::time::sleep_until(clock::after(AGAIN).into()).await;
            }
        };
        let _in_time = tokio::time::timeout_at(end.into(), ended).await;
        let remaining = self.remaining();
        if remaining.is_nothing() { Ok(()) } else { Err(remaining) }
    }

    /// Resolves when nothing runs that has outlived its call.
    async fn rest(&self) {
        let refreshes = async {
            if let Some(cache) = self.shared.cache.get() {
                cache.drain().await;
            }
        };
        join3(refreshes, self.shared.threads.idle(), self.background.idle()).await;
    }

    /// Whether anything runs, but for work whose owner panicked when it was waited for.
    fn is_worth_waiting(&self) -> bool {
        let remaining = Remaining { background: BTreeMap::new(), ..self.remaining() };
        !remaining.is_nothing() || self.background.is_worth_waiting()
    }

    fn remaining(&self) -> Remaining {
        Remaining {
            calls: self.dispatcher.running().max(self.behind.dispatcher().running()),
            queued: self.gate().waiting(),
            refreshes: self.shared.cache.get().map_or(0, ResultCache::refreshing),
            threads: self.shared.threads.busy(),
            background: self.background.busy(),
        }
    }
}

/// What had not ended when the grace of a [drain](Runtime::drain) was over.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Remaining {
    /// Calls that have not ended.
    pub calls: usize,
    /// How many wait for a permit, calls and refreshes alike; of everyone, where the gate is shared.
    pub queued: usize,
    /// Refreshes of expired results, behind calls that were answered.
    pub refreshes: usize,
    /// Threads with calls that cannot be stopped, whether or not anyone waits for them.
    pub threads: usize,
    /// How much [`Background`](crate::Background) work runs under each name; names under which none runs are left out.
    pub background: BTreeMap<String, usize>,
}

impl Remaining {
    /// Who waits for a permit is a call or a refresh, or somebody else's.
    fn is_nothing(&self) -> bool {
        self.calls == 0 && self.refreshes == 0 && self.threads == 0 && self.background.is_empty()
    }
}

impl fmt::Display for Remaining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, queued, refreshes, threads, background } = self;
        write!(f, "{calls} calls, {refreshes} refreshes, {threads} threads")?;
        for (name, busy) in background {
            write!(f, ", {busy} of `{name}`")?;
        }
        write!(f, " had not ended; {queued} waited for a permit")
    }
}

impl Error for Remaining {}

//! Permits in one atomic word: how many are taken, how many there are, and whether to look further.

use super::sync::{AtomicU64, Ordering};

/// Set while somebody waits, or wants to know of the next permit that is given back.
const WATCHED: u64 = 1 << 63;
const LIMIT: u32 = 32;
const TAKEN: u64 = (1 << LIMIT) - 1;

/// `taken` never grows to more than `limit`: both are in the word that the one exchange compares.
///
/// Watching is switched, and permits are taken while it is on, under the gate's lock alone. So while it is on, `taken`
/// only falls but for whoever holds the lock, and whoever gives a permit back is told to look at those that wait.
#[derive(Debug)]
pub(crate) struct Word(AtomicU64);

impl Word {
    pub(crate) fn new(limit: usize) -> Self {
        Self(AtomicU64::new((limit as u64) << LIMIT))
    }

    /// Takes a permit if one is free and nobody waits.
    pub(crate) fn try_take(&self) -> bool {
        self.change(|word| (word & WATCHED == 0 && is_free(word)).then(|| word + 1))
    }

    /// Takes a permit if one is free, for one of those that wait. Under the lock, watched.
    pub(crate) fn try_take_watched(&self) -> bool {
        self.change(|word| is_free(word).then(|| word + 1))
    }

    /// Gives a permit back, and says whether to look at those that wait.
    pub(crate) fn give_back(&self) -> bool {
        self.0.fetch_sub(1, Ordering::AcqRel) & WATCHED != 0
    }

    /// From now on nobody passes those that wait. Under the lock.
    pub(crate) fn watch(&self) {
        self.0.fetch_or(WATCHED, Ordering::AcqRel);
    }

    /// Nobody waits. Under the lock.
    pub(crate) fn unwatch(&self) {
        self.0.fetch_and(!WATCHED, Ordering::AcqRel);
    }

    /// Another limit; where more are taken, none is given until they are fewer.
    pub(crate) fn set_limit(&self, limit: usize) {
        self.change(|word| Some(word & (WATCHED | TAKEN) | (limit as u64) << LIMIT));
    }

    pub(crate) fn taken(&self) -> usize {
        (self.0.load(Ordering::Acquire) & TAKEN) as usize
    }

    pub(crate) fn limit(&self) -> usize {
        limit(self.0.load(Ordering::Acquire)) as usize
    }

    fn change(&self, next: impl Fn(u64) -> Option<u64>) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        while let Some(wanted) = next(word) {
            match self.0.compare_exchange_weak(word, wanted, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(found) => word = found,
            }
        }
        false
    }
}

fn is_free(word: u64) -> bool {
    word & TAKEN < limit(word)
}

fn limit(word: u64) -> u64 {
    (word & !WATCHED) >> LIMIT
}

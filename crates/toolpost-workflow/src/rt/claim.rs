//! Names of runs that are under way in this process.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::journal::Journal;

/// Per journal, the names of the runs under way; no more than there are runs.
static CLAIMS: Mutex<BTreeSet<(usize, Arc<str>)>> = Mutex::new(BTreeSet::new());

/// A run's name, taken in one journal until this is dropped: by the run while it is under way, or by whoever does what no
/// run of that name may be under way for, such as removing its record.
#[derive(Debug)]
pub struct RunClaim {
    key: (usize, Arc<str>),
}

impl RunClaim {
    /// Takes the name; `None` if it is taken.
    #[must_use]
    pub fn take(journal: &dyn Journal, run: &str) -> Option<Self> {
        Self::take_in(journal.identity(), run)
    }

    pub(super) fn take_in(journal: usize, run: &str) -> Option<Self> {
        let key = (journal, Arc::from(run));
        let mut claims = CLAIMS.lock().unwrap_or_else(PoisonError::into_inner);
        // Lazily: a claim that is made is given back when it is dropped.
        claims.insert(key.clone()).then(|| Self { key })
    }
}

impl Drop for RunClaim {
    fn drop(&mut self) {
        CLAIMS.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

//! Names of runs that are under way in this process.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Per journal, the names of the runs under way; no more than there are runs.
static CLAIMS: Mutex<BTreeSet<(usize, Arc<str>)>> = Mutex::new(BTreeSet::new());

/// A run's name, taken in one journal until this is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    key: (usize, Arc<str>),
}

impl Claim {
    /// Takes the name; `None` if it is taken.
    pub(super) fn take(journal: usize, run: &str) -> Option<Self> {
        let key = (journal, Arc::from(run));
        let mut claims = CLAIMS.lock().unwrap_or_else(PoisonError::into_inner);
        // Lazily: a claim that is made is given back when it is dropped.
        claims.insert(key.clone()).then(|| Self { key })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        CLAIMS.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

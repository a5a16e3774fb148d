//! One life of a replica, and the calls that are in flight in it.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// From the start of a process until it is killed. A call is in flight from before its first byte is sent until its
/// answer is read or its connection breaks; the kill comes between two of these moments. So a call that fails on this
/// process either was in flight when it was killed, or failed while it lived.
#[derive(Default)]
pub(super) struct Life(Mutex<State>);

#[derive(Default)]
struct State {
    killed: bool,
    in_flight: HashSet<u64>,
}

impl Life {
    /// A call is about to be sent; says no if the process was killed: then nothing may be sent to it.
    pub(super) fn begin(&self, call: u64) -> bool {
        let mut state = self.lock();
        if !state.killed {
            state.in_flight.insert(call);
        }
        !state.killed
    }

    /// The call was answered, or its connection is gone; says whether the process was killed while it was in flight.
    pub(super) fn end(&self, call: u64) -> bool {
        let mut state = self.lock();
        state.in_flight.remove(&call) && state.killed
    }

    pub(super) fn is_over(&self) -> bool {
        self.lock().killed
    }

    pub(super) fn in_flight(&self) -> usize {
        self.lock().in_flight.len()
    }

    /// Kills the process; says how many calls were in flight.
    pub(super) fn kill(&self, kill: impl FnOnce()) -> usize {
        let mut state = self.lock();
        state.killed = true;
        kill();
        state.in_flight.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

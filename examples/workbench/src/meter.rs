//! Keeps long work honest: it reports progress, and stops when nobody waits any more.

use std::ops::ControlFlow;

use toolpost_tool::Call;

use crate::clock::now;

/// Items between two looks at the clock.
const STRIDE: u64 = 64;

/// Counts what one call has done.
#[derive(Debug)]
pub struct Meter<'a> {
    call: &'a Call,
    verb: &'static str,
    noun: &'static str,
    done: u64,
    late: bool,
}

impl<'a> Meter<'a> {
    /// A meter for `call`, which has `verb` so many `noun`: "searched", "files".
    #[must_use]
    pub const fn new(call: &'a Call, verb: &'static str, noun: &'static str) -> Self {
        Self { call, verb, noun, done: 0, late: false }
    }

    /// Counts one; breaks when the call's deadline has passed.
    pub fn count(&mut self) -> ControlFlow<()> {
        self.done += 1;
        if !self.done.is_multiple_of(STRIDE) {
            return ControlFlow::Continue(());
        }
        if self.call.is_observed() {
            let message = format!("{} {} {}", self.verb, self.done, self.noun);
            self.call.progress(self.done as f64, None, Some(&message));
        }
        self.late = self.call.deadline().is_some_and(|deadline| deadline <= now());
        if self.late { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// How many were counted.
    #[must_use]
    pub const fn done(&self) -> u64 {
        self.done
    }

    /// Whether the deadline cut the work short.
    #[must_use]
    pub const fn is_late(&self) -> bool {
        self.late
    }
}

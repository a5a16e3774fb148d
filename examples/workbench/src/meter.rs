//! Keeps long work honest: it reports progress, and stops when nobody waits any more.

use std::cell::Cell;
use std::io::{self, Read};
use std::ops::ControlFlow;

use toolpost_tool::Call;

use crate::clock::now;

/// Items between two reports of progress.
const STRIDE: u64 = 64;

/// Counts what one call has done, and tells when it has to end.
#[derive(Debug)]
pub struct Meter<'a> {
    call: &'a Call,
    verb: &'static str,
    noun: &'static str,
    done: Cell<u64>,
    late: Cell<bool>,
}

impl<'a> Meter<'a> {
    /// A meter for `call`, which has `verb` so many `noun`: "searched", "files".
    #[must_use]
    pub const fn new(call: &'a Call, verb: &'static str, noun: &'static str) -> Self {
        Self { call, verb, noun, done: Cell::new(0), late: Cell::new(false) }
    }

    /// Counts one; breaks when the call is over.
    pub fn count(&self) -> ControlFlow<()> {
        let done = self.done.get() + 1;
        self.done.set(done);
        if done.is_multiple_of(STRIDE) && self.call.is_observed() {
            let message = format!("{} {done} {}", self.verb, self.noun);
            self.call.progress(done as f64, None, Some(&message));
        }
        if self.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Whether nobody waits any more, or the deadline has passed: the work is to end here.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let is_due = || self.call.deadline().is_some_and(|deadline| deadline <= now());
        self.late.set(self.late.get() || self.call.is_over() || is_due());
        self.late.get()
    }

    /// Reads from `reader` for as long as the call is not over: asked before each piece.
    pub const fn reading<R>(&self, reader: R) -> Metered<'_, R> {
        Metered { reader, meter: self }
    }

    /// How many were counted.
    #[must_use]
    pub const fn done(&self) -> u64 {
        self.done.get()
    }

    /// Whether the work was found to be over before it was done.
    #[must_use]
    pub const fn is_late(&self) -> bool {
        self.late.get()
    }
}

/// A reader that fails when the call is over.
#[derive(Debug)]
pub struct Metered<'m, R> {
    reader: R,
    meter: &'m Meter<'m>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.meter.is_over() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "nobody waits for this any more"));
        }
        self.reader.read(buffer)
    }
}

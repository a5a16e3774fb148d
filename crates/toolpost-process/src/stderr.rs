//! What a process says on stderr: the last lines are kept, and each is told to whoever listens.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many lines are kept.
const LINES_MAX: usize = 64;
/// How much of one line is kept, in bytes.
const LINE_MAX: usize = 1 << 10;

/// The last lines of a process's stderr.
pub(crate) struct Stderr {
    kept: Mutex<Kept>,
    listener: Box<dyn Fn(&str) + Send + Sync>,
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<String>,
    /// A line that has not ended, cut.
    begun: Vec<u8>,
}

impl Stderr {
    pub(crate) fn new(listener: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { kept: Mutex::default(), listener: Box::new(listener) }
    }

    /// Takes what came.
    pub(crate) fn take(&self, mut bytes: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.begin(&bytes[..end]);
            self.end();
            bytes = &bytes[end + 1..];
        }
        self.begin(bytes);
    }

    /// Takes what has begun for a line: nothing more will come.
    pub(crate) fn finish(&self) {
        if !self.kept().begun.is_empty() {
            self.end();
        }
    }

    /// The last lines, oldest first.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.kept().lines.iter().cloned().collect()
    }

    fn begin(&self, bytes: &[u8]) {
        let begun = &mut self.kept().begun;
        let room = LINE_MAX.saturating_sub(begun.len());
        begun.extend_from_slice(&bytes[..room.min(bytes.len())]);
    }

    fn end(&self) {
        let line = {
            let mut kept = self.kept();
            let begun = std::mem::take(&mut kept.begun);
            let line = String::from_utf8_lossy(begun.strip_suffix(b"\r").unwrap_or(&begun)).into_owned();
            if kept.lines.len() == LINES_MAX {
                kept.lines.pop_front();
            }
            kept.lines.push_back(line.clone());
            line
        };
        // The host's; what it says of its own costs it the line.
        let _panicked = catch_unwind(AssertUnwindSafe(|| (self.listener)(&line)));
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Stderr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stderr").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_long_ones_cut() {
        let stderr = Stderr::new(|line| assert!(!line.contains("7"), "a listener that panics"));
        for n in 0..100 {
            stderr.take(format!("line {n}\r").as_bytes());
            stderr.take(b"\n");
        }
        let lines = stderr.lines();
        assert_eq!((lines.len(), &*lines[0], &*lines[63]), (LINES_MAX, "line 36", "line 99"));
        for _ in 0..1_000 {
            stderr.take(&[b'x'; 1_000]);
        }
        stderr.finish();
        stderr.finish();
        let lines = stderr.lines();
        assert_eq!((lines.len(), lines[63].len(), &*lines[62]), (LINES_MAX, LINE_MAX, "line 99"));
    }
}

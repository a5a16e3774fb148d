//! The end of a drain.

/// How a drain ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Drained {
    /// Calls that still ran at the deadline; zero means that all finished.
    pub remaining: usize,
}

impl Drained {
    /// Whether every call finished.
    #[must_use]
    pub const fn is_clean(self) -> bool {
        self.remaining == 0
    }
}

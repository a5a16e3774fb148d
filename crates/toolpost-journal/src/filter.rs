//! Which records a reader is asked for.

/// Which records a reader gives: all, or those of a kind, of a correlation, or of both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    kind: Option<Box<str>>,
    correlation: Option<Box<str>>,
}

impl LogFilter {
    /// All records.
    #[must_use]
    pub const fn new() -> Self {
        Self { kind: None, correlation: None }
    }

    /// Those of this kind.
    #[must_use]
    pub fn kind(mut self, kind: &str) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// Those of this correlation.
    #[must_use]
    pub fn correlation(mut self, correlation: &str) -> Self {
        self.correlation = Some(correlation.into());
        self
    }

    #[inline]
    pub(crate) fn takes(&self, kind: &[u8], correlation: &[u8]) -> bool {
        self.kind.as_ref().is_none_or(|own| own.as_bytes() == kind)
            && self.correlation.as_ref().is_none_or(|own| own.as_bytes() == correlation)
    }
}

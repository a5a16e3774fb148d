//! Where nothing can be redirected.

/// Never made.
pub(crate) enum PrintGuard {}

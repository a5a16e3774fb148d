//! The atomics in use: the standard ones, or those of the model checker that the build asks for.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Replaces the value by what `step` makes of it, until no one else came between; `None` from `step` gives up.
///
/// Returns the value replaced and its replacement.
pub(crate) fn update(atomic: &AtomicU64, mut step: impl FnMut(u64) -> Option<u64>) -> Option<(u64, u64)> {
    let mut seen = atomic.load(Ordering::Acquire);
    loop {
        let next = step(seen)?;
        if next == seen {
            return Some((seen, next));
        }
        match atomic.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return Some((seen, next)),
            Err(actual) => seen = actual,
        }
    }
}

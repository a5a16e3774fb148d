//! Counts heap allocations.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// So many threads count each for itself, without an operation that locks the bus and would be charged to what is
/// measured; all others share the last counter.
const OWN: usize = 63;
static ALLOCATIONS: [AtomicU64; OWN + 1] = [const { AtomicU64::new(0) }; OWN + 1];

/// An allocator that counts: `#[global_allocator] static A: harness::Counting = harness::Counting;`
#[derive(Debug)]
pub struct Counting;

/// Allocations and reallocations made by the process so far.
pub fn allocations() -> u64 {
    ALLOCATIONS.iter().map(|counter| counter.load(Ordering::Relaxed)).sum()
}

#[inline]
fn count() {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    const NEW: usize = usize::MAX;
    thread_local! {
        static MINE: Cell<usize> = const { Cell::new(NEW) };
    }
    if MINE.get() == NEW {
        MINE.set(THREADS.fetch_add(1, Ordering::Relaxed).min(OWN));
    }
    match MINE.get() {
        OWN => {
            ALLOCATIONS[OWN].fetch_add(1, Ordering::Relaxed);
        }
        // Nobody else writes here.
        mine => ALLOCATIONS[mine].store(ALLOCATIONS[mine].load(Ordering::Relaxed) + 1, Ordering::Relaxed),
    }
}

// SAFETY: every method forwards to `System` unchanged; the counter does not touch memory it manages.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(ptr, layout, size) }
    }
}

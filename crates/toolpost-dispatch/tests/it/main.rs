//! What toolpost-dispatch promises, seen from outside of it.

#[cfg(feature = "validate")]
mod accounting;
#[cfg(feature = "validate")]
mod allocations;
#[cfg(feature = "validate")]
mod dispatch;
#[cfg(feature = "validate")]
mod fuzz_corpus;
#[cfg(feature = "validate")]
mod limits;
#[cfg(feature = "validate")]
mod providers;
mod unvalidated;

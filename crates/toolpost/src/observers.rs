//! What operators get to see, by the means they have: each is an [`Observe`](toolpost_dispatch::Observe), to be given to
//! [`RuntimeBuilder::observe`](crate::RuntimeBuilder::observe).

#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "tracing")]
mod tracing;

#[cfg(feature = "metrics")]
pub use self::metrics::Metrics;
#[cfg(feature = "tracing")]
pub use self::tracing::Tracing;

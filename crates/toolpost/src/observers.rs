//! What operators get to see, by the means they have: each is an [`Observe`](toolpost_dispatch::Observe), to be given to
//! [`RuntimeBuilder::observe`](crate::RuntimeBuilder::observe).

mod all;
#[cfg(feature = "audit")]
mod audit;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "tracing")]
mod tracing;

pub(crate) use self::all::Observers;
#[cfg(feature = "audit")]
pub use self::audit::Audit;
#[cfg(feature = "metrics")]
pub use self::metrics::Metrics;
#[cfg(feature = "tracing")]
pub use self::tracing::Tracing;
#[cfg(feature = "tracing")]
pub(crate) use self::tracing::span;

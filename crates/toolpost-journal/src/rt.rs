//! The front for many writers: their records share groups, and the groups their syncs.

mod ack;
mod clock;
mod log;
mod subscription;

pub use log::Log;
pub use subscription::{Delivery, LogSubscription};

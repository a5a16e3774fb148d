//! What toolpost promises, seen from outside of it.

mod approvals;
mod audit;
mod cached;
mod categories;
mod declared;
mod disk;
mod drain;
mod fallback;
mod forgetting;
mod gone;
mod guarded;
mod hedged;
mod host_panics;
mod idempotency;
#[cfg(feature = "upstream")]
mod isolation;
mod joins;
mod layer;
mod limited;
mod observers;
mod order;
mod overload;
mod parallel;
#[cfg(feature = "plan")]
mod plans;
#[cfg(all(unix, feature = "process"))]
mod processes;
mod retried;
mod runtime;
mod scheduled;
mod schema_rules;
mod settings;
mod source;
mod surface;
mod timed;
mod tower;
#[cfg(feature = "upstream")]
mod upstreams;
mod workflow_tool;

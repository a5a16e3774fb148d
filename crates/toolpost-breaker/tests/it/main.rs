//! What toolpost-breaker promises, seen from outside of it.

mod life;
mod model;
mod simulation;

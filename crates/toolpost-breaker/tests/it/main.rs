//! What toolpost-breaker promises, seen from outside of it.

mod arithmetic;
mod life;
mod model;
mod simulation;

//! What toolpost-scheduler promises, seen from outside of it.

mod bound;
mod cases;
mod goals;
mod model;
mod rt;
mod simulator;

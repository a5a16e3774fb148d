//! What toolpost-pool promises, seen from outside of it.

mod cases;
mod model;
mod rt;

//! What toolpost-cache promises, seen from outside of it.

mod cases;
mod fuzz;
mod model;
mod read_through;
mod shared_store;
mod support;

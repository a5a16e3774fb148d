//! What toolpost-cache promises, seen from outside of it.

mod cases;
mod flights;
mod fuzz;
mod isolation;
mod model;
mod overtaken;
mod read_through;
mod support;

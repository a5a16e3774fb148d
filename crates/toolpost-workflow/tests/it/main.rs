//! What toolpost-workflow promises, seen from outside of it.

mod cases;
mod journal;
mod random;

//! What toolpost-tool promises, seen from outside of it.

mod functions;
mod ui;

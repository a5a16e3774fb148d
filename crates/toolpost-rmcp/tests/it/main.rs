//! What toolpost-rmcp promises, seen from outside of it.

mod embed;
mod routed;

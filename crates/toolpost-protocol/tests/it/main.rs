//! What toolpost-protocol promises, seen from outside of it.

mod fuzz_corpus;
mod message;
mod model_rmcp;
mod model_round_trip;
mod model_shapes;

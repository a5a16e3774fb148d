//! What toolpost-protocol promises, seen from outside of it.

mod alike;
mod canonical;
mod decode;
mod differential;
mod fuzz_corpus;
mod guard;
mod json_suite;
mod message;
mod model_rmcp;
mod model_round_trip;
mod model_shapes;

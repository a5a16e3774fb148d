//! What toolpost-test promises, seen from outside of it.

mod client;
mod stand_ins;
mod stores;

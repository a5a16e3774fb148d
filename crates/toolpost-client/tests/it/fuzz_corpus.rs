//! The fuzz target of this crate over its committed corpus, with every prefix and some damage: what runs everywhere, without
//! a fuzzer.

use crate::replay;

#[path = "../../../../fuzz/targets/client.rs"]
mod client;

#[test]
fn client_corpus() {
    replay::replay("client", client::run);
}

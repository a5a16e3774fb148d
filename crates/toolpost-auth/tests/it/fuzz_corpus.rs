//! The committed inputs of the fuzz target, and what is near them.

#[path = "../../../../fuzz/targets/bearer.rs"]
mod bearer;
#[path = "../../../../fuzz/replay.rs"]
mod replay;

#[test]
fn no_token_of_the_corpus_lets_anybody_in() {
    replay::replay("bearer", bearer::run);
}

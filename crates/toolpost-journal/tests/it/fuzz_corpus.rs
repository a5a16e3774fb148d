//! The fuzz target of the journal over its committed corpus, with every prefix and some damage: what
//! runs everywhere, without a fuzzer.

#[path = "../../../../fuzz/targets/journal.rs"]
mod journal;
#[path = "../../../../fuzz/replay.rs"]
mod replay;

#[test]
fn journal_corpus() {
    for bytes in replay::committed("journal") {
        for end in 0..=bytes.len() {
            journal::run(&bytes[..end]);
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            journal::run(&damaged);
        }
    }
}

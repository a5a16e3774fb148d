//! The fuzz target of the journal over its committed corpus, with every prefix and some damage: what
//! runs everywhere, without a fuzzer.

#[path = "../../../../fuzz/targets/journal.rs"]
mod journal;

use std::fs;
use std::path::Path;

#[test]
fn journal_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/journal");
    let mut files = 0;
    for file in fs::read_dir(corpus).expect("a corpus") {
        let bytes = fs::read(file.expect("a file").path()).expect("its bytes");
        for end in 0..=bytes.len() {
            journal::run(&bytes[..end]);
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            journal::run(&damaged);
        }
        files += 1;
    }
    assert!(10 <= files, "{files} files");
}

//! The fuzz target over its committed corpus, with some prefixes and some damage: what runs everywhere, without a fuzzer.

#[path = "../../../../fuzz/targets/schema.rs"]
mod schema;

use std::fs;
use std::path::Path;

#[test]
fn schema_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/schema");
    let mut files = 0;
    for file in fs::read_dir(corpus).expect("a corpus") {
        let bytes = fs::read(file.expect("a file").path()).expect("its bytes");
        schema::run(&bytes);
        let step = 1 + bytes.len() / 40;
        for at in (0..bytes.len()).step_by(step) {
            schema::run(&bytes[..at]);
            for byte in [0, b'"', b'A', 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] = byte;
                schema::run(&damaged);
            }
        }
        files += 1;
    }
    assert!(10 <= files, "{files} files");
}

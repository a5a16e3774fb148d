//! Runs a fuzz target over its committed corpus.

use std::fs;
use std::path::Path;

/// Runs `target` on each file of its corpus, on each of its prefixes, and with each byte replaced.
pub(crate) fn replay(name: &str, target: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let mut files = 0;
    for file in fs::read_dir(corpus).expect("a corpus") {
        let bytes = fs::read(file.expect("a file").path()).expect("its bytes");
        target(&bytes);
        for end in 0..bytes.len() {
            target(&bytes[..end]);
        }
        for at in 0..bytes.len() {
            for byte in [0, b'"', b'\\', b'{', b']', b',', b'9', 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] = byte;
                target(&damaged);
            }
        }
        files += 1;
    }
    assert!(10 <= files, "{files} files");
}

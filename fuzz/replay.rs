//! Committed corpora, replayed by the tests of the crates that the targets are about: what runs everywhere, without a fuzzer.
#![allow(dead_code, reason = "each crate uses a part")]

use std::fs;
use std::path::Path;

/// The committed inputs of a target. What a fuzzer has found on this machine, and named by a hash, is left out: there may
/// be thousands.
pub(crate) fn committed(name: &str) -> Vec<Vec<u8>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let files = fs::read_dir(corpus).expect("a corpus").map(|file| file.expect("a file").path());
    let committed = files.filter(|path| !path.file_name().is_some_and(is_hash));
    let inputs: Vec<Vec<u8>> = committed.map(|path| fs::read(path).expect("its bytes")).collect();
    assert!(10 <= inputs.len(), "{} files", inputs.len());
    inputs
}

fn is_hash(name: &std::ffi::OsStr) -> bool {
    name.len() == 40 && name.as_encoded_bytes().iter().all(u8::is_ascii_hexdigit)
}

/// Runs `target` on each committed input, on each of its prefixes, and with each byte replaced.
pub(crate) fn replay(name: &str, target: fn(&[u8])) {
    for bytes in committed(name) {
        target(&bytes);
        for end in 0..bytes.len() {
            target(&bytes[..end]);
        }
        for at in 0..bytes.len() {
            for byte in [0, b'"', b'\\', b'{', b']', b',', b'9', b'A', 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] = byte;
                target(&damaged);
            }
        }
    }
}

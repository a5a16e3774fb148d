//! The fuzz targets over their committed corpora, with every prefix and some damage: what runs
//! everywhere, without a fuzzer.

#[path = "../../../../fuzz/targets/canonical.rs"]
mod canonical;
#[path = "../../../../fuzz/targets/frame.rs"]
mod frame;
#[path = "../../../../fuzz/targets/guard.rs"]
mod guard;

use std::fs;
use std::path::Path;

/// Runs `target` on each file of its corpus, on each of its prefixes, and with each byte replaced.
fn replay(name: &str, target: fn(&[u8])) {
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

// Protocol 14
#[test]
fn guard_corpus() {
    replay("guard", guard::run);
}

// Protocol 14
#[test]
fn frame_corpus() {
    replay("frame", frame::run);
}

// Cache 10
#[test]
fn canonical_corpus() {
    replay("canonical", canonical::run);
    // Values of every kind, which no fuzzer chose.
    let mut state = 1_u64;
    for _ in 0..2_000 {
        let bytes: Vec<u8> = (0..200)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8 & if state >> 40 & 1 == 0 { 7 } else { 0xff }
            })
            .collect();
        canonical::run(&bytes);
    }
}

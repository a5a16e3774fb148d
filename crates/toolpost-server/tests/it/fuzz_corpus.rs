//! The fuzz targets over their committed corpora, with every prefix and some damage: what runs
//! everywhere, without a fuzzer.

#[path = "../../../../fuzz/targets/cursor.rs"]
mod cursor;
#[path = "../../../../fuzz/targets/headers.rs"]
mod headers;
#[path = "../../../../fuzz/targets/request_state.rs"]
mod request_state;
#[path = "../../../../fuzz/targets/sse.rs"]
mod sse;

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
            for byte in [0, b'"', b'A', 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] = byte;
                target(&damaged);
            }
        }
        files += 1;
    }
    assert!(10 <= files, "{files} files");
}

#[test]
fn headers_corpus() {
    replay("headers", headers::run);
}

#[test]
fn cursor_corpus() {
    replay("cursor", cursor::run);
}

#[test]
fn request_state_corpus() {
    replay("request_state", request_state::run);
}

#[test]
fn sse_corpus() {
    replay("sse", sse::run);
}

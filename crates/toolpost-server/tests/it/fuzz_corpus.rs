//! The fuzz targets over their committed corpora, with every prefix and some damage: what runs
//! everywhere, without a fuzzer.

#[path = "../../../../fuzz/targets/cursor.rs"]
mod cursor;
#[path = "../../../../fuzz/targets/headers.rs"]
mod headers;
#[path = "../../../../fuzz/replay.rs"]
mod replay;
#[path = "../../../../fuzz/targets/request_state.rs"]
mod request_state;
#[path = "../../../../fuzz/targets/sse.rs"]
mod sse;

use replay::replay;

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

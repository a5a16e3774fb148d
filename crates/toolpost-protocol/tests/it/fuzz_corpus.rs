//! The fuzz targets over their committed corpora, with every prefix and some damage: what runs
//! everywhere, without a fuzzer.

#[path = "../../../../fuzz/targets/frame.rs"]
mod frame;
#[path = "../../../../fuzz/replay.rs"]
mod replay;

#[test]
fn frame_corpus() {
    replay::replay("frame", frame::run);
}

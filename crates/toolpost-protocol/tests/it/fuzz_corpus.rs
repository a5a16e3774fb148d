//! The fuzz targets over their committed corpora, with every prefix and some damage: what runs
//! everywhere, without a fuzzer.

#[path = "../../../../fuzz/targets/frame.rs"]
mod frame;
#[path = "../../../toolpost-json/tests/it/fuzz_corpus/replay.rs"]
mod replay;

#[test]
fn frame_corpus() {
    replay::replay("frame", frame::run);
}

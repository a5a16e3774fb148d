//! The fuzz targets over their committed corpora, with every prefix and some damage: what runs
//! everywhere, without a fuzzer.

#[path = "../../../../fuzz/targets/canonical.rs"]
mod canonical;
#[path = "../../../../fuzz/targets/guard.rs"]
mod guard;
#[path = "../../../../fuzz/replay.rs"]
mod replay;

use replay::replay;

#[test]
fn guard_corpus() {
    replay("guard", guard::run);
}

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

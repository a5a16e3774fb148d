//! The fuzz target of this crate over its committed corpus, with every prefix and some damage: what runs everywhere, without
//! a fuzzer.

#[path = "../../../../fuzz/targets/plan.rs"]
mod plan;
#[path = "../../../../fuzz/replay.rs"]
mod replay;

#[test]
fn plan_corpus() {
    replay::replay("plan", plan::run);
}

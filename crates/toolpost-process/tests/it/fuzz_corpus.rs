//! The fuzz targets of this crate over their committed corpora, with every prefix and some damage: what runs everywhere,
//! without a fuzzer.

#[path = "../../../../fuzz/targets/redactor.rs"]
mod redactor;
#[path = "../../../../fuzz/replay.rs"]
mod replay;
#[path = "../../../../fuzz/targets/template.rs"]
mod template;

#[test]
fn template_corpus() {
    replay::replay("template", template::run);
}

#[test]
fn redactor_corpus() {
    replay::replay("redactor", redactor::run);
}

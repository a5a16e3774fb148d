//! The fuzz target over its committed corpus, with some prefixes and some damage: what runs everywhere, without a fuzzer.

#[path = "../../../../fuzz/replay.rs"]
mod replay;
#[path = "../../../../fuzz/targets/schema.rs"]
mod schema;

#[test]
fn schema_corpus() {
    for bytes in replay::committed("schema") {
        schema::run(&bytes);
        let step = 1 + bytes.len() / 40;
        for at in (0..bytes.len()).step_by(step) {
            schema::run(&bytes[..at]);
            for byte in [0, b'"', b'A', 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] = byte;
                schema::run(&damaged);
            }
        }
    }
}

//! The fuzz target of the string arguments over its committed corpus, with every prefix and some damage: what runs
//! everywhere, without a fuzzer.

#[path = "../../../../fuzz/replay.rs"]
mod replay;
#[path = "../../../../fuzz/targets/tool_strings.rs"]
mod tool_strings;

#[test]
fn tool_strings_corpus() {
    let inputs = replay::committed("tool_strings");
    assert!(20 <= inputs.len(), "{} files", inputs.len());
    for bytes in inputs {
        tool_strings::run(&bytes);
        for end in 0..bytes.len() {
            tool_strings::run(&bytes[..end]);
        }
        // Each seed as each argument.
        for choice in 0..12 {
            let mut other = bytes.clone();
            other[0] = choice;
            tool_strings::run(&other);
        }
    }
}

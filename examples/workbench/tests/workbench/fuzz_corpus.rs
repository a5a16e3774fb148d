//! The fuzz target of the string arguments over its committed corpus, with every prefix and some damage: what runs
//! everywhere, without a fuzzer.

#[path = "../../../../fuzz/targets/tool_strings.rs"]
mod tool_strings;

use std::fs;
use std::path::Path;

#[test]
fn tool_strings_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/tool_strings");
    let mut files = 0;
    for file in fs::read_dir(corpus).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
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
        files += 1;
    }
    assert!(20 <= files, "{files} files");
}

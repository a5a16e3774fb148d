//! Any text as each string argument of the workbench's tools, and as an ignore file: on a stack as small as the one that
//! a tool gets, with an answer that is bounded. A text may be given as what opens, what lies inside and what closes, so
//! that a few bytes nest thousands of levels.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::{fs, process, thread};

use serde_json::json;
use toolpost_tool::{AnyTool, Call, ErrorKind, Tool as _};

/// As that of a thread that may block.
const STACK: usize = 2 << 20;

/// The longest text, in bytes.
const TEXT_MAX: usize = 64 << 10;

/// The longest answer, in bytes.
const ANSWER_MAX: usize = 16 << 20;

/// Every string argument of every tool; without a tool, the text is an ignore file.
const ARGUMENTS: [(&str, &str); 12] = [
    ("list_files", "path"),
    ("list_files", "glob"),
    ("read_file", "path"),
    ("search_text", "pattern"),
    ("search_text", "path"),
    ("search_text", "glob"),
    ("count_lines", "path"),
    ("count_lines", "glob"),
    ("git_log", "revision"),
    ("git_log", "path"),
    ("", ".gitignore"),
    ("", ".ignore"),
];

/// A repository of one commit without files: its objects, as git packs them.
const OBJECTS: [(&str, &str); 2] = [
    ("4b/825dc642cb6eb9a060e54bf8d69288fbee4904", "78012b294a4d55306000000a2c0201"),
    (
        "d3/300565a20df065a0920715b911d3091e9fac00",
        "78018dcd410a02310c4051d73d45f682644a9a69414437de236d333a60e95023787cc513f8f78f5f7a6babc1447167431528471f\
         6a61f225b3e624c8a881f2122b271fe3925529213979d9bd0fb85481a35439eb5bdaf6d0431fb7134c33cfde0746843d7e73e5b7\
         31fd1bb8eb3a9ee63ed7c52e56",
    ),
];

/// A directory with a file, a directory, a repository and a place for ignore files; and the tools over it.
static PLACE: LazyLock<(PathBuf, Vec<AnyTool>)> = LazyLock::new(|| {
    let root = std::env::temp_dir().join(format!("toolpost-fuzz-tools-{}", process::id()));
    let write = |path: &str, bytes: &[u8]| write(&root.join(path), bytes);
    write("README.md", b"# Title\n\nOne two three.\n");
    write("src/deep/main.rs", b"fn main() {}\n");
    write("rules/a.txt", b"a\n");
    write(".git/HEAD", b"ref: refs/heads/main\n");
    write(".git/config", b"[core]\n\tbare = false\n");
    write(".git/refs/heads/main", b"d3300565a20df065a0920715b911d3091e9fac00\n");
    for (path, hex) in OBJECTS {
        let digits: Vec<_> = hex.bytes().filter_map(|digit| char::from(digit).to_digit(16)).collect();
        let bytes: Vec<_> = digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect();
        write(&format!(".git/objects/{path}"), &bytes);
    }
    let tools = workbench::tools::all(&root).expect("a directory");
    (root, tools)
});

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("a file in a directory")).expect("a directory");
    fs::write(path, bytes).expect("a file");
}

pub(crate) fn run(bytes: &[u8]) {
    let [choice, power, rest @ ..] = bytes else { return };
    let (tool, argument) = ARGUMENTS[usize::from(*choice) % ARGUMENTS.len()];
    let text = text(rest, 1 << (power % 15));
    let thread = thread::Builder::new().stack_size(STACK).spawn(move || call(tool, argument, &text));
    thread.expect("a thread").join().expect("no panic");
}

/// `open NUL inside NUL close` with what opens and closes so many times; other bytes as they are.
fn text(bytes: &[u8], times: usize) -> String {
    let lossy = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let parts: Vec<_> = bytes.split(|byte| *byte == 0).map(lossy).collect();
    match &*parts {
        [open, inside, close] => {
            let times = times.min(TEXT_MAX / (open.len() + close.len()).max(1));
            format!("{}{inside}{}", open.repeat(times), close.repeat(times))
        }
        _ => lossy(bytes),
    }
}

fn call(tool: &str, argument: &str, text: &str) {
    let (root, tools) = &*PLACE;
    let (tool, args) = match (tool, argument) {
        ("", file) => {
            fs::write(root.join("rules").join(file), text).expect("a file");
            ("list_files", json!({ "path": "rules" }))
        }
        // A pattern is needed beside the others.
        ("search_text", "path" | "glob") => (tool, json!({ "pattern": "main", argument: text })),
        _ => (tool, json!({ argument: text })),
    };
    let tool = tools.iter().find(|found| found.spec().name() == tool).expect("a tool of that name");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let Ok(call) = Call::new(&args) else { return };
    match runtime.block_on(tool.call(call)) {
        Ok(output) => {
            let answer = output.structured().expect("each has structured content");
            assert!(answer.len() < ANSWER_MAX, "{} bytes", answer.len());
        }
        Err(error) => {
            assert_ne!(error.kind(), ErrorKind::Panicked);
            assert!(error.to_string().len() < 1 << 16, "{} bytes", error.to_string().len());
        }
    }
    if argument.starts_with('.') {
        let _ = fs::remove_file(root.join("rules").join(argument));
    }
}

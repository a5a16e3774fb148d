//! JSONTestSuite (<https://github.com/nst/JSONTestSuite>) as a frame, as params and as a tool's argument.
//!
//! The files are looked for in `$TOOLPOST_SHARED/data/jsontestsuite`, or beside the workspace in
//! `../shared/data/jsontestsuite`. Without them a short list of the same kind is used.

#![expect(clippy::unwrap_used, reason = "a test ends there")]

use crate::alike;

use std::fs;
use std::path::{Path, PathBuf};

use alike::alike;
use bytes::Bytes;
use serde_json::Value;
use toolpost_json::{Frame, Limits, Violation};

/// Cases in the suite's naming: `y_` must be read, `n_` must not, `i_` is up to the reader.
const EMBEDDED: &[(&str, &[u8])] = &[
    ("y_empty_object", b"{}"),
    ("y_blanks", b" \t\r\n[ 1 , 2 ]\n"),
    ("y_escapes", br#"["\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"]"#),
    ("y_number", b"[-0, -0.0, 1E+2, 123456789012345678901234567890]"),
    ("y_two_bytes", "[\"\u{e9}\u{20ac}\u{1f600}\"]".as_bytes()),
    ("y_lonely_true", b"true"),
    ("n_empty", b""),
    ("n_open", b"["),
    ("n_comma", b"[1,]"),
    ("n_no_comma", b"[1 2]"),
    ("n_colon", b"{\"a\" 1}"),
    ("n_name", b"{a: 1}"),
    ("n_plus", b"[+1]"),
    ("n_leading_zero", b"[01]"),
    ("n_dot", b"[1.]"),
    ("n_exponent", b"[1e]"),
    ("n_nan", b"[NaN]"),
    ("n_quote", b"['a']"),
    ("n_control", b"[\"\x01\"]"),
    ("n_escape", b"[\"\\x\"]"),
    ("n_hex", b"[\"\\u00g0\"]"),
    ("n_bom", b"\xef\xbb\xbf{}"),
    ("n_utf8", b"[\"\xff\"]"),
    ("n_trailing", b"{}}"),
    ("i_surrogate", br#"["\ud800"]"#),
    ("i_huge", b"[1e9999]"),
];

#[expect(clippy::print_stderr, reason = "says that less was tested")]
fn suite() -> Vec<(String, Vec<u8>)> {
    let shared = std::env::var_os("TOOLPOST_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let mut cases = Vec::new();
    for part in ["test_parsing", "test_transform"] {
        let Ok(files) = fs::read_dir(shared.join("data/jsontestsuite").join(part)) else { continue };
        for file in files.map(Result::unwrap) {
            let name = file.file_name().into_string().unwrap();
            cases.push((name, fs::read(file.path()).unwrap()));
        }
    }
    if cases.is_empty() {
        eprintln!("JSONTestSuite is not here; the {} embedded cases stand in for it", EMBEDDED.len());
        return EMBEDDED.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
    }
    assert!(300 < cases.len(), "only {} files", cases.len());
    cases
}

fn parse(bytes: impl Into<Bytes>) -> Result<Frame, Violation> {
    Frame::parse(bytes.into(), &Limits::new())
}

/// Whether `name`, a suite's file, must be read; `None` where that is up to the reader.
fn wanted(name: &str) -> Option<bool> {
    match name.get(..2) {
        // JSON allows duplicate names; we refuse them. No other limit is met.
        _ if name.contains("duplicated_key") => Some(false),
        Some("y_") => Some(true),
        Some("n_") => Some(false),
        _ => None,
    }
}

#[test]
fn as_a_frame() {
    for (name, bytes) in suite() {
        let frame = parse(bytes.clone());
        if let Some(wanted) = wanted(&name) {
            assert_eq!(frame.is_ok(), wanted, "{name}: {frame:?}");
        }
        match (frame, serde_json::from_slice::<Value>(&bytes)) {
            (Ok(frame), theirs) => {
                let ours: Value = frame.root().decode().unwrap();
                assert!(alike(&ours, &theirs.expect(&name)), "{name}: {ours}");
            }
            (Err(violation), Ok(_)) => {
                // We may be stricter, but must not call it a syntax error then.
                assert!(!violation.is_syntax_error(), "{name}: {violation}");
            }
            (Err(_), Err(_)) => {}
        }
    }
}

fn spliced(before: &[u8], bytes: &[u8], after: &[u8]) -> Vec<u8> {
    [before, bytes, after].concat()
}

/// Holds when `bytes` fare inside an envelope as they fare alone.
fn inside(name: &str, bytes: &[u8], before: &[u8], after: &[u8]) {
    let alone = parse(bytes.to_vec());
    let frame = parse(spliced(before, bytes, after));
    // Bytes may close the envelope early, or (a byte order mark apart) fail elsewhere; what
    // matters is that they are not read where serde_json would not read the whole.
    if alone.is_ok() {
        let frame = frame.unwrap_or_else(|violation| panic!("{name}: {violation}"));
        assert!(frame.root().member("params").is_some(), "{name}");
    } else if frame.is_ok() {
        let whole = spliced(before, bytes, after);
        assert!(serde_json::from_slice::<Value>(&whole).is_ok(), "{name}");
    }
}

#[test]
fn as_params() {
    for (name, bytes) in suite() {
        inside(&name, &bytes, br#"{"jsonrpc":"2.0","id":1,"method":"x","params":"#, b"}");
    }
}

#[test]
fn as_an_argument() {
    let before = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"a":"#;
    for (name, bytes) in suite() {
        inside(&name, &bytes, before, b"}}}");
    }
}

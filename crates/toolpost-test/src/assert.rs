//! Assertions that say what came instead.

use toolpost_tool::{ErrorKind, Output, ToolError};

/// Asserts that a call ended in one block of this text, and not as an error.
///
/// # Panics
///
/// If it did not; the message shows what came.
#[track_caller]
pub fn assert_text(result: &Result<Output, ToolError>, text: &str) {
    match result {
        Ok(output) => {
            assert!(
                !output.is_error(),
                "expected the text {text:?}, got an error result: {}",
                output.encode()
            );
            assert_eq!(output.as_text(), Some(text), "the whole result: {}", output.encode());
        }
        Err(error) => panic(&format!("expected the text {text:?}, got {error:?}")),
    }
}

/// Asserts that a call ended in an error of this kind.
///
/// # Panics
///
/// If it did not; the message shows what came.
#[track_caller]
pub fn assert_kind(result: &Result<Output, ToolError>, kind: ErrorKind) {
    match result {
        Ok(output) => panic(&format!("expected an error of kind {kind:?}, got {}", output.encode())),
        Err(error) => assert_eq!(error.kind(), kind, "the whole error: {error:?}"),
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "an assertion")]
fn panic(message: &str) {
    panic!("{message}")
}

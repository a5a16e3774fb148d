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

/// Asserts that a call ended in structured content that is what the output schema of the tool promises: of `tool`, to which
/// the schema may have come from a type that is written otherwise.
///
/// # Panics
///
/// If it did not, or if the tool promises nothing; the message shows what is wrong.
#[cfg(feature = "client")]
#[track_caller]
pub fn assert_promised(tool: &toolpost_tool::ToolSpec, result: &Result<Output, ToolError>) {
    let Some(schema) = tool.output_schema() else {
        panic(&format!("`{}` has no output schema", tool.name()));
    };
    let schema = match toolpost_dispatch::Schema::compile(schema) {
        Ok(schema) => schema,
        Err(error) => panic(&format!("the output schema of `{}` {error}", tool.name())),
    };
    let structured = match result {
        Ok(output) => output.structured_text(),
        Err(error) => panic(&format!("expected a result of `{}`, got {error:?}", tool.name())),
    };
    let Some(structured) = structured else {
        panic(&format!("`{}` gave no structured content", tool.name()))
    };
    match toolpost_json::Frame::from_text(structured.clone(), &toolpost_json::Limits::new()) {
        Err(violation) => panic(&format!("the result of `{}` is not JSON: {violation}", tool.name())),
        Ok(frame) => {
            if let Err(why) = schema.check(frame.root(), "structuredContent") {
                panic(&format!("the result of `{}` breaks its promise: {why}", tool.name()));
            }
        }
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "an assertion")]
fn panic(message: &str) -> ! {
    panic!("{message}")
}

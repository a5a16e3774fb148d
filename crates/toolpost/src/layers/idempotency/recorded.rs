//! The end of a call as text, for whoever repeats it.

use std::time::Duration;

use bytestring::ByteString;
use serde::{Deserialize, Serialize};
use toolpost_json::{Frame, Limits};
use toolpost_tool::{ErrorKind, Output, ResultFlag, ToolError};

use crate::layers::stored_result;

/// An error that the tool ended with.
#[derive(Deserialize, Serialize)]
struct Failure {
    /// Whether it was said to pass.
    unavailable: bool,
    message: String,
    retry_after_ms: Option<u64>,
}

/// The member of an error, where a result has `content`.
const ERROR: &str = "error";

/// The end as text; `None` if it is too long to be kept.
pub(crate) fn encode(result: &Result<Output, ToolError>) -> Option<ByteString> {
    let mut bytes = Vec::new();
    match result {
        Ok(output) => stored_result::encode(output, &mut bytes),
        Err(error) => {
            let retry_after = error.retry_after().map(|wait| wait.as_millis().try_into().unwrap_or(u64::MAX));
            let failure = Failure {
                unavailable: error.kind() == ErrorKind::Unavailable,
                message: error.to_string(),
                retry_after_ms: retry_after,
            };
            serde_json::to_writer(&mut bytes, &[(ERROR, failure)].into_iter().collect::<Failures>()).ok()?;
        }
    }
    if stored_result::LARGEST < bytes.len() {
        return None;
    }
    Some(String::from_utf8(bytes).ok()?.into())
}

type Failures = std::collections::BTreeMap<&'static str, Failure>;

/// The end that was written so, marked as repeated; `None` if it is no such text.
pub(crate) fn decode(end: &ByteString) -> Option<Result<Output, ToolError>> {
    let frame = Frame::from_text(end.clone(), &Limits::new().bytes(stored_result::LARGEST)).ok()?;
    let Some(error) = frame.root().member(ERROR) else {
        return Some(Ok(stored_result::of(frame.root())?.flagged(ResultFlag::Repeated)));
    };
    let Failure { unavailable, message, retry_after_ms } = error.decode().ok()?;
    let kind = if unavailable { ErrorKind::Unavailable } else { ErrorKind::Failed };
    let error = ToolError::with_kind(kind, message);
    Some(Err(match retry_after_ms {
        Some(wait) => error.with_retry_after(Duration::from_millis(wait)),
        None => error,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_end_comes_back_as_it_was() {
        let output = Output::json(&json!({"order": 7})).unwrap().into_error();
        let decoded = decode(&encode(&Ok(output.clone())).unwrap()).unwrap().unwrap();
        assert_eq!(decoded, output.flagged(ResultFlag::Repeated));
        for kind in [ErrorKind::Failed, ErrorKind::Unavailable] {
            let error = ToolError::with_kind(kind, "no \"paper\"").with_retry_after(Duration::from_secs(2));
            let decoded = decode(&encode(&Err(error)).unwrap()).unwrap().unwrap_err();
            assert_eq!((decoded.kind(), decoded.to_string().as_str()), (kind, "no \"paper\""));
            assert_eq!(decoded.retry_after(), Some(Duration::from_secs(2)));
        }
        assert!(encode(&Ok(Output::text("x".repeat(stored_result::LARGEST)))).is_none());
        assert!(decode(&"{}".into()).is_none() && decode(&"".into()).is_none());
    }
}

//! From how a call ended to rmcp's answer.

use rmcp::model::{
    CallToolResponse, CallToolResult, ContentBlock, ErrorCode, InputRequest, InputRequests,
    InputRequiredResult, JsonObject, MetaObject,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde::Deserialize;
use serde_json::Value;
use toolpost_protocol::{Code, Era, Error, Version};
use toolpost_tool::{InputRequired, Output};

use crate::round::Next;

/// The revision that a request follows; one that is newer than all that are known counts as the newest.
pub(crate) fn version(context: &RequestContext<RoleServer>) -> Version {
    let Some(named) = context.protocol_version() else { return Version::LATEST_WITH_SESSIONS };
    // Dates of this form compare as text.
    Version::parse(named.as_str()).unwrap_or(match Version::LATEST.as_str() < named.as_str() {
        true => Version::LATEST,
        false => Version::LATEST_WITH_SESSIONS,
    })
}

/// The result that `output` is.
pub(crate) fn result(output: &Output, version: Version) -> Result<CallToolResult, ErrorData> {
    let content = content(output, version).map_err(internal)?;
    let mut result = match output.is_error() {
        true => CallToolResult::error(content),
        false => CallToolResult::success(content),
    };
    if let Some(structured) = output.structured().filter(|_| version.has_structured_content()) {
        let value: Value = serde_json::from_str(structured).map_err(internal)?;
        result.structured_content =
            Some(if output.is_wrapped(version) { serde_json::json!({ "result": value }) } else { value });
    }
    result.meta = meta(output).map_err(internal)?;
    Ok(result)
}

/// The questions of a suspended call, with the state for its `next` round.
pub(crate) fn input_required(
    suspended: &InputRequired,
    era: Era,
    next: impl FnOnce() -> Result<Next, ErrorData>,
) -> Result<CallToolResponse, ErrorData> {
    if era == Era::Legacy {
        let text = "this tool needs input from its client, which takes protocol revision 2026-07-28";
        return Ok(CallToolResult::error(vec![ContentBlock::text(text)]).into());
    }
    let state = match next()? {
        Next::Asks(state) => state,
        Next::Fruitless(text) => return Ok(CallToolResult::error(vec![ContentBlock::text(text)]).into()),
    };
    let mut requests = InputRequests::new();
    for (key, request) in suspended.requests() {
        requests.insert(key.clone(), question(request).map_err(internal)?);
    }
    if requests.is_empty() && state.is_none() {
        return Err(internal("the tool suspended its call, and asked nothing"));
    }
    Ok(InputRequiredResult::new((!requests.is_empty()).then_some(requests), state).into())
}

/// The error that answers a broken protocol; a code that `era` does not know is a failed result.
pub(crate) fn error(error: &Error, era: Era) -> Result<CallToolResponse, ErrorData> {
    if error.code() == Code::MISSING_CLIENT_CAPABILITY && era == Era::Legacy {
        return Ok(CallToolResult::error(vec![ContentBlock::text(error.message())]).into());
    }
    let data = error.data().and_then(|data| serde_json::from_str(data.get()).ok());
    let code = i32::try_from(error.code().0).unwrap_or(ErrorCode::INTERNAL_ERROR.0);
    Err(ErrorData::new(ErrorCode(code), error.message().to_owned(), data))
}

/// The blocks; those of a type that `version` does not have are text.
fn content(output: &Output, version: Version) -> Result<Vec<ContentBlock>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Members {
        content: Vec<ContentBlock>,
    }

    if let Some(text) = output.as_text() {
        return Ok(vec![ContentBlock::text(text)]);
    }
    let mut members = vec![b'{'];
    output.write(&mut members, version);
    members.push(b'}');
    serde_json::from_slice::<Members>(&members).map(|members| members.content)
}

fn meta(output: &Output) -> Result<Option<MetaObject>, serde_json::Error> {
    let mut text = vec![b'{'];
    if !output.write_meta(&mut text) {
        return Ok(None);
    }
    text.push(b'}');
    serde_json::from_slice::<JsonObject>(&text).map(|members| Some(members.into()))
}

fn question(request: &toolpost_tool::InputRequest) -> Result<InputRequest, serde_json::Error> {
    let mut message = serde_json::json!({ "method": request.method() });
    if let Some(params) = request.params() {
        message["params"] = serde_json::from_str(params)?;
    }
    serde_json::from_value(message)
}

fn internal(error: impl Into<Box<dyn std::error::Error>>) -> ErrorData {
    ErrorData::internal_error(error.into().to_string(), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_that_a_revision_does_not_have_are_text() {
        let audio = serde_json::json!({ "type": "audio", "data": "AAAA", "mimeType": "audio/wav" });
        let link = serde_json::json!({ "type": "resource_link", "uri": "file:///a", "name": "a" });
        let output = Output::blocks(&[audio, link]).expect("blocks");
        let kinds = |version| {
            let result = result(&output, version).expect("a result");
            result.content.iter().map(|block| block.as_text().is_some()).collect::<Vec<_>>()
        };
        assert_eq!(kinds(Version::V2024_11_05), [true, true]);
        assert_eq!(kinds(Version::V2025_03_26), [false, true]);
        assert_eq!(kinds(Version::V2025_06_18), [false, false]);
        assert_eq!(kinds(Version::LATEST), [false, false]);
    }
}

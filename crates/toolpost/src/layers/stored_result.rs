//! A result as the JSON object of its members, for stores that keep bytes.

use serde_json::value::RawValue;
use toolpost_json::Node;
use toolpost_tool::{Output, Version};

/// Larger results are not kept.
pub(super) const LARGEST: usize = 4 << 20;

/// Appends the result.
pub(super) fn encode(output: &Output, bytes: &mut Vec<u8>) {
    bytes.push(b'{');
    output.write(bytes, Version::LATEST);
    bytes.extend_from_slice(br#","_meta":{"#);
    let _members = output.write_meta(bytes);
    bytes.extend_from_slice(b"}}");
}

/// The result that was written so.
pub(super) fn of(result: Node<'_>) -> Option<Output> {
    let (content, structured) = (result.member("content")?, result.member("structuredContent"));
    let mut output = match (text(content), structured) {
        (Some(text), Some(structured)) if text == structured.raw() => Output::json(&raw(structured)?),
        (Some(text), _) => Ok(Output::text(text)),
        (None, _) => Output::blocks(&raw(content)?),
    }
    .ok()?;
    if let Some(structured) = structured {
        output = output.with_structured(&raw(structured)?).ok()?;
    }
    for (name, value) in result.member("_meta")?.members() {
        output = output.with_meta(&name.name(), &raw(value)?).ok()?;
    }
    let is_error = result.member("isError").and_then(Node::as_bool).unwrap_or(false);
    Some(if is_error { output.into_error() } else { output })
}

/// The text, if the content is one block of it and of nothing else.
fn text(content: Node<'_>) -> Option<String> {
    let block = content.item(0).filter(|block| content.len() == 1 && block.len() == 2)?;
    let kind = block.member("type")?.as_str()?;
    block.member("text").filter(|_| kind == "text")?.as_str().map(std::borrow::Cow::into_owned)
}

fn raw(node: Node<'_>) -> Option<Box<RawValue>> {
    RawValue::from_string(node.raw().to_owned()).ok()
}

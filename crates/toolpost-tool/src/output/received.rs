//! A result as another server gave it.

use bytestring::ByteString;
use toolpost_json::{Kind, Node, write};
use toolpost_protocol::Version;

use super::{BLOCKS, Output, STRUCTURED};
use crate::ToolError;

/// Members of `_meta` under this prefix speak for the server that answers, and for the transport.
const RESERVED: &str = "io.modelcontextprotocol/";
/// What the layers of a runtime say of a result themselves; see [`ResultFlag`](crate::ResultFlag).
const FLAGS: [&str; 3] = ["dev.toolpost/cache", "dev.toolpost/degraded", "dev.toolpost/idempotency"];
/// A frame of up to so many bytes is kept whole, however little of it is.
const SMALL: usize = 4 << 10;

impl Output {
    /// The result of `tools/call` that another server gave, in a message of `version`: content, structured content and
    /// `_meta` stay what they are, byte for byte, as parts of the message's text. Nothing is encoded anew.
    ///
    /// Members of `_meta` that speak for the other server, or that say what layers of another runtime did, are left out.
    ///
    /// ```
    /// use toolpost_json::{Frame, Limits};
    /// use toolpost_tool::{Output, Version};
    ///
    /// let text = r#"{"content": [{"type": "text", "text": "no"}], "isError": true}"#;
    /// let frame = Frame::from_text(text, &Limits::new())?;
    /// let output = Output::from_result(frame.root(), Version::LATEST).unwrap();
    /// assert_eq!(output.encode(), r#""content":[{"type": "text", "text": "no"}],"isError":true"#);
    /// # Ok::<(), toolpost_json::Violation>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If it is no such result: what is wrong with it.
    pub fn from_result(result: Node<'_>, version: Version) -> Result<Self, ToolError> {
        let fault =
            |what: &str| ToolError::new(format!("the server answered what is no result of a tool: {what}"));
        if result.kind() != Kind::Object {
            return Err(fault("it is no object"));
        }
        let structured = result.member("structuredContent");
        // Before that revision `null` is how some servers say that there is none.
        let structured = structured.filter(|node| version.has_any_structured_content() || !node.is_null());
        let content = result.member("content");
        let mut output = match (content, structured) {
            (Some(content), _) if content.kind() != Kind::Array => {
                return Err(fault("`content` is no array"));
            }
            (Some(content), structured) => {
                let is_block =
                    |block: Node<'_>| block.member("type").is_some_and(|kind| kind.kind() == Kind::String);
                if !content.items().all(is_block) {
                    return Err(fault("a block of `content` has no `type`"));
                }
                let mut output = Self::of(kept(content.raw(), result), BLOCKS);
                if let Some(structured) = structured {
                    output.rest_mut().structured = Some(kept(structured.raw(), result));
                }
                output
            }
            (None, Some(structured)) => Self::of(kept(structured.raw(), result), STRUCTURED),
            (None, None) => return Err(fault("it has no `content`")),
        };
        if let Some(meta) = result.member("_meta").and_then(|meta| members(meta, result)) {
            output.rest_mut().meta = Some(meta);
        }
        match result.member("isError").and_then(Node::as_bool) {
            Some(true) => Ok(output.into_error()),
            _ => Ok(output),
        }
    }
}

/// A part of the message's text, for as long as the output lives; copied if that would keep much that is not the result.
fn kept(part: &str, result: Node<'_>) -> ByteString {
    let whole = result.frame().text();
    let is_most = || whole.len() / 2 <= result.raw().len() && result.raw().len() / 8 <= part.len();
    if whole.len() <= SMALL || is_most() { whole.slice_ref(part) } else { part.into() }
}

/// The members of `meta` that are the tool's own, without braces.
fn members(meta: Node<'_>, result: Node<'_>) -> Option<ByteString> {
    let is_own = |name: &str| !name.starts_with(RESERVED) && !FLAGS.contains(&name);
    if meta.is_empty() || meta.kind() != Kind::Object {
        return None;
    }
    if meta.members().all(|(key, _)| is_own(&key.name())) {
        let inner = meta.raw().trim_start_matches('{').trim_end();
        return Some(kept(inner.strip_suffix('}').unwrap_or(inner).trim(), result));
    }
    let mut own = Vec::new();
    for (key, value) in meta.members() {
        let name = key.name();
        if !is_own(&name) {
            continue;
        }
        if !own.is_empty() {
            own.push(b',');
        }
        write::string(&mut own, &name);
        own.push(b':');
        own.extend_from_slice(value.raw().as_bytes());
    }
    // Made of text alone.
    String::from_utf8(own).ok().filter(|own| !own.is_empty()).map(Into::into)
}

#[cfg(test)]
mod tests {
    use toolpost_json::{Frame, Limits};

    use super::*;

    fn read(text: &str, version: Version) -> Result<Output, ToolError> {
        Output::from_result(Frame::from_text(text.to_owned(), &Limits::new()).expect("JSON").root(), version)
    }

    fn meta(output: &Output) -> String {
        let mut out = Vec::new();
        output.write_meta(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn what_another_server_gave_is_given_on_byte_for_byte() {
        let text = r#"{ "content" : [ {"type":"text", "text":"a\u0041", "annotations":{"priority": 1.0}} ],
            "structuredContent": {"n": 1.50}, "_meta" : { "org.example/a": [1, 2] }, "isError": false }"#;
        let output = read(text, Version::LATEST).expect("a result");
        assert_eq!(
            output.encode(),
            r#""content":[ {"type":"text", "text":"a\u0041", "annotations":{"priority": 1.0}} ],"structuredContent":{"n": 1.50}"#
        );
        assert_eq!((meta(&output).as_str(), output.is_error()), (r#""org.example/a": [1, 2]"#, false));
        assert!(read(r#"{"content":[],"isError":true}"#, Version::LATEST).expect("a result").is_error());
    }

    #[test]
    fn what_speaks_for_the_other_server_or_its_layers_is_left_out() {
        let text = r#"{"content":[],"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"x"},"b":{},"dev.toolpost/cache":"hit","c":1}}"#;
        let output = read(text, Version::LATEST).expect("a result").flagged(crate::ResultFlag::CacheHit);
        assert_eq!(meta(&output), r#""b":{},"c":1,"dev.toolpost/cache":"hit""#);
        let text = r#"{"content":[],"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"x"}}}"#;
        assert_eq!(meta(&read(text, Version::LATEST).expect("a result")), "");
    }

    #[test]
    fn null_is_structured_content_where_any_json_is() {
        let text = r#"{"content":[],"structuredContent":null}"#;
        assert_eq!(read(text, Version::LATEST).expect("a result").structured(), Some("null"));
        assert_eq!(read(text, Version::V2025_11_25).expect("a result").structured(), None);
        let alone = read(r#"{"structuredContent":{"a":1}}"#, Version::V2025_11_25).expect("a result");
        assert_eq!((alone.as_text(), alone.structured()), (Some(r#"{"a":1}"#), Some(r#"{"a":1}"#)));
    }

    #[test]
    fn what_is_no_result_is_told_as_that() {
        for (text, what) in [
            ("[]", "it is no object"),
            ("{}", "it has no `content`"),
            (r#"{"content":{}}"#, "`content` is no array"),
            (r#"{"content":[{"text":"a"}]}"#, "a block of `content` has no `type`"),
            (r#"{"content":[3]}"#, "a block of `content` has no `type`"),
        ] {
            let error = read(text, Version::LATEST).expect_err("no result");
            assert!(error.to_string().ends_with(what), "{error}");
        }
    }

    #[test]
    fn a_small_part_of_a_large_message_does_not_keep_it() {
        let padding = "x".repeat(100_000);
        let frame = Frame::from_text(format!(r#"{{"content":[],"other":"{padding}"}}"#), &Limits::new())
            .expect("JSON");
        let output = Output::from_result(frame.root(), Version::LATEST).expect("a result");
        let within = frame.text().as_bytes().as_ptr_range();
        assert!(!within.contains(&output.body.as_bytes().as_ptr()));
        let frame = Frame::from_text(
            format!(r#"{{"content":[{{"type":"text","text":"{padding}"}}]}}"#),
            &Limits::new(),
        );
        let frame = frame.expect("JSON");
        let output = Output::from_result(frame.root(), Version::LATEST).expect("a result");
        assert!(frame.text().as_bytes().as_ptr_range().contains(&output.body.as_bytes().as_ptr()));
    }
}

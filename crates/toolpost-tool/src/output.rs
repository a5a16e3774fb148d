//! What a call ends in.

mod received;

use std::fmt;
use std::sync::Arc;

use bytestring::ByteString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use toolpost_json::write;
use toolpost_protocol::Version;
use toolpost_protocol::model::ContentBlock;

use crate::ToolError;

/// The result of a call: content blocks, structured content, or both. Cheap to clone.
///
/// Whatever it holds is encoded at most once, when it is made; a cached result is spliced into any
/// number of replies as it stands.
///
/// ```
/// use toolpost_tool::Output;
///
/// let output = Output::json(&serde_json::json!({"lines": 3})).unwrap();
/// assert_eq!(output.structured(), Some(r#"{"lines":3}"#));
/// assert_eq!(
///     output.encode(),
///     r#""content":[{"type":"text","text":"{\"lines\":3}"}],"structuredContent":{"lines":3}"#,
/// );
/// ```
#[derive(Clone, PartialEq)]
pub struct Output {
    /// The text of the one block, the encoded array of blocks, or the structured content that a block of text repeats.
    body: ByteString,
    rest: Option<Arc<Rest>>,
    /// What the body is, and what is said of it. A result is moved often, and whole words are moved at once.
    flags: u64,
}

/// What few results have.
#[derive(Clone, Debug, Default, PartialEq)]
struct Rest {
    /// Structured content beside the body.
    structured: Option<ByteString>,
    /// Members of `_meta`, encoded, without braces.
    meta: Option<ByteString>,
}

/// Something a layer did to a result, shown to the client in `_meta`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ResultFlag {
    /// Came from a cache, fresh: `"dev.toolpost/cache": "hit"`.
    CacheHit,
    /// Came from a cache, expired: `"dev.toolpost/cache": "stale"`.
    CacheStale,
    /// Stands in for a result that could not be had: `"dev.toolpost/degraded": true`.
    Degraded,
    /// Is that of an earlier call under the same idempotency key: `"dev.toolpost/idempotency": "repeated"`.
    Repeated,
}

/// Bits beside those of the marks: the body is an array of blocks.
const BLOCKS: u64 = 1 << 8;
/// The body is structured content.
const STRUCTURED: u64 = 1 << 9;
/// The result [`is_typed`](Output::is_typed).
const TYPED: u64 = 1 << 10;
/// The result [`is_error`](Output::is_error).
const ERROR: u64 = 1 << 11;
/// Structured content is [wrapped](Output::wrapped) where only an object may stand.
const WRAPPED: u64 = 1 << 12;

impl Output {
    /// One block of text.
    pub fn text(text: impl Into<ByteString>) -> Self {
        Self::of(text.into(), 0)
    }

    /// Structured content, repeated as text for clients that read only that.
    ///
    /// # Errors
    ///
    /// If `value` cannot be encoded as JSON.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, ToolError> {
        Ok(Self::of(serde_json::to_string(value)?.into(), STRUCTURED))
    }

    /// Content blocks in MCP's form, such as `{"type": "image", ..}`.
    ///
    /// # Errors
    ///
    /// If `blocks` cannot be encoded as JSON, or is not a sequence.
    pub fn blocks<T: Serialize + ?Sized>(blocks: &T) -> Result<Self, ToolError> {
        let encoded = serde_json::to_string(blocks)?;
        if !encoded.starts_with('[') {
            return Err(ToolError::new("content blocks must encode as an array"));
        }
        Ok(Self::of(encoded.into(), BLOCKS))
    }

    /// Adds structured content to content made otherwise.
    ///
    /// # Errors
    ///
    /// If `value` cannot be encoded as JSON.
    pub fn with_structured<T: Serialize + ?Sized>(mut self, value: &T) -> Result<Self, ToolError> {
        let structured = serde_json::to_string(value)?.into();
        match self.has(STRUCTURED) {
            true => self.body = structured,
            false => self.rest_mut().structured = Some(structured),
        }
        self.flags &= !TYPED;
        Ok(self)
    }

    /// Adds a member to the result's `_meta`; `name` carries its owner's prefix.
    ///
    /// # Errors
    ///
    /// If `value` cannot be encoded as JSON.
    pub fn with_meta<T: Serialize + ?Sized>(mut self, name: &str, value: &T) -> Result<Self, ToolError> {
        let mut members = self.meta().map_or_else(Vec::new, |meta| meta.as_bytes().to_vec());
        if !members.is_empty() {
            members.push(b',');
        }
        write::string(&mut members, name);
        members.push(b':');
        serde_json::to_writer(&mut members, value)?;
        self.rest_mut().meta = Some(String::from_utf8(members)?.into());
        Ok(self)
    }

    /// Turns the result into one that reports a failure of the tool.
    #[must_use]
    pub fn into_error(mut self) -> Self {
        self.flags |= ERROR;
        self
    }

    /// Marks the result as touched by a layer. Allocates nothing.
    #[must_use]
    pub const fn flagged(mut self, mark: ResultFlag) -> Self {
        self.flags |= mark.bit();
        self
    }

    /// A clone with this mark; cheaper than to mark a clone, since a result is long to move.
    ///
    /// ```
    /// use toolpost_tool::{ResultFlag, Output};
    ///
    /// let output = Output::json(&[1, 2]).unwrap().with_meta("example.org/part", &3).unwrap().flagged(ResultFlag::Degraded);
    /// assert_eq!(output.clone_flagged(ResultFlag::CacheHit), output.clone().flagged(ResultFlag::CacheHit));
    /// assert_ne!(output.clone_flagged(ResultFlag::CacheHit), output);
    /// ```
    #[must_use]
    pub fn clone_flagged(&self, mark: ResultFlag) -> Self {
        Self { body: self.body.clone(), rest: self.rest.clone(), flags: self.flags | mark.bit() }
    }

    /// Whether the result carries `mark`.
    #[must_use]
    pub const fn has_flag(&self, mark: ResultFlag) -> bool {
        self.has(mark.bit())
    }

    /// The result of a tool whose output schema is not that of an object: where only an object may stand, its structured
    /// content is wrapped in one even if it happens to be one itself. Allocates nothing.
    #[must_use]
    pub const fn wrapped(mut self) -> Self {
        self.flags |= WRAPPED;
        self
    }

    /// Whether the structured content was encoded from the type that its schema came from (see [`Json`]), so that
    /// nobody needs to hold the one against the other.
    #[must_use]
    pub const fn is_typed(&self) -> bool {
        self.has(TYPED)
    }

    /// Whether the result reports a failure of the tool.
    #[must_use]
    pub const fn is_error(&self) -> bool {
        self.has(ERROR)
    }

    /// The structured content, encoded.
    #[must_use]
    pub fn structured(&self) -> Option<&str> {
        self.structured_text().map(|text| &**text)
    }

    /// The structured content, encoded, for whoever holds it on without a copy.
    #[must_use]
    pub fn structured_text(&self) -> Option<&ByteString> {
        match self.has(STRUCTURED) {
            true => Some(&self.body),
            false => self.rest.as_ref()?.structured.as_ref(),
        }
    }

    /// The text, if the content is one block of it.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        (!self.has(BLOCKS)).then_some(&*self.body)
    }

    /// Bytes held, for those who bound memory by it.
    #[must_use]
    pub fn weight(&self) -> usize {
        let rest = self.rest.as_ref().map_or(0, |rest| {
            rest.structured.as_ref().map_or(0, |s| s.len()) + rest.meta.as_ref().map_or(0, |m| m.len())
        });
        self.body.len() + rest
    }

    /// The members of the result object except `_meta`, as 2026-07-28 has them.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut out = Vec::new();
        self.write(&mut out, Version::LATEST);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Appends the members of the result object except `_meta`, without braces, as `version` has them.
    ///
    /// Before 2025-06-18 there is no structured content, and before 2026-07-28 it is an object: anything else is wrapped
    /// in one, `{"result": ..}`, as the output schema is (see
    /// [`ToolSpec::listed_output_schema`](crate::ToolSpec::listed_output_schema)). Blocks that `version` does not have
    /// are replaced by text.
    pub fn write(&self, out: &mut Vec<u8>, version: Version) {
        out.extend_from_slice(br#""content":"#);
        match self.has(BLOCKS) {
            true if version.has_resource_links() && version.has_audio() => {
                out.extend_from_slice(self.body.as_bytes());
            }
            true => write_older_blocks(out, &self.body, version),
            false => write_text_block(out, &self.body),
        }
        if let Some(structured) = self.structured().filter(|_| version.has_structured_content()) {
            out.extend_from_slice(br#","structuredContent":"#);
            match self.is_wrapped(version) {
                false => out.extend_from_slice(structured.as_bytes()),
                true => {
                    out.extend_from_slice(br#"{"result":"#);
                    out.extend_from_slice(structured.as_bytes());
                    out.push(b'}');
                }
            }
        }
        if self.is_error() {
            out.extend_from_slice(br#","isError":true"#);
        }
    }

    /// Appends the members of the result's `_meta`, without braces; says whether there were any.
    pub fn write_meta(&self, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let mut member = |text: &[u8]| {
            if out.len() != start {
                out.push(b',');
            }
            out.extend_from_slice(text);
        };
        if let Some(meta) = self.meta() {
            member(meta.as_bytes());
        }
        if self.has_flag(ResultFlag::CacheStale) {
            member(br#""dev.toolpost/cache":"stale""#);
        } else if self.has_flag(ResultFlag::CacheHit) {
            member(br#""dev.toolpost/cache":"hit""#);
        }
        if self.has_flag(ResultFlag::Degraded) {
            member(br#""dev.toolpost/degraded":true"#);
        }
        if self.has_flag(ResultFlag::Repeated) {
            member(br#""dev.toolpost/idempotency":"repeated""#);
        }
        out.len() != start
    }

    /// Whether `version` has the structured content within an object, because it is none or its tool does not promise
    /// one.
    #[must_use]
    pub fn is_wrapped(&self, version: Version) -> bool {
        !version.has_any_structured_content()
            && self.structured().is_some_and(|text| self.has(WRAPPED) || !text.starts_with('{'))
    }

    const fn of(body: ByteString, flags: u64) -> Self {
        Self { body, rest: None, flags }
    }

    const fn has(&self, flag: u64) -> bool {
        self.flags & flag != 0
    }

    fn meta(&self) -> Option<&ByteString> {
        self.rest.as_ref()?.meta.as_ref()
    }

    fn rest_mut(&mut self) -> &mut Rest {
        Arc::make_mut(self.rest.get_or_insert_default())
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut meta = Vec::new();
        self.write_meta(&mut meta);
        f.debug_struct("Output")
            .field("encoded", &self.encode())
            .field("meta", &String::from_utf8_lossy(&meta))
            // What is equal otherwise may differ in these.
            .field("flags", &format_args!("{:#b}", self.flags))
            .finish()
    }
}

impl ResultFlag {
    const fn bit(self) -> u64 {
        1 << self as u64
    }
}

/// Writes an array of blocks; those of a type that `revision` does not have yet are text.
#[cold]
fn write_older_blocks(out: &mut Vec<u8>, blocks: &str, revision: Version) {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(borrow)]
        r#type: std::borrow::Cow<'a, str>,
    }

    let instead = |block: &RawValue| {
        let known = serde_json::from_str::<Typed<'_>>(block.get()).ok()?.r#type;
        let newer = matches!(&*known, "audio" | "resource_link");
        serde_json::from_str::<ContentBlock>(newer.then_some(block.get())?).ok()?.instead(revision)
    };
    // What is no array of blocks is passed on, as it is to everyone else.
    let Ok(read) = serde_json::from_str::<Vec<&RawValue>>(blocks) else {
        return out.extend_from_slice(blocks.as_bytes());
    };
    out.push(b'[');
    for (n, block) in read.into_iter().enumerate() {
        if 0 < n {
            out.push(b',');
        }
        // Of plain types, so it encodes.
        match instead(block).and_then(|text| serde_json::to_string(&text).ok()) {
            Some(text) => out.extend_from_slice(text.as_bytes()),
            None => out.extend_from_slice(block.get().as_bytes()),
        }
    }
    out.push(b']');
}

fn write_text_block(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(br#"[{"type":"text","text":"#);
    write::string(out, text);
    out.extend_from_slice(b"}]");
}

/// A result made of a serializable value: structured content with a schema.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Json<T>(pub T);

/// What a typed tool may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tool's result",
    note = "return `Json(value)` for structured content, a `String` for text, or an `Output`"
)]
pub trait IntoOutput: Send {
    /// The JSON Schema of the structured content, if there is any.
    fn schema() -> Option<serde_json::Value>;

    /// Encodes the result.
    ///
    /// # Errors
    ///
    /// If the value cannot be encoded as JSON.
    fn into_output(self) -> Result<Output, ToolError>;
}

impl IntoOutput for Output {
    fn schema() -> Option<serde_json::Value> {
        None
    }

    fn into_output(self) -> Result<Self, ToolError> {
        Ok(self)
    }
}

impl IntoOutput for String {
    fn schema() -> Option<serde_json::Value> {
        None
    }

    fn into_output(self) -> Result<Output, ToolError> {
        Ok(Output::text(self))
    }
}

impl IntoOutput for &'static str {
    fn schema() -> Option<serde_json::Value> {
        None
    }

    fn into_output(self) -> Result<Output, ToolError> {
        Ok(Output::text(ByteString::from_static(self)))
    }
}

impl<T: Serialize + JsonSchema + Send> IntoOutput for Json<T> {
    fn schema() -> Option<serde_json::Value> {
        Some(crate::schema::of_result::<T>())
    }

    fn into_output(self) -> Result<Output, ToolError> {
        let mut output = Output::json(&self.0)?;
        output.flags |= TYPED;
        Ok(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structured_content_stands_beside_other_content_or_is_repeated_as_text() {
        let beside = Output::text("two").with_structured(&2).expect("encodes");
        assert_eq!((beside.as_text(), beside.structured()), (Some("two"), Some("2")));
        assert_eq!((beside.weight(), beside.is_typed()), (4, false));
        let again = Json(1).into_output().expect("encodes").with_structured(&3).expect("encodes");
        assert_eq!((again.as_text(), again.structured()), (Some("3"), Some("3")));
        assert_eq!((again.weight(), again.is_typed()), (1, false));
        assert_eq!(again, Output::json(&3).expect("encodes"));
        let blocks = Output::blocks(&[1]).expect("encodes").with_structured(&4).expect("encodes");
        assert_eq!((blocks.as_text(), blocks.structured()), (None, Some("4")));
        assert_eq!(blocks.encode(), r#""content":[1],"structuredContent":4"#);
    }

    #[test]
    fn what_is_no_object_is_wrapped_where_only_an_object_may_stand() {
        let written = |output: &Output, version| {
            let mut out = Vec::new();
            output.write(&mut out, version);
            let text = String::from_utf8(out).expect("UTF-8");
            text.split_once(r#""structuredContent":"#).map(|(_, content)| content.to_owned())
        };
        let (list, object) =
            (Output::json(&[1]).expect("encodes"), Output::json(&Form1 { a: 1 }).expect("encodes"));
        for (output, any, objects) in [
            (list.clone(), "[1]", r#"{"result":[1]}"#),
            (list.wrapped(), "[1]", r#"{"result":[1]}"#),
            (object.clone(), r#"{"a":1}"#, r#"{"a":1}"#),
            (object.wrapped(), r#"{"a":1}"#, r#"{"result":{"a":1}}"#),
        ] {
            assert_eq!(written(&output, Version::V2026_07_28).as_deref(), Some(any));
            assert_eq!(written(&output, Version::V2025_06_18).as_deref(), Some(objects));
            assert_eq!(written(&output, Version::V2025_03_26), None);
        }
    }

    #[derive(Serialize)]
    struct Form1 {
        a: u32,
    }

    #[test]
    fn what_a_clone_is_given_is_not_the_others() {
        let one = Output::text("a").with_meta("x", &1).expect("encodes");
        let other = one.clone().with_meta("y", &2).expect("encodes").with_structured(&3).expect("encodes");
        let meta = |output: &Output| {
            let mut out = Vec::new();
            output.write_meta(&mut out);
            String::from_utf8(out).expect("UTF-8")
        };
        assert_eq!((meta(&one), one.structured()), (r#""x":1"#.to_owned(), None));
        assert_eq!((meta(&other), other.structured()), (r#""x":1,"y":2"#.to_owned(), Some("3")));
        assert_ne!(one, other);
        assert_ne!(one, one.clone().into_error());
    }
}

//! What a step comes to, on its way to other steps.

use std::fmt;
use std::sync::OnceLock;

use bytestring::ByteString;
use toolpost_json::{Frame, Limits, Node, write};
use toolpost_tool::{Output, ResultFlag};

/// Holds what a step of a plan came to: JSON as bytes, indexed when somebody looks into it.
pub struct PlanValue {
    text: ByteString,
    frame: OnceLock<Option<Frame>>,
    cached: bool,
}

impl PlanValue {
    /// A value of text that is JSON.
    pub(crate) const fn of(text: ByteString) -> Self {
        Self { text, frame: OnceLock::new(), cached: false }
    }

    /// A value that was indexed already.
    pub(crate) fn of_frame(frame: Frame) -> Self {
        Self { text: frame.text().clone(), frame: OnceLock::from(Some(frame)), cached: false }
    }

    /// The output of a step whose tool answered this: its structured content; of a result without, its text as a string;
    /// of one with other content, the array of its blocks.
    pub(crate) fn of_output(output: &Output) -> Self {
        let text = match (output.structured_text(), output.as_text()) {
            (Some(text), _) => text.clone(),
            (None, Some(text)) => {
                let mut out = Vec::new();
                write::string(&mut out, text);
                String::from_utf8(out).unwrap_or_default().into()
            }
            (None, None) => blocks(output),
        };
        let cached = output.has_flag(ResultFlag::CacheHit) || output.has_flag(ResultFlag::CacheStale);
        Self { cached, ..Self::of(text) }
    }

    /// The value, encoded.
    #[must_use]
    pub const fn text(&self) -> &ByteString {
        &self.text
    }

    /// The value, to be looked at in place; none if the text is not JSON, or is more than 4 MiB of it.
    #[must_use]
    pub fn node(&self) -> Option<Node<'_>> {
        let read = || Frame::from_text(self.text.clone(), &Limits::new()).ok();
        self.frame.get_or_init(read).as_ref().map(Frame::root)
    }

    /// Whether the tool's answer came from a cache.
    #[must_use]
    pub const fn is_cached(&self) -> bool {
        self.cached
    }

    /// Appends what a journal keeps of it.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.cached));
        out.extend_from_slice(self.text.as_bytes());
    }

    /// Reads it back.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&cached, text) = bytes.split_first()?;
        let text = ByteString::from(std::str::from_utf8(text).ok()?);
        (cached < 2).then(|| Self { cached: cached == 1, ..Self::of(text) })
    }
}

impl fmt::Debug for PlanValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlanValue").field("bytes", &self.text.len()).field("cached", &self.cached).finish()
    }
}

#[cold]
fn blocks(output: &Output) -> ByteString {
    let members = format!("{{{}}}", output.encode());
    let frame = Frame::from_text(members, &Limits::new()).ok();
    let content = frame.as_ref().and_then(|frame| frame.root().member("content"));
    content.map_or_else(|| ByteString::from_static("[]"), |content| content.raw().into())
}

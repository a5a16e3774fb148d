//! The `_meta` of a request, read in one pass.

use std::borrow::Cow;
use std::time::Duration;

use bytestring::ByteString;
use toolpost_json::{Frame, Kind, Node, NodeId};

use crate::meta;

/// Finds the members of a request's `_meta` that MCP and toolpost give a meaning, in one pass and without a copy.
///
/// It holds their places in the frame, so that it can be kept beside the frame; each question takes the frame that the
/// request came in. A member that is not of its type counts as absent, except where the answer says otherwise.
///
/// ```
/// use toolpost_json::{Frame, Limits};
/// use toolpost_protocol::{Message, MetaIndex};
///
/// let text = r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"progressToken":7}}}"#;
/// let frame = Frame::from_text(text, &Limits::new())?;
/// let meta = MetaIndex::read(frame.root().member("params"));
/// assert_eq!(meta.progress_token(&frame).map(|token| token.raw()), Some("7"));
/// assert!(meta.version_name(&frame).is_none(), "so it belongs to a session");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct MetaIndex {
    node: Option<NodeId>,
    version: Option<NodeId>,
    capabilities: Option<NodeId>,
    log_level: Option<NodeId>,
    progress_token: Option<NodeId>,
    parent: Option<NodeId>,
    state: Option<NodeId>,
    baggage: Option<NodeId>,
    priority: Option<NodeId>,
    deadline_ms: Option<NodeId>,
}

impl MetaIndex {
    /// No request may ask for a deadline later than this.
    pub const LONGEST_DEADLINE: Duration = Duration::from_secs(600);

    /// Reads the `_meta` of a request's params.
    #[must_use]
    pub fn read(params: Option<Node<'_>>) -> Self {
        let mut found = Self::default();
        let node = params.and_then(|params| params.member("_meta"));
        let Some(node) = node.filter(|node| !node.is_null()) else { return found };
        found.node = Some(node.id());
        for (key, value) in node.members() {
            let slot = match &*key.name() {
                meta::PROTOCOL_VERSION => &mut found.version,
                meta::CLIENT_CAPABILITIES => &mut found.capabilities,
                meta::LOG_LEVEL => &mut found.log_level,
                meta::PROGRESS_TOKEN => &mut found.progress_token,
                meta::TRACEPARENT => &mut found.parent,
                meta::TRACESTATE => &mut found.state,
                meta::BAGGAGE => &mut found.baggage,
                meta::PRIORITY => &mut found.priority,
                meta::DEADLINE_MS => &mut found.deadline_ms,
                _ => continue,
            };
            *slot = Some(value.id());
        }
        found
    }

    /// Where the `_meta` is.
    #[must_use]
    pub const fn node(&self) -> Option<NodeId> {
        self.node
    }

    /// Whether the request says which revision it follows, well or badly: then it is of the modern era.
    #[must_use]
    pub const fn has_version(&self) -> bool {
        self.version.is_some()
    }

    /// The name of the revision that the request follows.
    #[must_use]
    #[inline]
    pub fn version_name<'a>(&self, frame: &'a Frame) -> Option<Cow<'a, str>> {
        frame.node(self.version?).as_str()
    }

    /// What the client offers: a `ClientCapabilities` object.
    #[must_use]
    #[inline]
    pub fn client_capabilities<'a>(&self, frame: &'a Frame) -> Option<Node<'a>> {
        Some(frame.node(self.capabilities?)).filter(|node| node.kind() == Kind::Object)
    }

    /// Whether the request may want log messages: it names a level.
    #[must_use]
    pub const fn has_log_level(&self) -> bool {
        self.log_level.is_some()
    }

    /// The level from which on the client wants log messages of the request; of any type, for one that is no level is
    /// an error.
    #[must_use]
    #[inline]
    pub fn log_level<'a>(&self, frame: &'a Frame) -> Option<Node<'a>> {
        Some(frame.node(self.log_level?)).filter(|node| !node.is_null())
    }

    /// Whether the request may want to hear of its progress: it names a token.
    #[must_use]
    pub const fn has_progress_token(&self) -> bool {
        self.progress_token.is_some()
    }

    /// What progress notifications of the request refer to: a string or a number.
    #[must_use]
    #[inline]
    pub fn progress_token<'a>(&self, frame: &'a Frame) -> Option<Node<'a>> {
        let node = frame.node(self.progress_token?);
        matches!(node.kind(), Kind::String | Kind::Number).then_some(node)
    }

    /// The W3C trace context's parent.
    #[must_use]
    #[inline]
    pub fn traceparent(&self, frame: &Frame) -> Option<ByteString> {
        frame.node(self.parent?).to_byte_string()
    }

    /// The W3C trace context's state.
    #[must_use]
    #[inline]
    pub fn tracestate(&self, frame: &Frame) -> Option<ByteString> {
        frame.node(self.state?).to_byte_string()
    }

    /// The W3C baggage.
    #[must_use]
    #[inline]
    pub fn baggage(&self, frame: &Frame) -> Option<ByteString> {
        frame.node(self.baggage?).to_byte_string()
    }

    /// The name of the priority that is asked for.
    #[must_use]
    #[inline]
    pub fn priority<'a>(&self, frame: &'a Frame) -> Option<Cow<'a, str>> {
        frame.node(self.priority?).as_str()
    }

    /// After how long the result is of no more use: at most [`LONGEST_DEADLINE`](Self::LONGEST_DEADLINE).
    #[must_use]
    #[inline]
    pub fn deadline(&self, frame: &Frame) -> Option<Duration> {
        let millis = frame.node(self.deadline_ms?).as_number()?.as_u64()?;
        Some(Duration::from_millis(millis).min(Self::LONGEST_DEADLINE))
    }
}

//! The `_meta` of a request, read in one pass.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use bytestring::ByteString;
use toolpost_json::{Frame, Kind, Node, NodeId};
use toolpost_protocol::{Id, meta};
use toolpost_tool::{LogLevel, Priority, TraceContext};

use crate::clock;

/// A client may ask for no more time than this.
const LONGEST_DEADLINE: Duration = Duration::from_secs(600);

/// Where the members of a request's `_meta` are that this server reads.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meta {
    pub(crate) node: Option<NodeId>,
    pub(crate) version: Option<NodeId>,
    pub(crate) capabilities: Option<NodeId>,
    pub(crate) log_level: Option<NodeId>,
    pub(crate) progress_token: Option<NodeId>,
    parent: Option<NodeId>,
    state: Option<NodeId>,
    baggage: Option<NodeId>,
    priority: Option<NodeId>,
    deadline_ms: Option<NodeId>,
}

impl Meta {
    /// Reads the `_meta` of `params`.
    pub(crate) fn read(params: Option<Node<'_>>) -> Self {
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
                "dev.toolpost/priority" => &mut found.priority,
                "dev.toolpost/deadlineMs" => &mut found.deadline_ms,
                _ => continue,
            };
            *slot = Some(value.id());
        }
        found
    }

    pub(crate) fn trace(&self, frame: &Frame) -> TraceContext {
        let mut trace = TraceContext::default();
        trace.parent = self.parent.and_then(|at| text(frame, at));
        trace.state = self.state.and_then(|at| text(frame, at));
        trace.baggage = self.baggage.and_then(|at| text(frame, at));
        trace
    }

    /// The priority asked for; the runtime's own is nobody's to ask for.
    pub(crate) fn priority(&self, frame: &Frame) -> Priority {
        let asked = self.priority.and_then(|at| Priority::parse(&frame.node(at).as_str()?));
        asked.unwrap_or_default().min(Priority::Urgent)
    }

    /// When the result is of no more use.
    pub(crate) fn deadline(&self, frame: &Frame) -> Option<Instant> {
        let millis = frame.node(self.deadline_ms?).as_number()?.as_u64()?;
        Some(clock::now() + Duration::from_millis(millis).min(LONGEST_DEADLINE))
    }

    /// The log level asked for: `Err` if it is none.
    pub(crate) fn log_level(&self, frame: &Frame) -> Result<Option<LogLevel>, ()> {
        let Some(at) = self.log_level.filter(|at| !frame.node(*at).is_null()) else { return Ok(None) };
        let level = frame.node(at).as_str().and_then(|name| LogLevel::parse(&name));
        level.map(Some).ok_or(())
    }

    /// The progress token as JSON text, if it is a string or a number: `Err` if it is longer than an id may be.
    pub(crate) fn progress_token(&self, frame: &Frame) -> Result<Option<ByteString>, ()> {
        let Some(at) = self.progress_token else { return Ok(None) };
        let node = frame.node(at);
        match node.kind() {
            Kind::String | Kind::Number if Id::MAX_LEN < node.raw().len() => Err(()),
            Kind::String | Kind::Number => Ok(Some(frame.text().slice_ref(node.raw()))),
            _ => Ok(None),
        }
    }
}

/// The string at `at`; a slice of the frame unless it has escapes.
pub(crate) fn text(frame: &Frame, at: NodeId) -> Option<ByteString> {
    Some(match frame.node(at).as_str()? {
        Cow::Borrowed(text) => frame.text().slice_ref(text),
        Cow::Owned(text) => text.into(),
    })
}

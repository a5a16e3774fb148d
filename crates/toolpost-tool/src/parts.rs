//! What a call is made of.

use std::any::Any;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Instant;

use bytestring::ByteString;
use serde::Serialize;
use toolpost_json::{Frame, Kind, Node, NodeId};
use toolpost_protocol::Id;

use crate::caller::Caller;
use crate::{InputCapabilities, Principal, Priority, Sink, ToolError, TraceContext};

/// Everything a [`Call`](crate::Call) is made of, for whoever makes one from a received request.
///
/// What most calls have is a field. What few have is set by a method, and takes an allocation then.
///
/// ```
/// use toolpost_json::{Frame, Limits};
/// use toolpost_tool::{Call, CallParts, Principal};
///
/// let frame = Frame::parse(r#"{"name":"turn","arguments":{"rpm":900}}"#.into(), &Limits::new()).unwrap();
/// let mut parts = CallParts::default();
/// parts.tool = "turn".into();
/// parts.arguments = frame.root().member("arguments").map(|node| node.id());
/// parts.frame = Some(frame);
/// parts.principal = Principal::new("ada");
/// parts.set_extension(Some(std::sync::Arc::new(7_u8) as _));
///
/// let call = Call::from_parts(parts);
/// assert_eq!(call.arguments().raw(), r#"{"rpm":900}"#);
/// assert_eq!(call.extension::<u8>(), Some(&7));
/// ```
#[derive(Default)]
#[non_exhaustive]
// In the order of a call's own, so that both are copied in whole words: see there.
#[repr(C)]
pub struct CallParts {
    /// The received message; `None` if the call came in none and has no arguments.
    pub frame: Option<Frame>,
    /// The tool's name, as the caller gave it.
    pub tool: ByteString,
    /// The id of the request.
    pub request_id: Option<Id>,
    /// Who the call is made for.
    pub principal: Principal,
    pub(crate) rare: Option<Box<Rare>>,
    /// When its result is of no more use.
    pub deadline: Option<Instant>,
    /// When it arrived.
    pub arrived: Option<Instant>,
    /// Where the arguments are in it; `None` if the caller sent none.
    pub arguments: Option<NodeId>,
    /// Where the `_meta` of the request is in it.
    pub meta: Option<NodeId>,
    /// What its client can be asked for.
    pub client: InputCapabilities,
    /// How urgent it is.
    pub priority: Priority,
}

/// What few calls have, so that the others neither carry it about nor look whether there is something to drop.
#[derive(Clone, Default)]
pub(crate) struct Rare {
    pub(crate) trace: TraceContext,
    pub(crate) answers: Option<Arc<Frame>>,
    pub(crate) state: Option<ByteString>,
    pub(crate) sink: Option<Arc<dyn Sink>>,
    pub(crate) extension: Option<Arc<dyn Any + Send + Sync>>,
    pub(crate) caller: Option<Arc<Caller>>,
    /// Where a caller without a name comes from; see `CallParts::set_origin`.
    pub(crate) origin: Option<NonZeroU64>,
}

impl Rare {
    /// What a call that this one makes has of it.
    pub(crate) fn for_child(&self) -> Self {
        Self {
            trace: self.trace.clone(),
            extension: self.extension.clone(),
            caller: self.caller.clone(),
            origin: self.origin,
            ..Self::default()
        }
    }
}

impl CallParts {
    /// The arguments, to be looked at in place; an empty object if there are none.
    #[must_use]
    pub fn arguments(&self) -> Node<'_> {
        arguments(self.frame.as_ref(), self.arguments)
    }

    /// These parts with other arguments, in a frame of their own.
    ///
    /// # Errors
    ///
    /// If `arguments` does not encode as a JSON object within the default limits.
    pub fn with_arguments<T: Serialize + ?Sized>(mut self, arguments: &T) -> Result<Self, ToolError> {
        let frame = Frame::from_serialize(arguments)?;
        if frame.root().kind() != Kind::Object {
            return Err(ToolError::invalid_arguments("arguments must be a JSON object"));
        }
        self.arguments = Some(NodeId::ROOT);
        self.meta = None;
        self.frame = Some(frame);
        Ok(self)
    }

    /// Sets the trace context.
    pub fn set_trace(&mut self, trace: TraceContext) {
        if let Some(rare) = self.rare_for(!trace.is_none()) {
            rare.trace = trace;
        }
    }

    /// Sets where the answers to earlier questions are: an object by key.
    pub fn set_answers(&mut self, answers: Option<Arc<Frame>>) {
        if let Some(rare) = self.rare_for(answers.is_some()) {
            rare.answers = answers;
        }
    }

    /// Sets the state handed back with the answers, encoded.
    pub fn set_state(&mut self, state: Option<ByteString>) {
        if let Some(rare) = self.rare_for(state.is_some()) {
            rare.state = state;
        }
    }

    /// Sets where progress and log lines go; `None` if the client wants neither.
    pub fn set_sink(&mut self, sink: Option<Arc<dyn Sink>>) {
        if let Some(rare) = self.rare_for(sink.is_some()) {
            rare.sink = sink;
        }
    }

    /// Sets what tells a caller that nobody identified from others, such as a number for its address.
    ///
    /// Seats are shared by it where there is no principal. It proves nothing, and nothing may be kept or
    /// allowed by it.
    pub fn set_origin(&mut self, origin: Option<NonZeroU64>) {
        if let Some(rare) = self.rare_for(origin.is_some()) {
            rare.origin = origin;
        }
    }

    /// What tells a caller that nobody identified from others; see [`set_origin`](Self::set_origin).
    #[must_use]
    #[inline]
    pub fn origin(&self) -> Option<NonZeroU64> {
        self.rare.as_deref()?.origin
    }

    /// Sets what a foreign transport hands to tools that know it; see [`Call::extension`](crate::Call::extension).
    pub fn set_extension(&mut self, extension: Option<Arc<dyn Any + Send + Sync>>) {
        if let Some(rare) = self.rare_for(extension.is_some()) {
            rare.extension = extension;
        }
    }

    /// Where a rare part is to be set; `None` if there is nothing to set and nothing to overwrite.
    #[inline]
    fn rare_for(&mut self, needed: bool) -> Option<&mut Rare> {
        match needed {
            true => Some(self.rare.get_or_insert_default()),
            false => self.rare.as_deref_mut(),
        }
    }
}

impl fmt::Debug for CallParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallParts").field("tool", &self.tool).finish_non_exhaustive()
    }
}

/// The node at `at` of `frame`; an empty object if there is none.
pub(crate) fn arguments(frame: Option<&Frame>, at: Option<NodeId>) -> Node<'_> {
    match (frame, at) {
        (Some(frame), Some(at)) => frame.node(at),
        _ => Frame::empty().root(),
    }
}

//! W3C trace context, as it travels in `_meta`.

use bytestring::ByteString;
use toolpost_json::Frame;
use toolpost_protocol::MetaIndex;

/// The W3C trace context of a call, verbatim.
///
/// Source: [W3C Trace Context](https://www.w3.org/TR/trace-context/) and
/// [Baggage](https://www.w3.org/TR/baggage/); MCP carries the three values unprefixed in `_meta`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct TraceContext {
    /// `traceparent`: version, trace id, parent id and flags.
    pub parent: Option<ByteString>,
    /// `tracestate`: vendor state.
    pub state: Option<ByteString>,
    /// `baggage`: key-value pairs.
    pub baggage: Option<ByteString>,
}

impl TraceContext {
    pub(crate) const fn none() -> Self {
        Self { parent: None, state: None, baggage: None }
    }

    pub(crate) const fn is_none(&self) -> bool {
        self.parent.is_none() && self.state.is_none() && self.baggage.is_none()
    }

    /// What the `_meta` of the request in `frame` says.
    #[must_use]
    #[inline]
    pub fn read(meta: &MetaIndex, frame: &Frame) -> Self {
        Self { parent: meta.traceparent(frame), state: meta.tracestate(frame), baggage: meta.baggage(frame) }
    }

    /// The trace id (32 lower-case hex digits), if `traceparent` has the standard form.
    #[must_use]
    pub fn trace_id(&self) -> Option<&str> {
        let mut fields = self.parent.as_deref()?.split('-');
        let (_version, id) = (fields.next()?, fields.next()?);
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (id.len() == 32 && id.bytes().all(hex)).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_id_wants_the_standard_form() {
        let at = |parent: &str| TraceContext { parent: Some(parent.into()), ..Default::default() };
        let id = "0af7651916cd43dd8448eb211c80319c";
        assert_eq!(at(&format!("00-{id}-00f067aa0ba902b7-01")).trace_id(), Some(id));
        assert_eq!(at("00-short-00f067aa0ba902b7-01").trace_id(), None);
        assert_eq!(at("").trace_id(), None);
    }
}

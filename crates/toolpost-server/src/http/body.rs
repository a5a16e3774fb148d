//! What an answer's body is made of.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::events::EventStream;

/// The body of an answer: whole, or a stream of events.
///
/// Dropping a stream cancels the call that feeds it.
#[derive(Debug)]
pub struct Body(Kind);

#[derive(Debug)]
enum Kind {
    /// What is left to send, in its order; nothing follows an empty piece.
    Whole([Bytes; 2]),
    Events(Box<EventStream>),
}

impl Body {
    pub(crate) const fn empty() -> Self {
        Self(Kind::Whole([Bytes::new(), Bytes::new()]))
    }

    /// Some bytes, at least one, and those that follow them.
    pub(crate) fn whole(bytes: Vec<u8>, rest: Bytes) -> Self {
        Self(Kind::Whole([bytes.into(), rest]))
    }

    pub(crate) fn events(stream: EventStream) -> Self {
        Self(Kind::Events(Box::new(stream)))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.0 {
            Kind::Whole(pieces) => {
                let next = std::mem::take(&mut pieces[0]);
                pieces.swap(0, 1);
                Poll::Ready((!next.is_empty()).then(|| Ok(Frame::data(next))))
            }
            Kind::Events(stream) => {
                stream.poll_next(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole([next, ..]) => next.is_empty(),
            Kind::Events(stream) => stream.is_ended(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(pieces) => SizeHint::with_exact(pieces.iter().map(|piece| piece.len() as u64).sum()),
            Kind::Events(_) => SizeHint::new(),
        }
    }
}

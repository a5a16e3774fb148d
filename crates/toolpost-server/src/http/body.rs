//! What an answer's body is made of.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::connection_state::{HeldBytes, OpenRequest};
use super::events::EventStream;
use super::streams::Progress;

/// The body of an HTTP answer: one JSON message, or a stream of server-sent events.
///
/// Dropping a stream cancels the call that feeds it.
#[derive(Debug)]
pub struct Body {
    kind: Kind,
    metered: Option<Box<Metered>>,
    /// The request that is answered with this.
    open: Option<OpenRequest>,
}

#[derive(Debug)]
enum Kind {
    /// What is left to send, in its order; nothing follows an empty piece.
    Whole([Bytes; 2]),
    Events(Box<EventStream>),
}

/// A body whose bytes are counted, because they are many or go out as the client lets them.
#[derive(Debug)]
pub(crate) struct Metered {
    pub(crate) held: HeldBytes,
    /// Of an HTTP/2 stream.
    pub(crate) progress: Option<Arc<Progress>>,
    /// What is left of the last event.
    pub(crate) rest: Bytes,
}

/// The most bytes that an HTTP/2 stream takes at once: so much can be buried in one that the client's
/// window stops.
const PIECE: usize = 16 << 10;

impl Body {
    pub(crate) const fn empty() -> Self {
        Self::of(Kind::Whole([Bytes::new(), Bytes::new()]))
    }

    /// Some bytes, at least one, and those that follow them.
    pub(crate) fn whole(bytes: Vec<u8>, rest: Bytes) -> Self {
        Self::of(Kind::Whole([bytes.into(), rest]))
    }

    pub(crate) fn events(stream: EventStream) -> Self {
        Self::of(Kind::Events(Box::new(stream)))
    }

    const fn of(kind: Kind) -> Self {
        Self { kind, metered: None, open: None }
    }

    /// How many bytes are known to be sent.
    pub(crate) fn known(&self) -> usize {
        match &self.kind {
            Kind::Whole(pieces) => pieces.iter().map(Bytes::len).sum(),
            Kind::Events(_) => 0,
        }
    }

    pub(crate) const fn is_stream(&self) -> bool {
        matches!(self.kind, Kind::Events(_))
    }

    /// Takes the bytes of a whole body, up to the piece that many answers share.
    pub(crate) fn take_whole(&mut self) -> Bytes {
        match &mut self.kind {
            Kind::Whole(pieces) => std::mem::take(&mut pieces[0]),
            Kind::Events(_) => Bytes::new(),
        }
    }

    pub(crate) fn meter(&mut self, metered: Metered) {
        self.metered = Some(Box::new(metered));
    }

    /// The request goes on until this is dropped.
    pub(crate) fn finish(&mut self, open: OpenRequest) {
        self.open = Some(open);
    }

    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match &mut self.kind {
            Kind::Whole(pieces) => {
                let next = std::mem::take(&mut pieces[0]);
                pieces.swap(0, 1);
                Poll::Ready((!next.is_empty()).then_some(next))
            }
            Kind::Events(stream) => stream.poll_next(cx),
        }
    }

    /// The next piece of a body that is counted.
    #[cold]
    fn next_metered(&mut self, mut metered: Box<Metered>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut next = std::mem::take(&mut metered.rest);
        let mut polled = Poll::Ready(None);
        if next.is_empty() {
            polled = self.next(cx);
            next = match &mut polled {
                Poll::Ready(Some(bytes)) => std::mem::take(bytes),
                _ => Bytes::new(),
            };
            if let Kind::Events(stream) = &mut self.kind
                && !metered.held.keep(next.len())
            {
                next = stream.give_up(&next);
                let _small = metered.held.keep(next.len());
            }
        }
        if let Some(progress) = &metered.progress {
            if PIECE < next.len() {
                metered.rest = next.split_off(PIECE);
            }
            progress.step(!next.is_empty());
        }
        self.metered = Some(metered);
        if next.is_empty() { polled } else { Poll::Ready(Some(next)) }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match self.metered.take() {
            None => self.next(cx),
            Some(metered) => self.next_metered(metered, cx),
        };
        next.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        if self.metered.as_ref().is_some_and(|metered| !metered.rest.is_empty()) {
            return false;
        }
        match &self.kind {
            Kind::Whole([next, ..]) => next.is_empty(),
            Kind::Events(stream) => stream.is_ended(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.metered.as_ref().map_or(0, |metered| metered.rest.len());
        match &self.kind {
            Kind::Whole(_) => SizeHint::with_exact((self.known() + rest) as u64),
            Kind::Events(_) => SizeHint::new(),
        }
    }
}

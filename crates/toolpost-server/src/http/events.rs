//! An answer as a stream of server-sent events: notifications, then the reply, then the end.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::time::Sleep;
use toolpost_json::{Frame, Limits};
use toolpost_protocol::{Code, Error, Id};

use super::pooled::PooledCall;
use super::relay::Relay;
use super::stream_writer::Running;
use crate::clock;
use crate::service::Outbox;
use crate::{Disposition, Reply};

/// A call that is answered by a stream: whoever reads it polls the call.
pub(crate) struct EventStream {
    outbox: Arc<Outbox>,
    state: State,
    keep_alive: Duration,
    silence: Pin<Box<Sleep>>,
}

enum State {
    Running(PooledCall),
    Answered(Reply),
    /// Something else runs the call, and passes on what it says.
    Relayed(Relay),
    Ended,
}

/// What a call has come to when it first has something to say.
pub(crate) enum First {
    /// It is answered, and had nothing to say before.
    Reply(Reply),
    /// It said something first.
    Events(EventStream),
}

/// Runs `call` until it is answered, or says something, or has been silent for `keep_alive`.
///
/// # Cancel safety
///
/// Dropping the future drops the call.
pub(crate) async fn first(mut call: PooledCall, outbox: Arc<Outbox>, keep_alive: Duration) -> First {
    let mut silence = Box::pin(clock::sleep(keep_alive));
    let state = std::future::poll_fn(|cx| {
        if let Poll::Ready(reply) = Pin::new(&mut call).poll(cx) {
            return Poll::Ready(Some(reply));
        }
        if outbox.poll_empty(cx.waker()) && silence.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(None)
    });
    let state = match state.await {
        Some(reply) if outbox.is_empty() => return First::Reply(reply),
        Some(reply) => State::Answered(reply),
        None => State::Running(call),
    };
    First::Events(EventStream { outbox, state, keep_alive, silence })
}

/// A call that has nothing to say before it is answered: it comes to one object, unless it is silent for too
/// long. The timer is made when the call waits, which most do not.
pub(crate) struct Silent<C> {
    call: Option<C>,
    /// For how long it may be silent, if it may become a stream.
    allowed: Option<Duration>,
    silence: Option<Pin<Box<Sleep>>>,
}

impl<C> Silent<C> {
    pub(crate) const fn new(call: C, allowed: Option<Duration>) -> Self {
        Self { call: Some(call), allowed, silence: None }
    }
}

impl<C: Future<Output = Reply> + Send + Unpin + 'static> Future for Silent<C> {
    type Output = First;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<First> {
        let Some(call) = &mut self.call else { return Poll::Ready(First::Reply(Reply::accepted())) };
        if let Poll::Ready(reply) = Pin::new(call).poll(cx) {
            self.call = None;
            return Poll::Ready(First::Reply(reply));
        }
        let Some(allowed) = self.allowed else { return Poll::Pending };
        let silence = self.silence.get_or_insert_with(|| Box::pin(clock::sleep(allowed)));
        ready!(silence.as_mut().poll(cx));
        let Some(call) = self.call.take() else { return Poll::Pending };
        Poll::Ready(First::Events(
            EventStream::new(PooledCall::alone(call), Arc::default(), allowed).at_once(),
        ))
    }
}

impl EventStream {
    /// A stream of what `call` says, from its start on.
    pub(crate) fn new(call: PooledCall, outbox: Arc<Outbox>, keep_alive: Duration) -> Self {
        let silence = Box::pin(clock::sleep(keep_alive));
        Self { outbox, state: State::Running(call), keep_alive, silence }
    }

    /// A stream of what `relay` passes on.
    pub(super) fn relayed(relay: Relay, keep_alive: Duration) -> Self {
        let silence = Box::pin(clock::sleep(keep_alive));
        Self { outbox: Arc::default(), state: State::Relayed(relay), keep_alive, silence }
    }

    /// A stream in which nothing is.
    pub(crate) fn ended() -> Self {
        let silence = Box::pin(clock::sleep(Duration::ZERO));
        Self { outbox: Arc::default(), state: State::Ended, keep_alive: Duration::ZERO, silence }
    }

    /// Takes the stream apart, for something else to run: the call, and where it speaks.
    pub(super) fn into_running(self) -> Option<(Running, Arc<Outbox>)> {
        let running = match self.state {
            State::Running(call) => Running::call(call),
            State::Answered(reply) => Running::answered(reply),
            State::Relayed(_) | State::Ended => return None,
        };
        Some((running, self.outbox))
    }

    /// Says that it is alive as soon as it is read.
    fn at_once(mut self) -> Self {
        self.silence.as_mut().reset(clock::now().into());
        self
    }

    /// Ends the stream in place of sending `bytes`, for which there is no room; what is to be sent instead.
    #[cold]
    pub(crate) fn give_up(&mut self, bytes: &[u8]) -> Bytes {
        self.state = State::Ended;
        if bytes.starts_with(b"id: ") {
            return Bytes::from_static(b": too many bytes wait for clients; come back for the rest\n\n");
        }
        let last = memchr::memmem::rfind(bytes, DATA).map_or(0, |at| at + DATA.len());
        let mut out = Vec::new();
        if let Some(reply) = too_much(&bytes[last..]).bytes {
            event(&mut out, None, &reply);
        }
        out.into()
    }

    pub(crate) const fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let State::Relayed(relay) = &mut self.state {
            let Poll::Ready(next) = relay.poll_next(cx) else { return self.poll_silence(cx) };
            match next {
                Some(_) => self.silence.as_mut().reset((clock::now() + self.keep_alive).into()),
                None => self.state = State::Ended,
            }
            return Poll::Ready(next);
        }
        if let State::Running(call) = &mut self.state
            && let Poll::Ready(reply) = Pin::new(call).poll(cx)
        {
            self.state = State::Answered(reply);
        }
        let mut out = Vec::new();
        let mut lines = Vec::new();
        // Looked at after the call was polled, and before its reply: what it said comes first.
        if !self.outbox.poll_empty(cx.waker()) {
            self.outbox.take(&mut lines);
            for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                event(&mut out, None, line);
            }
        }
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Answered(reply) => {
                if let Some(bytes) = reply.joined().bytes {
                    event(&mut out, None, &bytes);
                }
            }
            state => self.state = state,
        }
        if !out.is_empty() {
            self.silence.as_mut().reset((clock::now() + self.keep_alive).into());
            return Poll::Ready(Some(out.into()));
        }
        if self.is_ended() {
            return Poll::Ready(None);
        }
        self.poll_silence(cx)
    }

    /// A sign of life once there was none for too long.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        ready!(self.silence.as_mut().poll(cx));
        self.silence.as_mut().reset((clock::now() + self.keep_alive).into());
        Poll::Ready(Some(Bytes::from_static(WORKING)))
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("ended", &self.is_ended()).finish_non_exhaustive()
    }
}

/// The answer in place of one that begins with `head`, and for which there is no room.
#[cold]
pub(crate) fn too_much(head: &[u8]) -> Reply {
    let id = head.strip_prefix(br#"{"jsonrpc":"2.0","id":"#).and_then(|rest| {
        serde_json::Deserializer::from_slice(rest).into_iter::<Box<RawValue>>().next()?.ok()
    });
    let id = id.and_then(|id| Frame::parse(id.get().to_owned().into(), &Limits::new()).ok());
    let id = id.and_then(|id| Id::read(id.root()));
    let why = "it was done, and its answer cannot be kept: too many answers wait for clients that do not read \
               them; ask again later if it does no harm to do it twice";
    let data = serde_json::json!({ "reason": "too_many_unread_answers" });
    let error = Error::new(Code::INTERNAL_ERROR, why).with_data(&data);
    match id {
        Some(id) => Reply::error(Disposition::Busy, &id, &error),
        None => Reply::nameless(Disposition::Busy, &error),
    }
}

/// A comment: the stream is alive.
pub(crate) const WORKING: &[u8] = b": still working\n\n";

const DATA: &[u8] = b"event: message\ndata: ";

/// Appends an event, under the id by which the stream can be resumed after it.
pub(crate) fn event(out: &mut Vec<u8>, id: Option<&str>, message: &[u8]) {
    out.reserve(message.len() + id.map_or(0, |id| id.len() + 5) + 24);
    if let Some(id) = id {
        out.extend_from_slice(b"id: ");
        out.extend_from_slice(id.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(DATA);
    out.extend_from_slice(message);
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stream_that_is_given_up_ends_with_an_error_of_its_request() {
        let mut stream = EventStream::new(
            PooledCall::alone(std::future::pending()),
            Arc::default(),
            Duration::from_secs(1),
        );
        let mut sent = Vec::new();
        event(&mut sent, None, br#"{"jsonrpc":"2.0","method":"notifications/progress"}"#);
        event(&mut sent, None, br#"{"jsonrpc":"2.0","id":"a \" b","result":{"content":[]}}"#);
        let instead = stream.give_up(&sent);
        let text = String::from_utf8_lossy(&instead);
        assert!(stream.is_ended());
        assert!(text.starts_with(r#"event: message"#) && text.ends_with("\n\n"), "{text}");
        assert!(text.contains(r#""id":"a \" b","error""#), "{text}");
    }
}

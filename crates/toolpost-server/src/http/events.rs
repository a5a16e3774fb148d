//! An answer as a stream of server-sent events: notifications, then the reply, then the end.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Sleep;

use super::answering::Answering;
use crate::Reply;
use crate::clock;
use crate::service::Outbox;

/// A call that is answered by a stream: whoever reads it polls the call.
pub(crate) struct EventStream {
    outbox: Arc<Outbox>,
    state: State,
    keep_alive: Duration,
    silence: Pin<Box<Sleep>>,
}

enum State {
    Running(Answering),
    Answered(Reply),
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
pub(crate) async fn first(mut call: Answering, outbox: Arc<Outbox>, keep_alive: Duration) -> First {
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

impl EventStream {
    /// A stream of what `call` says, from its start on.
    pub(crate) fn new(call: Answering, outbox: Arc<Outbox>, keep_alive: Duration) -> Self {
        let silence = Box::pin(clock::sleep(keep_alive));
        Self { outbox, state: State::Running(call), keep_alive, silence }
    }

    pub(crate) const fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
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
                event(&mut out, line);
            }
        }
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Answered(reply) => {
                if let Some(bytes) = reply.joined().bytes {
                    event(&mut out, &bytes);
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
        if self.silence.as_mut().poll(cx).is_ready() {
            self.silence.as_mut().reset((clock::now() + self.keep_alive).into());
            return Poll::Ready(Some(Bytes::from_static(b": still working\n\n")));
        }
        Poll::Pending
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("ended", &self.is_ended()).finish_non_exhaustive()
    }
}

fn event(out: &mut Vec<u8>, message: &[u8]) {
    out.reserve(message.len() + 24);
    out.extend_from_slice(b"event: message\ndata: ");
    out.extend_from_slice(message);
    out.extend_from_slice(b"\n\n");
}

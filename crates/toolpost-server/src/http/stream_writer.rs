//! Runs a call whose stream can be resumed: what it says is kept before it is sent, and it goes on when its client has
//! gone.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::detached::{DetachedCalls, DetachedPlace, Owner};
use super::event_id::StreamKind;
use super::events::{WORKING, event};
use super::kept_stream::KeptStream;
use super::pooled::PooledCall;
use super::relay::RelaySender;
use super::stream_reader::lost;
use crate::service::Outbox;
use crate::{Reply, clock};

/// A stream is touched this often while it is written.
const TOUCH: Duration = Duration::from_secs(5);

const STOPPED: &str =
    "the server stopped before the call had ended; call again only if it does no harm to do it twice";

/// How long a client may wait before it comes back after its connection broke.
const RETRY_MS: u64 = 1_000;

/// What a stream begins with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Beginning {
    /// The first event.
    Nothing,
    /// A comment, for a client that has waited.
    Comment,
    /// An id, in an event without data, so that the stream can be resumed before there is anything else.
    Priming,
}

/// Writes one stream.
pub(super) struct StreamWriter {
    kept: KeptStream,
    running: Running,
    outbox: Arc<Outbox>,
    /// The client's connection, as long as there is one.
    client: Option<RelaySender>,
    outliving: Outliving,
    /// Resolves when the grace of a stop is over.
    cut_off: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    touch: Pin<Box<Sleep>>,
}

/// The calls that outlive their connection.
pub(super) struct Outliving {
    calls: DetachedCalls,
    owner: Owner,
    /// Held by this one once it does.
    place: Option<DetachedPlace>,
}

/// A call, and what it came to.
pub(super) struct Running {
    call: Option<PooledCall>,
    reply: Option<Reply>,
}

enum Step {
    Said,
    Answered,
    ClientGone,
    CutOff,
    Touch,
}

impl StreamWriter {
    pub(super) fn new(
        kept: KeptStream,
        (running, outbox): (Running, Arc<Outbox>),
        client: Option<RelaySender>,
        outliving: Outliving,
        cut_off: &CancellationToken,
    ) -> Self {
        let cut_off = Some(Box::pin(cut_off.clone().cancelled_owned()));
        Self { kept, running, outbox, client, outliving, cut_off, touch: Box::pin(clock::sleep(TOUCH)) }
    }

    /// Writes the stream to its end.
    pub(super) async fn run(mut self, beginning: Beginning) {
        let is_call = self.kept.name.kind == StreamKind::Call;
        // Most sessions are told of nothing: their streams are opened when there is something to keep.
        let opened = !is_call || self.running.beside(self.kept.open()).await;
        match beginning {
            Beginning::Priming if opened => {
                let priming = format!("retry: {RETRY_MS}\nid: {}\ndata:\n\n", self.kept.name.id(0));
                self.send(priming.into());
            }
            Beginning::Priming | Beginning::Comment => self.send(Bytes::from_static(WORKING)),
            Beginning::Nothing => {}
        }
        loop {
            match self.step().await {
                Step::Said => self.tell().await,
                Step::Answered => break,
                Step::Touch => {
                    self.running.beside(self.kept.touch()).await;
                    self.touch.as_mut().reset((clock::now() + TOUCH).into());
                }
                Step::ClientGone if is_call => self.lose_client(),
                // Whoever comes back for it elsewhere must not wait.
                Step::CutOff => self.give_up(STOPPED),
                Step::ClientGone => return,
            }
            if !is_call && self.client.is_none() && self.kept.is_lost() {
                return;
            }
        }
        let reply = self.running.reply.take().and_then(|reply| reply.joined().bytes);
        match reply {
            Some(reply) => {
                let reply = Bytes::from(reply);
                let number = self.kept.append(reply.clone(), true).await;
                let mut out = Vec::new();
                event(&mut out, number.map(|number| self.kept.name.id(number)).as_deref(), &reply);
                if let Some(client) = &self.client {
                    client.send_anyway(out.into());
                }
            }
            None if is_call => _ = self.kept.append(Bytes::new(), true).await,
            None => {}
        }
    }

    async fn step(&mut self) -> Step {
        poll_fn(|cx| {
            self.running.poll(cx);
            if !self.outbox.poll_empty(cx.waker()) {
                return Poll::Ready(Step::Said);
            }
            if self.running.reply.is_some() {
                return Poll::Ready(Step::Answered);
            }
            if self.client.as_mut().is_some_and(|client| client.poll_gone(cx).is_ready()) {
                return Poll::Ready(Step::ClientGone);
            }
            if self.cut_off.as_mut().is_some_and(|cut_off| cut_off.as_mut().poll(cx).is_ready()) {
                self.cut_off = None;
                return Poll::Ready(Step::CutOff);
            }
            match self.kept.is_open() {
                true => self.touch.as_mut().poll(cx).map(|()| Step::Touch),
                false => Poll::Pending,
            }
        })
        .await
    }

    /// Keeps what the call has said, then sends it.
    async fn tell(&mut self) {
        let (mut lines, mut out) = (Vec::new(), Vec::new());
        self.outbox.take(&mut lines);
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let kept = self.kept.append(Bytes::copy_from_slice(line), false);
            let number = self.running.beside(kept).await;
            event(&mut out, number.map(|number| self.kept.name.id(number)).as_deref(), line);
        }
        self.send(out.into());
    }

    fn send(&mut self, chunk: Bytes) {
        let full = self.client.as_ref().is_some_and(|client| !client.send(chunk));
        // Who reads too little resumes; where that cannot be, it misses what comes meanwhile.
        if full && !self.kept.is_lost() {
            self.lose_client();
        }
    }

    /// Goes on without a client, unless too many do so already.
    fn lose_client(&mut self) {
        self.client = None;
        if self.outliving.place.is_some() || self.kept.name.kind != StreamKind::Call {
            return;
        }
        self.outliving.place = self.outliving.calls.enter(&self.outliving.owner);
        if self.outliving.place.is_some() {
            return;
        }
        self.give_up("the call was given up: its connection broke, and too many calls go on without theirs");
    }

    fn give_up(&mut self, why: &'static str) {
        self.running = Running::answered(lost(&self.kept.name, why).unwrap_or_else(Reply::accepted));
    }
}

impl Outliving {
    pub(super) const fn new(calls: DetachedCalls, owner: Owner) -> Self {
        Self { calls, owner, place: None }
    }
}

impl Running {
    pub(super) const fn call(call: PooledCall) -> Self {
        Self { call: Some(call), reply: None }
    }

    pub(super) const fn answered(reply: Reply) -> Self {
        Self { call: None, reply: Some(reply) }
    }

    fn poll(&mut self, cx: &mut Context<'_>) {
        if let Some(call) = &mut self.call
            && let Poll::Ready(reply) = Pin::new(call).poll(cx)
        {
            (self.call, self.reply) = (None, Some(reply));
        }
    }

    /// Waits for `other`, and lets the call go on meanwhile.
    async fn beside<T>(&mut self, other: impl Future<Output = T>) -> T {
        let mut other = pin!(other);
        poll_fn(|cx| {
            self.poll(cx);
            other.as_mut().poll(cx)
        })
        .await
    }
}

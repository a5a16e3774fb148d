//! Reads a stream back from the store, from where its client lost it, and goes on as it is written.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use toolpost_protocol::{Code, Error};

use super::event_id::StreamName;
use super::event_store::StreamEvents;
use super::events::event;
use super::kept_stream::KeptStream;
use super::relay::RelaySender;
use super::sessions::InUse;
use crate::service::session::Session;
use crate::{Disposition, Reply, clock};

/// A stream is read this often where the store cannot say that there is more.
const POLL: Duration = Duration::from_millis(500);

/// Nor is it more often, where the store says so without there being any.
const IN_VAIN: Duration = Duration::from_millis(50);

/// A stream that nobody wrote to or touched for so long has lost its writer.
const SILENCE: Duration = Duration::from_secs(20);

/// So many times in a row a store may fail before the stream ends, for the client to come back later.
const FAILURES: u32 = 3;

/// So many bytes are read before the connection takes some of them.
const AHEAD: usize = 64 << 10;

pub(super) const NOT_KEPT: &str = "the stream of this call is not kept here, or no longer, so what the call came to is not \
                                   known; call again only if it does no harm to do it twice";

/// Reads one stream for one connection.
pub(super) struct StreamReader {
    kept: KeptStream,
    after: u64,
    /// In use while it is read.
    session: InUse,
}

impl StreamReader {
    /// Reads on after the event `after`.
    pub(super) const fn new(kept: KeptStream, after: u64, session: Arc<Session>) -> Self {
        Self { kept, after, session: InUse(session) }
    }

    /// Sends what there is and what comes, beginning with `first`, until the stream ends; or once `written` says so, until
    /// nothing more is there.
    pub(super) async fn run(
        mut self,
        first: StreamEvents,
        to: RelaySender,
        written: Option<CancellationToken>,
    ) {
        let (mut read, mut failures, mut over, mut in_vain) = (Some(Some(first)), 0, false, false);
        loop {
            match read {
                // Perhaps a part of what there is: it is read on at once.
                Some(Some(read)) if !read.events.is_empty() => {
                    (failures, in_vain) = (0, false);
                    self.send(read.events, &to).await;
                }
                Some(Some(read)) if read.ended || over => return,
                Some(Some(read)) if written.is_none() && SILENCE <= read.quiet => {
                    let why = "the server that ran the call is gone, and what the call came to is not known; \
                               call again only if it does no harm to do it twice";
                    return self.lose(why, &to);
                }
                Some(Some(_)) => {
                    failures = 0;
                    self.wait(written.as_ref(), in_vain).await;
                    in_vain = true;
                }
                Some(None) if written.is_none() => return self.lose(NOT_KEPT, &to),
                Some(None) => return,
                None => {
                    failures += 1;
                    if FAILURES <= failures {
                        return;
                    }
                    self.wait(None, true).await;
                }
            }
            if self.session.0.closed.is_cancelled() {
                return;
            }
            over = written.as_ref().is_some_and(CancellationToken::is_cancelled);
            read = self.kept.read(self.after).await;
        }
    }

    async fn send(&mut self, events: Vec<(u64, Bytes)>, to: &RelaySender) {
        let mut out = Vec::new();
        for (number, data) in events {
            if number <= self.after {
                continue;
            }
            self.after = number;
            // The end of a stream that has no answer is an event without data.
            if !data.is_empty() {
                event(&mut out, Some(&self.kept.name.id(number)), &data);
            }
            if AHEAD <= out.len() {
                to.send_anyway(std::mem::take(&mut out).into());
                yield_now().await;
            }
        }
        if !out.is_empty() {
            to.send_anyway(out.into());
        }
    }

    async fn wait(&self, written: Option<&CancellationToken>, in_vain: bool) {
        let changed = async {
            if in_vain {
                clock::sleep(IN_VAIN).await;
            }
            self.kept.changed(self.after).await;
        };
        let written = async {
            match written {
                Some(written) => written.cancelled().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = changed => {}
            () = clock::sleep(POLL) => {}
            () = self.session.0.closed.cancelled() => {}
            () = written => {}
        }
    }

    fn lose(&self, why: &'static str, to: &RelaySender) {
        let Some(reply) = lost(&self.kept.name, why) else { return };
        let mut out = Vec::new();
        event(&mut out, None, reply.bytes.as_deref().unwrap_or_default());
        to.send_anyway(out.into());
    }
}

/// The answer to the request whose stream is lost; `None` if its id is not known.
pub(super) fn lost(name: &StreamName, why: &'static str) -> Option<Reply> {
    let data = serde_json::json!({ "reason": "stream_lost" });
    let error = Error::new(Code::INTERNAL_ERROR, why).with_data(&data);
    Some(Reply::error(Disposition::Answered, &name.request()?, &error))
}

/// Lets the connection take what there is.
async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

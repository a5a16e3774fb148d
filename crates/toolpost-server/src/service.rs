//! From one frame to one reply, whatever the transport.
//!
//! [`Service::read`] is synchronous: it reads the envelope, chooses the era and deals with whatever
//! needs no answer. [`Service::at_once`] answers what needs no waiting, and [`Service::run`] the rest: both read the
//! [table of methods](methods).

use std::fmt;
use std::future::ready;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::Either;
use tokio_util::sync::CancellationToken;
use toolpost_dispatch::Dispatcher;
use toolpost_json::{Frame, Limits, ViolationKind};
use toolpost_protocol::{Code, Error, Id, Malformed, Meant, MetaIndex};
use toolpost_tool::{Output, Principal, Priority};

pub(crate) mod capabilities;
pub(crate) mod catalog;
mod context;
mod envelope;
#[cfg(feature = "http")]
pub(crate) mod headers;
#[cfg(not(feature = "http"))]
#[path = "service/no_headers.rs"]
pub(crate) mod headers;
mod heartbeat;
pub(crate) mod identity;
pub(crate) mod listen;
pub(crate) mod listen_limits;
pub(crate) mod methods;
pub(crate) mod outbox;
mod page;
pub(crate) mod peer;
mod questions;
pub(crate) mod reply;
mod result;
mod rounds;
pub(crate) mod seal;
pub(crate) mod session;
mod streams;
pub(crate) mod tasks;

pub(crate) use envelope::{Incoming, RequestEnvelope};
#[cfg(feature = "http")]
#[cfg(feature = "http")]
pub(crate) use headers::undoubled;
pub(crate) use methods::Method;
pub(crate) use outbox::Outbox;
pub(crate) use toolpost_protocol::Era;

use crate::{Disposition, Peer, Reply};
use catalog::ToolList;
use identity::Identity;
use listen::Listeners;
use listen_limits::ListenLimits;
use methods::{Handler, InSession, call_tool};
use seal::Sealer;

/// Lowers the priority a principal asks for to what the host grants it.
pub(crate) type Clamp = dyn Fn(&Principal, Priority) -> Priority + Send + Sync;

/// What answers a request that is no modern call, in a box of its own: so what is rare makes no room for
/// itself in the future of what is common, which is moved, and held, for every request.
type ReplyFuture = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// What every transport of one server shares.
pub(crate) struct Service {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) identity: Identity,
    pub(crate) tools: ToolList,
    /// The most items in one page of a list.
    pub(crate) page_size: usize,
    pub(crate) sealer: Sealer,
    pub(crate) listeners: Listeners,
    pub(crate) listen_limits: ListenLimits,
    /// Whether lists that there are not are answered as empty ones.
    pub(crate) empty_lists: bool,
    /// Cancelled when nothing new is taken any more.
    pub(crate) stop: CancellationToken,
    /// Bounds on one received message.
    pub(crate) limits: Limits,
    /// The most bytes one reply may have.
    pub(crate) response_limit: usize,
    /// After how much silence whoever asked for progress hears that its call still runs.
    pub(crate) heartbeat: Option<Duration>,
    pub(crate) clamp: Option<Box<Clamp>>,
    /// `None` where no call outlives its request.
    pub(crate) tasks: Option<Arc<tasks::Tasks>>,
    /// Numbers connections and sessions, so that ids of two clients never meet.
    pub(crate) connections: AtomicU64,
}

impl Service {
    /// A number that no other connection or session of this server has.
    pub(crate) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    /// From one frame to one reply.
    pub(crate) async fn handle(self: &Arc<Self>, frame: Frame, peer: Peer) -> Reply {
        let incoming = self.read(frame, &peer);
        self.deal(incoming, peer).await
    }

    async fn deal(self: &Arc<Self>, incoming: Incoming, peer: Peer) -> Reply {
        match incoming {
            Incoming::Request(request) => match self.at_once(&request, &peer) {
                Some(reply) => reply.joined(),
                None => self.run(request, peer, None).await.joined(),
            },
            Incoming::Cancel(id) => {
                self.cancel(&peer, &id);
                Reply::accepted()
            }
            Incoming::Batch(frames) => Arc::clone(self).batch(frames, peer).await,
            Incoming::Done(reply) => reply,
        }
    }

    /// Answers the messages of a batch one after the other, by one array; once that has as many bytes as a reply may
    /// have, what is left is refused.
    pub(crate) fn batch(self: Arc<Self>, frames: Vec<Frame>, peer: Peer) -> ReplyFuture {
        Box::pin(async move {
            let mut out = Vec::new();
            for frame in frames {
                let reply = match self.read(frame, &peer) {
                    Incoming::Request(request) if self.response_limit < out.len() => {
                        let why = "the answers to this batch are too large; send its messages one by one";
                        Reply::error(
                            Disposition::Answered,
                            &request.id,
                            &Error::new(Code::INVALID_REQUEST, why),
                        )
                    }
                    Incoming::Request(request) if request.method.session == InSession::Opens => Reply::error(
                        Disposition::Answered,
                        &request.id,
                        &Error::new(Code::INVALID_REQUEST, "`initialize` cannot be part of a batch"),
                    ),
                    incoming => self.deal(incoming, peer.clone()).await,
                };
                if let Some(bytes) = reply.bytes {
                    out.push(if out.is_empty() { b'[' } else { b',' });
                    out.extend_from_slice(&bytes);
                }
            }
            if out.is_empty() {
                return Reply::accepted();
            }
            out.push(b']');
            Reply::new(Disposition::Answered, out)
        })
    }

    /// What becomes of bytes that are no frame.
    #[cold]
    pub(crate) fn refused(&self, refused: &Malformed, peer: &Peer) -> Reply {
        let disposition = match refused.violation.map(|violation| violation.kind()) {
            Some(ViolationKind::TooLarge { .. }) => Disposition::TooLarge,
            _ => Disposition::Invalid,
        };
        self.refuse(&refused.meant, disposition, &refused.error, peer)
    }

    /// What becomes of a message of more bytes than allowed.
    #[cfg(feature = "stdio")]
    #[cold]
    pub(crate) fn too_large(&self, meant: &Meant, limit: usize, peer: &Peer) -> Reply {
        let error = Error::new(Code::INVALID_REQUEST, format!("message longer than {limit} bytes"));
        self.refuse(meant, Disposition::TooLarge, &error, peer)
    }

    /// What becomes of what is no message: a request is answered; a response never is, but what waits for it hears
    /// that none comes; and whatever else has no id is answered where the transport has a way to.
    #[cold]
    fn refuse(&self, meant: &Meant, disposition: Disposition, error: &Error, peer: &Peer) -> Reply {
        match (meant, &peer.session) {
            (Meant::Request(id), _) => return Reply::error(disposition, id, error),
            (Meant::Response(id), Some(session)) => {
                session.answered(id, Err(format!("its answer cannot be read: {}", error.message())));
            }
            _ => {}
        }
        Reply::unaddressed(disposition, error, peer)
    }

    /// The answer to a request that needs no waiting; `None` to one that has to [run](Self::run).
    pub(crate) fn at_once(&self, request: &RequestEnvelope, peer: &Peer) -> Option<Reply> {
        if !request.method.is_served(request.era, self) {
            return Some(self.not_served(request));
        }
        match request.method.handler {
            Handler::AtOnce(answer) => Some(answer(self, request, peer)),
            _ => None,
        }
    }

    /// The answer to a request that nothing here can answer.
    #[cold]
    fn not_served(&self, request: &RequestEnvelope) -> Reply {
        match self.empty_lists && request.method.is_list() {
            true => page::empty(self, request),
            false => request.unknown_method(),
        }
    }

    /// Answers a request that [`at_once`](Self::at_once) does not.
    pub(crate) fn run(
        self: &Arc<Self>,
        request: RequestEnvelope,
        peer: Peer,
        outbox: Option<Arc<Outbox>>,
    ) -> impl Future<Output = Reply> + Send + use<> {
        let service = Arc::clone(self);
        Either::Right(match (request.method.handler, request.era) {
            (Handler::Tool, Era::Modern) => {
                return Either::Left(call_tool::modern(service, request, peer, outbox));
            }
            (Handler::Tool, Era::Legacy) => call_tool::legacy(service, request, peer, outbox),
            (Handler::Rounds(answer) | Handler::Silent(answer) | Handler::Stream(answer), _) => {
                answer(service, request, peer, outbox)
            }
            (Handler::AtOnce(answer), _) => Box::pin(ready(answer(&service, &request, &peer))),
        })
    }

    /// How urgent a request is: what it asks for, clamped by the host's rule for its principal.
    fn priority(&self, meta: &MetaIndex, frame: &Frame, peer: &Peer) -> Priority {
        let asked = Priority::asked(meta, frame);
        match &self.clamp {
            Some(clamp) => catch_unwind(AssertUnwindSafe(|| clamp(&peer.principal, asked)))
                .map_or(Priority::Background, |granted| granted.min(Priority::Urgent)),
            None => asked,
        }
    }

    /// Writes `output`, or what to do about one that is too large to be sent.
    fn within_limit(&self, output: &Output, write: impl Fn(&Output) -> Vec<u8>) -> Vec<u8> {
        let limit = self.response_limit;
        let mut size = output.weight();
        if size <= limit {
            let bytes = write(output);
            if bytes.len() <= limit {
                return bytes;
            }
            size = bytes.len();
        }
        let text = format!(
            "the result has {size} bytes, and the limit is {limit}; ask for less: a range, a page or a filter"
        );
        let data = serde_json::json!({ "reason": "response_too_large", "size": size, "limit": limit });
        let short = Output::text(text).into_error();
        write(&short.clone().with_meta("dev.toolpost/rejection", &data).unwrap_or(short))
    }

    /// Cancels the running call with this id on that connection; says whether there was one.
    pub(crate) fn cancel(&self, peer: &Peer, id: &Id) -> bool {
        let asked = peer.session.as_ref().is_some_and(|session| session.take_back(id));
        let Some(key) = peer.call_key(id) else { return asked };
        let undecided = self.tasks.as_ref().is_some_and(|tasks| tasks.take_back(&key));
        self.dispatcher.cancel(&key) || self.listeners.cancel(&key) || undecided || asked
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("dispatcher", &self.dispatcher).finish_non_exhaustive()
    }
}

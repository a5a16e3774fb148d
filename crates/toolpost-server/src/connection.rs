//! One client's connection as a machine without I/O: messages in, messages out.
//!
//! Requests are answered as they finish, in whatever order. A request that is ready at once costs no task and no
//! wake-up.
#![cfg_attr(not(feature = "stdio"), allow(dead_code, reason = "streams of lines look deeper inside"))]

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::Stream as _;
use futures_util::stream::FuturesUnordered;
use tokio_util::sync::WaitForCancellationFutureOwned;
use toolpost_json::Frame;
#[cfg(feature = "stdio")]
use toolpost_protocol::Meant;
use toolpost_protocol::{Code, Error, Id, receive};
use toolpost_tool::Principal;

mod limits;

pub use limits::ConnectionLimits;

use crate::service::session::Session;
use crate::service::{Incoming, Outbox, RequestEnvelope, Service, listen};
use crate::{Disposition, Peer, Reply};

/// So much room for messages is kept when all of them are sent.
const KEPT: usize = 128 << 10;

/// One client's connection to a server, whatever carries it: takes the client's messages and gives back the server's,
/// and does no I/O.
///
/// It is the part of a transport that knows MCP: sessions of the older revisions, progress and log lines, cancellation,
/// questions to the client, changes that are told. The transport moves whole messages, however it frames them:
///
/// 1. When [`poll_ready`](Self::poll_ready) says so, it hands a message of its client to [`receive`](Self::receive).
/// 2. It polls [`poll_send`](Self::poll_send), which runs the calls, and sends each message that comes of it.
/// 3. When its client is gone it drops the connection, which drops the calls; or it [closes](Self::close) it, and sends
///    the rest.
///
/// Both polls belong to one task. Nothing is spawned, and no time is limited here (a call whose client asked for progress
/// has a timer of tokio's, for [heartbeats](crate::ServerBuilder::progress_heartbeat)): how long a client may take to read,
/// and calls to end after the close, is the transport's to say. [`ConnectionLimits`] bounds what is kept.
///
/// ```
/// use std::future::poll_fn;
///
/// use toolpost_dispatch::{Dispatcher, Registry};
/// use toolpost_server::Server;
/// use toolpost_tool::{NoArgs, Principal, tool_fn};
///
/// let ping = tool_fn("ping", |_: NoArgs, _| async { Ok("pong") });
/// let dispatcher = Dispatcher::builder(Registry::builder().tool(ping).build().unwrap()).build();
/// let server = Server::builder(dispatcher).build();
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let mut connection = server.connection(Principal::anonymous());
/// connection.receive(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
/// let message = poll_fn(|cx| connection.poll_send(cx)).await.unwrap();
/// assert_eq!(message, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
///
/// connection.close();
/// assert_eq!(poll_fn(|cx| connection.poll_send(cx)).await, None);
/// # });
/// ```
pub struct Connection {
    service: Arc<Service>,
    peer: Peer,
    limits: ConnectionLimits,
    /// Nothing more is received.
    closed: bool,
    waiting: VecDeque<RequestEnvelope>,
    running: FuturesUnordered<Running>,
    /// Bytes of the requests that wait or run.
    held: usize,
    outbox: Arc<Outbox>,
    /// Whether the session is told of changes already: that runs, and is no request.
    telling: bool,
    /// What is to be sent, a line a message, from `sent` on.
    out: Vec<u8>,
    sent: usize,
    /// Something was left undone because too much is unsent.
    held_back: bool,
    /// Who waits for room.
    ready: Option<Waker>,
    stop: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

type Call = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// A request being answered.
struct Running {
    call: Call,
    /// How many bytes it has.
    bytes: usize,
}

impl Connection {
    pub(crate) fn new(service: Arc<Service>, principal: Principal, limits: ConnectionLimits) -> Self {
        let number = service.next_connection();
        let session = Some(Arc::new(Session::new(number, principal.clone())));
        Self {
            peer: Peer { connection: number, principal, session, ..Peer::default() },
            service,
            limits,
            closed: false,
            waiting: VecDeque::new(),
            running: FuturesUnordered::new(),
            held: 0,
            outbox: Arc::new(Outbox::default()),
            telling: false,
            out: Vec::new(),
            sent: 0,
            held_back: false,
            ready: None,
            stop: None,
        }
    }

    /// Says whether there is room for another message; wakes the task when there is. A connection that is closed, by
    /// [`close`](Self::close) or with its server, has none any more.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.drive(cx);
        if self.is_full() || self.closed {
            self.ready = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Takes one message of the client, without whatever framed it. What comes of it, [`poll_send`](Self::poll_send)
    /// gives out: poll that next.
    ///
    /// A message that is not well-formed is answered, if it is a request. Where there is no [room](Self::poll_ready), a
    /// request is refused; where nobody takes the refusals either, and once the connection is closed, a message is
    /// dropped.
    pub fn receive(&mut self, message: impl Into<Bytes>) {
        if self.closed || self.limits.bytes.max(1) <= self.unsent().len() {
            return;
        }
        let full = self.is_full();
        self.message(&message.into(), full);
    }

    /// Runs the calls, and gives out the next message for the client, without a line end in it. `None` once the
    /// connection is closed and everything that ran has ended.
    ///
    /// When the server [stops](crate::Server::stop), the connection closes itself.
    pub fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let service = &self.service;
        let stop = self.stop.get_or_insert_with(|| Box::pin(service.stop.clone().cancelled_owned()));
        if !self.closed && stop.as_mut().poll(cx).is_ready() {
            self.close();
        }
        if self.out.is_empty() {
            self.drive(cx);
            self.gather(cx);
        }
        let next = self.next_message();
        if self.ready.is_some()
            && !self.is_full()
            && let Some(ready) = self.ready.take()
        {
            ready.wake();
        }
        match next {
            None if self.closed && self.is_idle() => Poll::Ready(None),
            None => Poll::Pending,
            next => Poll::Ready(next),
        }
    }

    /// Says that the client sends no more. What runs may end, and is answered; streams of changes end now.
    pub fn close(&mut self) {
        self.closed = true;
        if let Some(session) = &self.peer.session {
            session.closed.cancel();
        }
    }

    pub(crate) const fn limits(&self) -> &ConnectionLimits {
        &self.limits
    }

    /// Takes the replies of requests that have finished and starts those that wait, while there is room.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        self.held_back = false;
        self.finish(cx);
        self.start(cx);
    }

    /// Takes the replies of requests that have finished, while there is room for them.
    pub(crate) fn finish(&mut self, cx: &mut Context<'_>) {
        while !self.is_unread() {
            let Poll::Ready(Some((reply, bytes))) = Pin::new(&mut self.running).poll_next(cx) else { return };
            self.held -= bytes;
            self.answer(reply);
        }
        self.held_back = true;
    }

    /// Starts waiting requests while there is room; one that is ready at once is answered at once.
    pub(crate) fn start(&mut self, cx: &mut Context<'_>) {
        while self.has_room()
            && let Some(request) = self.waiting.pop_front()
        {
            self.held -= request.frame.text().len();
            self.run(request, cx);
        }
        self.held_back |= !self.waiting.is_empty();
    }

    /// Takes one message, however full it is; if `full`, requests are refused.
    pub(crate) fn message(&mut self, message: &Bytes, full: bool) {
        match receive(message, &self.service.limits) {
            Ok(frame) => self.frame(frame, full),
            Err(refused) => self.answer(self.service.refused(&refused, &self.peer)),
        }
    }

    /// Answers a message that was longer than allowed, and not kept.
    #[cfg(feature = "stdio")]
    pub(crate) fn too_large(&mut self, meant: &Meant, limit: usize) {
        self.answer(self.service.too_large(meant, limit, &self.peer));
    }

    /// Adds what calls have said to what is to be sent, while there is little of that; otherwise it stays where it is
    /// bounded.
    pub(crate) fn gather(&mut self, cx: &mut Context<'_>) {
        if self.unsent().len() < self.limits.unread && !self.outbox.poll_empty(cx.waker()) {
            self.outbox.take(&mut self.out);
        }
    }

    /// What is to be sent, a line a message.
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.out[self.sent..]
    }

    /// Notes that so many bytes of [that](Self::unsent) are sent.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.sent += bytes;
        if self.sent == self.out.len() {
            self.sent = 0;
            self.out.clear();
            self.out.shrink_to(KEPT);
        }
    }

    /// Drops what waits and what runs.
    pub(crate) fn abandon(&mut self) {
        self.running = FuturesUnordered::new();
        self.waiting.clear();
        self.held = 0;
    }

    /// Whether calls have said what was not gathered.
    pub(crate) fn has_said(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Notes that something is left undone because too much is unsent.
    pub(crate) const fn hold_back(&mut self) {
        self.held_back = true;
    }

    /// Whether something was left undone because too much is unsent.
    pub(crate) const fn is_held_back(&self) -> bool {
        self.held_back
    }

    /// Whether so much is unsent that no call goes on.
    pub(crate) fn is_unread(&self) -> bool {
        self.limits.bytes.max(1) <= self.unsent().len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.limits.waiting.max(1) <= self.waiting.len()
            || self.limits.unread.max(1) <= self.unsent().len()
            || self.limits.bytes.max(1) <= self.held
    }

    /// Whether nothing runs and nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        !self.is_running() && self.waiting.is_empty()
    }

    /// Whether anything runs, the telling of changes included.
    pub(crate) fn is_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// How many requests run.
    pub(crate) fn calls(&self) -> usize {
        self.running.len() - usize::from(self.telling && !self.running.is_empty())
    }

    fn has_room(&self) -> bool {
        self.calls() < self.limits.in_flight.max(1) && self.unsent().len() < self.limits.unread.max(1)
    }

    fn frame(&mut self, frame: Frame, full: bool) {
        match self.service.read(frame, &self.peer) {
            Incoming::Request(request) if full => self.answer(refusal(&request)),
            Incoming::Request(request) => {
                self.held += request.frame.text().len();
                self.waiting.push_back(request);
            }
            Incoming::Cancel(id) => self.cancel(&id),
            // Each answer is a message of its own: clients find them by their ids.
            Incoming::Batch(frames) => frames.into_iter().for_each(|frame| self.frame(frame, full)),
            Incoming::Done(reply) => self.answer(reply),
        }
    }

    fn run(&mut self, request: RequestEnvelope, cx: &mut Context<'_>) {
        if let Some(reply) = self.service.at_once(&request, &self.peer) {
            self.answer(reply);
            return self.tell_of_changes(cx);
        }
        let outbox = request.wants_events(&self.peer).then(|| Arc::clone(&self.outbox));
        let bytes = request.frame.text().len();
        let mut call: Call = Box::pin(self.service.run(request, self.peer.clone(), outbox));
        match call.as_mut().poll(cx) {
            Poll::Ready(reply) => self.answer(reply),
            Poll::Pending => {
                self.held += bytes;
                self.running.push(Running { call, bytes });
            }
        }
    }

    /// A session hears of changes from the moment on when it is agreed.
    fn tell_of_changes(&mut self, cx: &mut Context<'_>) {
        if self.telling {
            return;
        }
        let Some(session) = self.peer.session.as_ref().filter(|session| session.agreed().is_some()) else {
            return;
        };
        self.telling = true;
        let (service, session) = (Arc::clone(&self.service), Arc::clone(session));
        let outbox = Arc::clone(&self.outbox);
        let mut call: Call = Box::pin(async move {
            // There is no other stream: who has read nothing for long is told again once it does.
            while !session.closed.is_cancelled() && !service.stop.is_cancelled() {
                listen::tell_session(&service, &session, &session.principal, &outbox, false).await;
            }
            Reply::accepted()
        });
        // It listens before the client hears that it is agreed.
        if call.as_mut().poll(cx).is_pending() {
            self.running.push(Running { call, bytes: 0 });
        }
    }

    fn cancel(&mut self, id: &Id) {
        // One that has not started is simply forgotten.
        let held = &mut self.held;
        self.waiting.retain(|request| {
            let stays = request.id != *id;
            *held -= if stays { 0 } else { request.frame.text().len() };
            stays
        });
        self.service.cancel(&self.peer, id);
    }

    fn answer(&mut self, reply: Reply) {
        let Some(bytes) = reply.joined().bytes else { return };
        // What a call said goes out before its answer.
        if !self.outbox.is_empty() {
            self.outbox.take(&mut self.out);
        }
        self.out.extend_from_slice(&bytes);
        self.out.push(b'\n');
    }

    fn next_message(&mut self) -> Option<Bytes> {
        let unsent = self.unsent();
        let end = memchr::memchr(b'\n', unsent)?;
        let message = Bytes::copy_from_slice(&unsent[..end]);
        self.advance(end + 1);
        Some(message)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.peer)
            .field("closed", &self.closed)
            .field("waiting", &self.waiting.len())
            .field("running", &self.running.len())
            .field("unsent", &self.unsent().len())
            .finish_non_exhaustive()
    }
}

impl Future for Running {
    type Output = (Reply, usize);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let bytes = self.bytes;
        self.call.as_mut().poll(cx).map(|reply| (reply, bytes))
    }
}

/// The answer to a request that came although there was no room for it.
#[cold]
fn refusal(request: &RequestEnvelope) -> Reply {
    let error =
        Error::new(Code::INTERNAL_ERROR, "too many requests of this connection wait; try again later");
    Reply::error(Disposition::Busy, &request.id, &error)
}

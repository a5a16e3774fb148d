//! One connection to a server as a machine without I/O: frames in; messages to send, and what came of them, out.
//!
//! It knows which requests are in flight and which questions are open, and reads no clock: whoever waits for a request
//! limits the wait, and [`cancel`](Core::cancel)s it. A request has a key, which names it in the [`Effect`]s.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;
use bytestring::ByteString;
use toolpost_json::{Frame, NodeId};
use toolpost_protocol::model::RawJson;
use toolpost_protocol::{Code, Error as RpcError, Id, Malformed, Meant, reply};

use crate::{ClientError, ClientEvent, Question, RawResult};

mod heard;
mod incoming;

use incoming::Incoming;
pub(crate) use incoming::error_of;

/// The most answers to the server that wait to be sent; further ones are dropped.
const REPLIES: usize = 64;
/// What all requests that were not sent yet may have together, in bytes.
const UNSENT: usize = 32 << 20;

/// What one connection may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Requests in flight.
    pub(crate) in_flight: usize,
    /// Lines or messages in a row that are none.
    pub(crate) noise: usize,
}

/// What a request is to the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The host's: counted, and what a question may belong to.
    Call,
    /// The client's own, cancelled like a call.
    Own,
    /// `initialize`, which is never cancelled.
    Initialize,
}

/// A message for the server.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    /// One JSON object without a line end.
    pub(crate) body: Bytes,
    pub(crate) what: What,
}

/// What a message for the server is: what a transport has to know of it.
#[derive(Clone, Debug)]
#[allow(dead_code, reason = "of transports whose requests have streams")]
pub(crate) enum What {
    Request {
        id: i64,
        method: ByteString,
        /// The tool, prompt, resource or task that it names.
        name: Option<ByteString>,
    },
    /// Takes a request back that was sent. Where closing its stream does that, closing is all.
    Cancel {
        id: i64,
    },
    Notification,
    /// Answers a question, of the request whose stream it came on.
    Answer {
        about: Option<i64>,
    },
}

/// How far a request has come.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Progress {
    pub(crate) done: f64,
    pub(crate) total: Option<f64>,
    pub(crate) message: Option<ByteString>,
}

/// What came of a message.
#[derive(Debug)]
pub(crate) enum Effect<K> {
    /// The request has ended.
    Done(K, Result<RawResult, ClientError>),
    Progress(K, Progress),
    /// The stream of changes that this request asked for has begun.
    Acknowledged(K),
    Event(ClientEvent),
    /// The server asks; [`Core::answer`] answers under the same id.
    Ask {
        id: Id,
        question: Question,
        about: Option<K>,
    },
    /// Nobody needs the answer any more.
    Withdraw(Id),
}

#[derive(Debug)]
struct Pending<K> {
    key: K,
    kind: Kind,
    sent: bool,
    reports: bool,
    whom: Option<ByteString>,
}

/// A request that the server has, and that nobody waits for any more: it may still ask something.
#[derive(Debug)]
struct Left {
    id: i64,
    whom: Option<ByteString>,
    since: Instant,
}

#[derive(Debug)]
pub(crate) struct Core<K> {
    bounds: Bounds,
    /// Servers that take no answers ask nothing.
    stateless: bool,
    next: i64,
    pending: HashMap<i64, Pending<K>>,
    calls: usize,
    out: VecDeque<Outgoing>,
    unsent: usize,
    replies: usize,
    questions: HashMap<Id, Option<i64>>,
    left: VecDeque<Left>,
    effects: Vec<Effect<K>>,
    ignored: u64,
    noise: usize,
    closed: Option<ClientError>,
}

/// A request to be made.
pub(crate) struct NewRequest<'a> {
    pub(crate) kind: Kind,
    pub(crate) method: &'a str,
    pub(crate) name: Option<&'a ByteString>,
    /// Whether it asks for progress, under its id.
    pub(crate) reports: bool,
    /// On whose behalf it is made.
    pub(crate) whom: Option<&'a ByteString>,
}

impl<K: Clone> Core<K> {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            stateless: false,
            next: 1,
            pending: HashMap::new(),
            calls: 0,
            out: VecDeque::new(),
            unsent: 0,
            replies: 0,
            questions: HashMap::new(),
            left: VecDeque::new(),
            effects: Vec::new(),
            ignored: 0,
            noise: 0,
            closed: None,
        }
    }

    /// The server was found to be of the modern era: it sends no requests and takes no answers.
    pub(crate) const fn set_stateless(&mut self) {
        self.stateless = true;
    }

    /// Queues a request; `params` writes them, given the id.
    pub(crate) fn request(
        &mut self,
        key: K,
        request: &NewRequest<'_>,
        params: impl FnOnce(&mut Vec<u8>, i64),
    ) -> Result<i64, ClientError> {
        if let Some(why) = &self.closed {
            return Err(why.unsent());
        }
        let counted = request.kind == Kind::Call;
        if counted && self.bounds.in_flight.max(1) <= self.calls {
            return Err(ClientError::TooMany { what: "requests in flight", limit: self.bounds.in_flight });
        }
        if UNSENT <= self.unsent {
            return Err(ClientError::TooMany { what: "bytes that the server has not taken", limit: UNSENT });
        }
        let id = self.next;
        self.next += 1;
        let mut body = Vec::with_capacity(512);
        reply::request(&mut body, &Id::from(id), request.method, |out| params(out, id));
        let what = What::Request { id, method: request.method.into(), name: request.name.cloned() };
        self.push(Outgoing { body: body.into(), what });
        self.calls += usize::from(counted);
        let whom = request.whom.cloned();
        let pending = Pending { key, kind: request.kind, sent: false, reports: request.reports, whom };
        self.pending.insert(id, pending);
        Ok(id)
    }

    /// Queues a notification.
    pub(crate) fn notify(&mut self, method: &str, params: &str) {
        let mut body = Vec::new();
        reply::notification(&mut body, method, |out| out.extend_from_slice(params.as_bytes()));
        self.push(Outgoing { body: body.into(), what: What::Notification });
    }

    /// Queues a request whose answer nobody waits for.
    pub(crate) fn leave(
        &mut self,
        method: &str,
        name: Option<&ByteString>,
        params: impl FnOnce(&mut Vec<u8>),
    ) {
        let id = self.next;
        self.next += 1;
        let mut body = Vec::new();
        reply::request(&mut body, &Id::from(id), method, params);
        self.push(Outgoing {
            body: body.into(),
            what: What::Request { id, method: method.into(), name: name.cloned() },
        });
    }

    /// Nobody waits for a request any more: it ends without an effect, and the server hears of it if it has the request.
    pub(crate) fn cancel(&mut self, id: i64, now: Instant) {
        let Some(pending) = self.remove(id) else { return };
        if !pending.sent {
            self.unqueue(id);
        } else if pending.kind != Kind::Initialize && self.closed.is_none() {
            if pending.kind == Kind::Call && !self.stateless {
                self.leave_behind(Left { id, whom: pending.whom, since: now });
            }
            let mut body = Vec::new();
            reply::notification(&mut body, "notifications/cancelled", |out| {
                out.extend_from_slice(format!(r#"{{"requestId":{id}}}"#).as_bytes());
            });
            self.push(Outgoing { body: body.into(), what: What::Cancel { id } });
        }
    }

    /// The next message to send. A request counts as sent from now on.
    pub(crate) fn pop(&mut self) -> Option<Outgoing> {
        let next = self.out.pop_front()?;
        self.unsent -= next.body.len();
        match next.what {
            What::Request { id, .. } => {
                if let Some(pending) = self.pending.get_mut(&id) {
                    pending.sent = true;
                }
            }
            What::Answer { .. } => self.replies -= 1,
            What::Cancel { .. } | What::Notification => {}
        }
        Some(next)
    }

    /// The request that was queued last, for who sends it without waiting for its turn. It counts as sent from now on.
    #[cfg(feature = "http")]
    pub(crate) fn pop_last(&mut self) -> Option<Outgoing> {
        let last = self.out.pop_back()?;
        self.out.push_front(last);
        self.pop()
    }

    /// Whether a request is in flight.
    #[cfg(feature = "http")]
    pub(crate) fn is_open(&self, id: i64) -> bool {
        self.pending.contains_key(&id)
    }

    /// Takes a frame of the server, which came on the stream of the request `via` where requests have streams.
    pub(crate) fn receive(&mut self, frame: Frame, via: Option<i64>, now: Instant) {
        if self.closed.is_some() {
            return;
        }
        match Incoming::read(&frame, NodeId::ROOT) {
            Ok(Incoming::Batch(nodes)) => {
                for node in nodes {
                    match Incoming::read(&frame, node) {
                        Ok(incoming) => self.take(frame.clone(), incoming, via, now),
                        Err(malformed) => self.unreadable(&malformed),
                    }
                }
            }
            Ok(incoming) => self.take(frame, incoming, via, now),
            Err(malformed) => self.unreadable(&malformed),
        }
    }

    /// Takes what was received and is no message: skipped, unless it was meant as an answer or there is too much of it.
    pub(crate) fn unreadable(&mut self, malformed: &Malformed) {
        self.spoilt(&malformed.meant, ClientError::malformed(malformed.error.message().to_owned()));
    }

    /// Takes a message that was longer than `limit` and not kept.
    pub(crate) fn too_large(&mut self, meant: &Meant, limit: usize) {
        self.spoilt(meant, ClientError::TooLarge { limit });
    }

    /// The transport knows that a request has ended without an answer.
    pub(crate) fn fail(&mut self, id: i64, error: ClientError) {
        if let Some(pending) = self.remove(id) {
            self.unqueue(id);
            self.effects.push(Effect::Done(pending.key, Err(error)));
        }
    }

    /// Answers a question of the server, unless it is withdrawn.
    pub(crate) fn answer(&mut self, question: &Id, answer: &Result<RawJson, RpcError>) {
        if let Some(about) = self.questions.remove(question) {
            self.reply(question, answer, about);
        }
    }

    /// The connection is over: every request ends now, and further ones are refused.
    pub(crate) fn close(&mut self, why: &ClientError) {
        if self.closed.is_some() {
            return;
        }
        self.closed = Some(why.clone());
        self.out.clear();
        (self.unsent, self.replies, self.calls) = (0, 0, 0);
        for (_, pending) in self.pending.drain() {
            let error = if pending.sent { why.sent() } else { why.unsent() };
            self.effects.push(Effect::Done(pending.key, Err(error)));
        }
        self.effects.extend(self.questions.drain().map(|(id, _)| Effect::Withdraw(id)));
    }

    /// Why the connection is over, if it is.
    pub(crate) const fn closed(&self) -> Option<&ClientError> {
        self.closed.as_ref()
    }

    /// What came of everything since this was asked last, oldest first.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect<K>> {
        std::mem::take(&mut self.effects)
    }

    /// Whether there is something to send.
    pub(crate) fn has_outgoing(&self) -> bool {
        !self.out.is_empty()
    }

    /// How many requests of the host are in flight.
    pub(crate) const fn calls(&self) -> usize {
        self.calls
    }

    /// How many messages belonged to nothing.
    pub(crate) const fn ignored(&self) -> u64 {
        self.ignored
    }

    fn take(&mut self, frame: Frame, incoming: Incoming, via: Option<i64>, now: Instant) {
        self.noise = 0;
        match incoming {
            Incoming::Result { id, at } => match self.answered(id) {
                Some(pending) => {
                    self.effects.push(Effect::Done(pending.key, Ok(RawResult::new(frame, at))));
                }
                None => self.ignored += 1,
            },
            Incoming::Error { id, error } => match self.answered(id) {
                Some(pending) => {
                    self.effects.push(Effect::Done(pending.key, Err(ClientError::Refused(error))));
                }
                None => self.ignored += 1,
            },
            Incoming::Request { id, method, params } => {
                self.asked(&frame, id, &method, params, via, now);
            }
            Incoming::Notification { method, params } => self.told(&frame, &method, params),
            // Batches do not nest.
            Incoming::Batch(_) => self.ignored += 1,
        }
    }

    /// Something came that is no message.
    fn spoilt(&mut self, meant: &Meant, error: ClientError) {
        if self.closed.is_some() {
            return;
        }
        if let Meant::Response(id) = meant
            && let Some(pending) = self.answered(incoming::ours(id))
        {
            self.effects.push(Effect::Done(pending.key, Err(error)));
            return;
        }
        self.ignored += 1;
        self.noise += 1;
        if self.bounds.noise < self.noise {
            let why = format!("{} lines in a row are no MCP messages; the last one: {error}", self.noise);
            self.close(&ClientError::ConnectionLost(why.into()));
        }
    }

    fn reply(&mut self, to: &Id, answer: &Result<RawJson, RpcError>, about: Option<i64>) {
        if self.closed.is_some() {
            return;
        }
        if REPLIES <= self.replies {
            self.ignored += 1;
            return;
        }
        let mut body = Vec::new();
        match answer {
            Ok(result) => {
                reply::result(&mut body, to, |out| out.extend_from_slice(result.as_str().as_bytes()))
            }
            Err(error) => reply::error(&mut body, to, error),
        }
        self.replies += 1;
        self.push(Outgoing { body: body.into(), what: What::Answer { about } });
    }

    fn push(&mut self, message: Outgoing) {
        if self.closed.is_none() {
            self.unsent += message.body.len();
            self.out.push_back(message);
        }
    }

    /// Forgets a request that was not sent.
    fn unqueue(&mut self, id: i64) {
        let is_it =
            |message: &Outgoing| matches!(message.what, What::Request { id: queued, .. } if queued == id);
        if let Some(at) = self.out.iter().position(is_it)
            && let Some(message) = self.out.remove(at)
        {
            self.unsent -= message.body.len();
        }
    }

    /// Takes a request out of those in flight that the server answers: one that it was sent.
    fn answered(&mut self, id: Option<i64>) -> Option<Pending<K>> {
        if !self.left.is_empty() {
            self.left.retain(|left| id != Some(left.id));
        }
        let id = id.filter(|id| self.pending.get(id).is_some_and(|pending| pending.sent))?;
        self.remove(id)
    }

    /// Takes a request out of those in flight, and its questions out of those that are open.
    fn remove(&mut self, id: i64) -> Option<Pending<K>> {
        let pending = self.pending.remove(&id)?;
        self.calls -= usize::from(pending.kind == Kind::Call);
        if !self.questions.is_empty() {
            let moot = self.questions.iter().filter(|(_, about)| **about == Some(id));
            for question in moot.map(|(question, _)| question.clone()).collect::<Vec<_>>() {
                let error = RpcError::new(Code::INVALID_REQUEST, "the request that asked has ended");
                self.answer(&question, &Err(error));
                self.effects.push(Effect::Withdraw(question));
            }
        }
        Some(pending)
    }
}

#[cfg(test)]
mod tests;

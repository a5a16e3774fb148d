//! Streams that can be resumed, in the revisions that have them: 2025-03-26 to 2025-11-25.
//!
//! A call that becomes a stream there runs in a task of its own, and what it says is [written](StreamWriter) to the store
//! before it is sent. Whoever comes back with the id of an event is [read](StreamReader) the rest, on any server with
//! the same store and state key.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::HeaderName;
use http::{HeaderMap, Response, StatusCode};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use toolpost_protocol::{Id, Version};

use super::answers::{BYTES_WAIT, Instead, empty, events, later, refused};
use super::detached::Owner;
use super::event_id::{StreamKind, StreamName};
use super::event_store::{EventStore, StreamEvents};
use super::events::{EventStream, event};
use super::kept_stream::KeptStream;
use super::relay::{Readers, relay};
use super::stream_reader::{NOT_KEPT, StreamReader, lost};
use super::stream_writer::{Beginning, Outliving, StreamWriter};
use super::{Body, Http};
use crate::Peer;
use crate::service::RequestEnvelope;
use crate::service::session::Session;

const LAST_EVENT_HEADER: HeaderName = HeaderName::from_static("last-event-id");

/// How long a call may be silent before its answer becomes a stream, for clients that are then given an id at once: until
/// they have one, a connection that breaks loses the result.
const UNPROTECTED: Duration = Duration::from_secs(1);

/// What the streams of one server that can be resumed share.
pub(crate) struct Resuming {
    store: Arc<dyn EventStore>,
    readers: Readers,
    /// What writes streams, with a client and without.
    pub(crate) writers: TaskTracker,
    /// Cancelled when calls may not go on after a stop.
    pub(crate) cut_off: CancellationToken,
}

/// A request whose answer, if it is a stream, can be resumed.
pub(super) struct Resumable {
    session: Arc<Session>,
    request: Id,
    address: Option<u64>,
}

/// A session's stream of changes that its client comes back to.
pub(super) struct Resumed {
    kept: KeptStream,
    after: u64,
    first: StreamEvents,
}

impl Resuming {
    pub(crate) fn new(store: Arc<dyn EventStore>) -> Self {
        Self {
            store,
            readers: Readers::default(),
            writers: TaskTracker::new(),
            cut_off: CancellationToken::new(),
        }
    }

    fn kept(&self, name: StreamName, session: &Session, owner: String) -> KeptStream {
        let key = name.key(session);
        KeptStream::new(Arc::clone(&self.store), name, key, owner)
    }
}

impl Resumable {
    /// How long the call may be silent, if it may be for `silence`.
    pub(super) fn patience(this: Option<&Self>, silence: Duration) -> Duration {
        match this.is_some_and(|this| primes(&this.session)) {
            true => silence.min(UNPROTECTED),
            false => silence,
        }
    }
}

impl Http {
    /// Whether the answer to a request of a session that has an id can be resumed.
    pub(super) fn resumable(&self, request: &RequestEnvelope, peer: &Peer) -> Option<Resumable> {
        let session = peer.session.as_ref().filter(|session| has_streams(session))?;
        if self.resuming.is_none() || !request.method.has_rounds() {
            return None;
        }
        let address = peer.address.map(u64::from);
        Some(Resumable { session: Arc::clone(session), request: request.id.clone(), address })
    }

    /// Has a stream written by a task of its own, and kept.
    pub(super) fn keep_stream(
        &self,
        stream: EventStream,
        resumable: Option<Resumable>,
        waited: bool,
    ) -> EventStream {
        let (Some(resuming), Some(Resumable { session, request, address })) = (&self.resuming, resumable)
        else {
            return stream;
        };
        let Some(name) = StreamName::new(StreamKind::Call, Some(&request)) else { return stream };
        let Some(running) = stream.into_running() else { return EventStream::ended() };
        let kept = resuming.kept(name, &session, owner(address, &session));
        let (sender, relay) = relay(resuming.readers.enter(kept.key()));
        let outliving = self.outliving(&session, address);
        let writer = StreamWriter::new(kept, running, Some(sender), outliving, &resuming.cut_off);
        let beginning = match (primes(&session), waited) {
            (true, _) => Beginning::Priming,
            (false, true) => Beginning::Comment,
            (false, false) => Beginning::Nothing,
        };
        resuming.writers.spawn(writer.run(beginning));
        EventStream::relayed(relay, self.limits.keep_alive)
    }

    /// What of a session the client comes back to, if it says so.
    pub(super) fn last_event(&self, headers: &HeaderMap, session: &Session) -> Option<(StreamName, u64)> {
        self.resuming.as_ref().filter(|_| has_streams(session))?;
        StreamName::parse(headers.get(LAST_EVENT_HEADER)?.to_str().ok()?)
    }

    /// Goes on with the stream of a call after the event `after`.
    pub(super) async fn resume_call(
        &self,
        name: StreamName,
        after: u64,
        session: Arc<Session>,
    ) -> Result<Response<Body>, Instead> {
        let Some(resuming) = &self.resuming else { return Ok(empty(StatusCode::NO_CONTENT)) };
        let kept = resuming.kept(name, &session, String::new());
        match kept.read(after).await {
            None => Err(later(BYTES_WAIT, "the events of the stream cannot be read now; try again later")),
            // Another's stream is none.
            Some(None) => match lost(&kept.name, NOT_KEPT).and_then(|reply| reply.bytes) {
                Some(reply) => {
                    let mut out = Vec::new();
                    event(&mut out, None, &reply);
                    let (sender, relay) = relay(Readers::default().enter(""));
                    sender.send_anyway(out.into());
                    Ok(events(EventStream::relayed(relay, self.limits.keep_alive)))
                }
                None => Err(refused(StatusCode::BAD_REQUEST, NOT_KEPT)),
            },
            // To an event source that means not to come again.
            Some(Some(read)) if read.ended && read.events.iter().all(|(_, data)| data.is_empty()) => {
                Ok(empty(StatusCode::NO_CONTENT))
            }
            Some(Some(first)) => {
                let (sender, relay) = relay(resuming.readers.enter(kept.key()));
                let relay =
                    relay.written_by(StreamReader::new(kept, after, session).run(first, sender, None));
                Ok(events(EventStream::relayed(relay, self.limits.keep_alive)))
            }
        }
    }

    /// The stream of changes that the client comes back to; `None` if it is not kept.
    pub(super) async fn resume_session(
        &self,
        name: StreamName,
        after: u64,
        session: &Session,
    ) -> Option<Resumed> {
        let kept = self.resuming.as_ref()?.kept(name, session, String::new()).opened();
        let first = kept.read(after).await??;
        Some(Resumed { kept, after, first })
    }

    /// Has a stream of changes kept, as long as a connection carries it; `resumed` goes on where it was.
    pub(super) fn keep_session_stream(
        &self,
        stream: EventStream,
        session: &Arc<Session>,
        address: Option<u64>,
        resumed: Option<Resumed>,
    ) -> EventStream {
        let Some(resuming) = self.resuming.as_ref().filter(|_| has_streams(session)) else { return stream };
        let kept = match resumed {
            Some(Resumed { kept, after, first }) => {
                let Some(running) = stream.into_running() else { return EventStream::ended() };
                let written = CancellationToken::new();
                let again = resuming.kept(kept.name.clone(), session, String::new()).opened();
                let (sender, relay) = relay(resuming.readers.enter(kept.key()));
                let writer = StreamWriter::new(
                    again,
                    running,
                    None,
                    self.outliving(session, address),
                    &resuming.cut_off,
                );
                let reader = StreamReader::new(kept, after, Arc::clone(session));
                let relay = relay.written_by(async move {
                    let writing = async {
                        writer.run(Beginning::Nothing).await;
                        written.cancel();
                    };
                    tokio::join!(writing, reader.run(first, sender, Some(written.clone())));
                });
                return EventStream::relayed(relay, self.limits.keep_alive);
            }
            None => match StreamName::new(StreamKind::Session, None) {
                Some(name) => resuming.kept(name, session, owner(address, session)),
                None => return stream,
            },
        };
        let Some(running) = stream.into_running() else { return EventStream::ended() };
        let (sender, relay) = relay(resuming.readers.enter(kept.key()));
        let outliving = self.outliving(session, address);
        let writer = StreamWriter::new(kept, running, Some(sender), outliving, &resuming.cut_off);
        let beginning = if primes(session) { Beginning::Priming } else { Beginning::Nothing };
        EventStream::relayed(relay.written_by(writer.run(beginning)), self.limits.keep_alive)
    }

    fn outliving(&self, session: &Session, address: Option<u64>) -> Outliving {
        Outliving::new(self.detached.clone(), Owner::new(&session.principal, address))
    }
}

/// Whether the session's revision has streams that can be resumed.
fn has_streams(session: &Session) -> bool {
    session.agreed().is_some_and(|agreed| Version::V2025_03_26 <= agreed.version)
}

/// Whether its streams begin with an event that has an id and no data. Clients of older revisions read every event.
fn primes(session: &Session) -> bool {
    session.agreed().is_some_and(|agreed| Version::V2025_11_25 <= agreed.version)
}

/// Whom the streams of a session are kept for: its principal, or whoever comes from the same address.
fn owner(address: Option<u64>, session: &Session) -> String {
    let who = match session.principal.is_anonymous() {
        true => blake3::hash(&address.unwrap_or(0).to_be_bytes()),
        false => blake3::hash(session.principal.as_str().as_bytes()),
    };
    URL_SAFE_NO_PAD.encode(who.as_bytes())
}

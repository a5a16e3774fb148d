//! One HTTP request, one answer: the order of checks, and the status of each outcome.

use std::future::ready;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::Either;
use http::header::HeaderName;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method as Verb, Request, Response, StatusCode};
use toolpost_json::Frame;
use toolpost_protocol::{Code, Error, Version, receive};
use toolpost_tool::{InputCapabilities, Principal};

use super::accept::{Accept, readable};
use super::answers::{
    BYTES_WAIT, Instead, SESSION_WAIT, empty, events, later, meter, name_document, no_such_session,
    not_served, refused, response_of, unidentified, whole,
};
use super::collect::{Collected, SMALL, Uncollected, collect};
use super::connection_state::{ConnectionState, HeldBytes, OpenRequest};
use super::detached::{Detached, Owner};
use super::event_id::StreamKind;
use super::events::{EventStream, First, Silent, first};
use super::pooled::PooledCall;
use super::resume::Resumable;
use super::sessions::{InUse, Keeping};
use super::streams::Progress;
use super::{Body, Http, cors};
use crate::service::methods::{InSession, Method};
use crate::service::session::{Agreed, Session};
use crate::service::{Era, Incoming, Outbox, RequestEnvelope, listen, undoubled};
use crate::{Disposition, Peer, Reply, log};

const SESSION_HEADER: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION_HEADER: HeaderName = HeaderName::from_static("mcp-protocol-version");

impl Http {
    /// Answers one request.
    pub(crate) async fn respond<B: http_body::Body>(
        state: Arc<ConnectionState>,
        request: Request<B>,
    ) -> Response<Body> {
        let open = OpenRequest::of(state);
        let (parts, body) = request.into_parts();
        let http2 = parts.version == http::Version::HTTP_2;
        let mut page = None;
        let admitted = match open.http.admit(&parts, &mut page) {
            Ok(()) => match &open.http.authenticate {
                None => Ok(Principal::anonymous()),
                Some(authenticate) => {
                    // Until it is known who asks, the connection may give way as one that still sends.
                    let _receiving = open.state().receive();
                    let limit = open.http.limits.authenticate_timeout;
                    let identified = authenticate.identify(&parts, limit).await;
                    identified.map_err(unidentified)
                }
            },
            Err(instead) => Err(instead),
        };
        let answered = match admitted {
            Ok(principal) => match parts.method {
                Verb::POST => open.http.post(&open, parts, body, principal).await,
                Verb::GET => Box::pin(open.http.tell_session(&open, &parts.headers, &principal)).await,
                Verb::DELETE => open.http.delete(&parts.headers, &principal),
                _ => Err(not_served("only POST is served here")),
            },
            Err(instead) => Err(instead),
        };
        let mut response = answered.unwrap_or_else(|instead| {
            open.leave_unread();
            *instead
        });
        if let (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Some(document)) =
            (response.status(), &open.http.document)
        {
            name_document(&mut response, document);
        }
        let known = response.body().known();
        if http2 || SMALL <= known || response.body().is_stream() {
            meter(&mut response, &open, http2.then(Progress::of_task).flatten());
        }
        if let Some(page) = page {
            cors::expose(&mut response, *page);
        }
        response.body_mut().finish(open);
        response
    }

    /// Checks whether the request may be made at all; an answer is one that `page`, if the request comes from one, may
    /// read too.
    fn admit(&self, parts: &Parts, page: &mut Option<Box<HeaderValue>>) -> Result<(), Instead> {
        let origin = self.host_origin.admit(parts).map_err(|away| {
            log::turned_away(&away.why);
            refused(away.status, away.why)
        })?;
        if let Some(origin) = origin {
            *page = Some(Box::new(origin.clone()));
            // Browsers ask without saying who asks.
            if let Some(response) = cors::preflight(parts) {
                return Err(response);
            }
        }
        Ok(())
    }

    async fn post<B: http_body::Body>(
        &self,
        open: &OpenRequest,
        parts: Parts,
        body: B,
        principal: Principal,
    ) -> Result<Response<Body>, Instead> {
        let Parts { headers, .. } = parts;
        readable(&headers, body.size_hint().exact().is_some())?;
        let accept = Accept::read(&headers);
        if !accept.json {
            return Err(refused(StatusCode::NOT_ACCEPTABLE, "Accept must allow application/json"));
        }
        let Collected { bytes, held } =
            collect(body, self.message_limit, open.state()).await.map_err(|why| self.uncollected(why))?;
        let session = self.session(&headers, &principal)?;
        // Callers without a name are told apart by where they come from.
        let connection = match open.crowd {
            _ if !principal.is_anonymous() => 0,
            Some(crowd) => crowd,
            None => self.service.next_connection(),
        };
        let address = open.address.and(NonZeroU64::new(connection));
        let headers = Some(headers);
        let lost = matches!(session, Found::Unknown);
        let mut peer = Peer { connection, principal, address, headers, session: None, lost };
        if let Found::Session(session) = &session {
            peer.connection = session.number;
            peer.session = Some(Arc::clone(session));
        }
        let frame = match receive(&bytes, &self.service.limits) {
            Ok(frame) => frame,
            Err(refused) => return Ok(whole(self.service.refused(&refused, &peer))),
        };
        match self.service.read(frame, &peer) {
            Incoming::Request(request) if request.era == Era::Modern => {
                // Sessions are of the other era; a header that names one means nothing here.
                (peer.session, peer.connection) = (None, connection);
                Ok(self.modern(request, peer, accept, held).await)
            }
            Incoming::Request(request) => {
                Box::pin(self.legacy(open, request, peer, session, accept, held)).await
            }
            Incoming::Cancel(id) => {
                if peer.session.is_some() {
                    self.service.cancel(&peer, &id);
                }
                Ok(whole(Reply::accepted()))
            }
            Incoming::Batch(frames) => {
                if let Some(session) = peer.session.as_ref().filter(|_| frames.iter().any(is_remembered)) {
                    self.keep(session, open.address)?;
                }
                let (session, owner) = (peer.session.clone().map(InUse), Owner::of(&peer));
                let batch = PooledCall::alone(Arc::clone(&self.service).batch(frames, peer));
                Ok(whole(self.detached(batch.keeping(held).within(session), owner).await))
            }
            Incoming::Done(reply) => Ok(whole(reply)),
        }
    }

    fn modern(
        &self,
        request: RequestEnvelope,
        peer: Peer,
        accept: Accept,
        held: Option<HeldBytes>,
    ) -> impl Future<Output = Response<Body>> + Send {
        if let Some(reply) = self.service.at_once(&request, &peer) {
            return Either::Left(ready(whole(reply)));
        }
        // In a box of its own, as is what belongs to a session: what is rare makes no room for itself
        // in what every connection holds.
        Either::Right(if accept.events && request.wants_events(&peer) {
            Either::Left(Box::pin(self.observed(request, peer, held, None)))
        } else {
            let silence = self.silence(&request, accept);
            let call = self.answering(request, peer, None).keeping(held);
            Either::Right(Silent::new(call, silence).map(response_of))
        })
    }

    /// How long a call may be silent before its answer becomes a stream, if it may.
    fn silence(&self, request: &RequestEnvelope, accept: Accept) -> Option<Duration> {
        (accept.names_events && request.method.has_rounds()).then_some(self.limits.keep_alive)
    }

    async fn legacy(
        &self,
        open: &OpenRequest,
        request: RequestEnvelope,
        mut peer: Peer,
        session: Found,
        accept: Accept,
        held: Option<HeldBytes>,
    ) -> Result<Response<Body>, Instead> {
        let named = matches!(session, Found::Session(_));
        match (request.method.session, session) {
            (InSession::Opens, _) => return self.initialize(&request, peer),
            (InSession::Remembered, Found::Session(session)) => self.keep(&session, open.address)?,
            (_, Found::Session(_)) | (InSession::Anywhere, Found::None) => {}
            (InSession::Within, Found::None) if self.limits.sessionless => {
                let session = self.transient(&peer);
                peer.connection = session.number;
                peer.session = Some(Arc::new(session));
            }
            (_, Found::None | Found::Unknown) => {
                let why =
                    "no Mcp-Session-Id: send `initialize` first, or the headers and _meta of 2026-07-28";
                return Ok(whole(Reply::error(
                    Disposition::Invalid,
                    &request.id,
                    &Error::new(Code::INVALID_REQUEST, why),
                )));
            }
        }
        if let Some(reply) = self.service.at_once(&request, &peer) {
            return Ok(whole(reply));
        }
        if !request.method.has_rounds() {
            return Ok(whole(self.answering(request, peer, None).await));
        }
        let resumable = named.then(|| self.resumable(&request, &peer)).flatten();
        // Here a client that disconnects has not taken its call back.
        if accept.events && request.wants_events(&peer) {
            return Ok(self.observed(request, peer, held, resumable).await);
        }
        let silence = self.silence(&request, accept);
        let silence = silence.map(|silence| Resumable::patience(resumable.as_ref(), silence));
        let owner = Owner::of(&peer);
        let call = self.detached(self.answering(request, peer, None).keeping(held), owner);
        Ok(match Silent::new(call, silence).await {
            First::Events(stream) => events(self.keep_stream(stream, resumable, true)),
            answered => response_of(answered),
        })
    }

    fn initialize(&self, request: &RequestEnvelope, mut peer: Peer) -> Result<Response<Body>, Instead> {
        let session = Arc::new(Session::new(self.service.next_connection(), peer.principal.clone()));
        peer.session = Some(Arc::clone(&session));
        let reply = self.service.at_once(request, &peer).unwrap_or_else(Reply::accepted);
        if session.agreed().is_none() {
            return Ok(whole(reply));
        }
        let Some(id) = self.sessions.seal(&self.service.sealer, &session) else {
            return Err(later(SESSION_WAIT, "the server cannot seal a session now; try again later"));
        };
        let mut response = whole(reply);
        response.headers_mut().insert(SESSION_HEADER, id);
        Ok(response)
    }

    /// Has the session remembered, for what its id does not say.
    fn keep(&self, session: &Arc<Session>, address: Option<IpAddr>) -> Result<(), Instead> {
        match self.sessions.keep(session, address) {
            Keeping::Kept => Ok(()),
            Keeping::Full => {
                Err(later(SESSION_WAIT, "too many sessions are in use; end one, or try again later"))
            }
            Keeping::Ended => Err(no_such_session()),
        }
    }

    /// A session for one request that names none.
    fn transient(&self, peer: &Peer) -> Session {
        let said = peer.headers.as_ref().and_then(|headers| headers.get(VERSION_HEADER)?.to_str().ok());
        let version = said.and_then(|said| Version::parse(undoubled(said)));
        let version = version.filter(|version| !version.is_modern()).unwrap_or(Version::V2025_03_26);
        let session = Session::new(self.service.next_connection(), peer.principal.clone());
        session.agree(Agreed { version, client: InputCapabilities::default() });
        session
    }

    /// Answers a call whose client wants to hear of it: by one JSON object if it is answered before
    /// it says anything, by a stream of events otherwise.
    async fn observed(
        &self,
        request: RequestEnvelope,
        peer: Peer,
        held: Option<HeldBytes>,
        resumable: Option<Resumable>,
    ) -> Response<Body> {
        let outbox = Arc::new(Outbox::default());
        let owner = (request.era == Era::Legacy).then(|| Owner::of(&peer));
        let call = self.answering(request, peer, Some(Arc::clone(&outbox))).keeping(held);
        let call = match owner {
            Some(owner) => PooledCall::alone(self.detached(call, owner)),
            None => call,
        };
        let silence = Resumable::patience(resumable.as_ref(), self.limits.keep_alive);
        match first(call, outbox, silence).await {
            First::Events(stream) => events(self.keep_stream(stream, resumable, false)),
            answered => response_of(answered),
        }
    }

    /// Tells a session of changes, on a stream that ends with it; or goes on with a stream whose connection broke.
    async fn tell_session(
        &self,
        open: &OpenRequest,
        headers: &HeaderMap,
        principal: &Principal,
    ) -> Result<Response<Body>, Instead> {
        let session = match self.session(headers, principal)? {
            Found::Session(session) => session,
            Found::Unknown => return Err(no_such_session()),
            Found::None => return Err(not_served("only a session is told of changes")),
        };
        if !Accept::read(headers).events {
            return Err(refused(StatusCode::NOT_ACCEPTABLE, "Accept must allow text/event-stream"));
        }
        let (mut resumed, mut missed) = (None, false);
        match self.last_event(headers, &session) {
            Some((name, after)) if name.kind == StreamKind::Call => {
                return self.resume_call(name, after, session).await;
            }
            Some((name, after)) => {
                resumed = self.resume_session(name, after, &session).await;
                // What it missed is not known, so that it may be anything.
                missed = resumed.is_none() && 0 < after;
            }
            None => {}
        }
        self.keep(&session, open.address)?;
        let (service, outbox) = (Arc::clone(&self.service), Arc::new(Outbox::default()));
        let (told, used) = (Arc::clone(&outbox), InUse(Arc::clone(&session)));
        // Who listens by another token than the session was opened with may hear of what that token allows.
        let principal = principal.clone();
        let telling = PooledCall::alone(async move {
            listen::tell_session(&service, &used.0, &principal, &told, missed).await
        });
        let stream = EventStream::new(telling, outbox, self.limits.keep_alive);
        let address = open.crowd.filter(|_| open.address.is_some());
        Ok(events(self.keep_session_stream(stream, &session, address, resumed)))
    }

    fn answering(&self, request: RequestEnvelope, peer: Peer, outbox: Option<Arc<Outbox>>) -> PooledCall {
        let session = peer.session.clone().map(InUse);
        self.spare.place(self.service.run(request, peer, outbox)).within(session)
    }

    fn detached(&self, call: PooledCall, owner: Owner) -> Detached {
        Detached::new(call, self.detached.clone(), owner)
    }

    fn delete(&self, headers: &HeaderMap, principal: &Principal) -> Result<Response<Body>, Instead> {
        match self.session(headers, principal)? {
            Found::None => Err(refused(StatusCode::METHOD_NOT_ALLOWED, "there is no session to end")),
            Found::Unknown => Err(no_such_session()),
            Found::Session(session) => {
                self.sessions.end(&session);
                Ok(empty(StatusCode::NO_CONTENT))
            }
        }
    }

    fn session(&self, headers: &HeaderMap, principal: &Principal) -> Result<Found, Instead> {
        let mut values = headers.get_all(SESSION_HEADER).iter();
        let Some(value) = values.next() else { return Ok(Found::None) };
        if values.any(|other| other != value) {
            return Err(refused(StatusCode::BAD_REQUEST, "header Mcp-Session-Id has two different values"));
        }
        let session = self.sessions.find(&self.service.sealer, value, principal);
        // Somebody else's session is no session.
        Ok(session.map_or(Found::Unknown, Found::Session))
    }

    #[cold]
    fn uncollected(&self, why: Uncollected) -> Instead {
        match why {
            // Not read to its end, nor for its id: over HTTP an answer finds its request without.
            Uncollected::TooLarge => {
                let why = format!("message longer than {} bytes", self.message_limit);
                refused(StatusCode::PAYLOAD_TOO_LARGE, why)
            }
            Uncollected::TimedOut => refused(StatusCode::REQUEST_TIMEOUT, "the body took too long to arrive"),
            Uncollected::Broken => refused(StatusCode::BAD_REQUEST, "the body broke off"),
            Uncollected::Busy => {
                later(BYTES_WAIT, "too many bytes are being received or answered; try again later")
            }
        }
    }
}

/// Whether a session has something to remember of this message.
fn is_remembered(message: &Frame) -> bool {
    let method = message.root().member("method").and_then(|name| name.as_str());
    method.is_some_and(|name| Method::find(&name).session == InSession::Remembered)
}

/// What the session header leads to.
enum Found {
    /// There is no such header.
    None,
    /// It names nothing.
    Unknown,
    Session(Arc<Session>),
}

//! One HTTP request, one answer: the order of checks, and the status of each outcome.

use std::future::ready;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::Either;
use http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method as Verb, Request, Response, StatusCode};
use toolpost_protocol::{Code, Error, Frame, Id};
use toolpost_tool::Principal;

use super::answering::Answering;
use super::collect::{Uncollected, collect};
use super::detached::Detached;
use super::events::{EventStream, First, first};
use super::{Body, Http};
use crate::service::session::{Session, SessionId};
use crate::service::{Era, Incoming, Intake, Method, Outbox, listen};
use crate::{Origin, Reply, Unauthenticated};

const SESSION_HEADER: HeaderName = HeaderName::from_static("mcp-session-id");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");

/// A finished answer in place of the one asked for. Boxed: it is the rare case.
type Instead = Box<Response<Body>>;

impl Http {
    /// Answers one request.
    pub(crate) async fn respond<B: http_body::Body>(&self, request: Request<B>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        match self.admit(&parts) {
            Err(instead) => *instead,
            Ok(principal) => match parts.method {
                Verb::POST => self.post(parts, body, principal).await.unwrap_or_else(|instead| *instead),
                Verb::GET => self.tell_session(&parts.headers, &principal),
                Verb::DELETE => self.delete(&parts.headers, &principal),
                _ => {
                    let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "only POST is served here");
                    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST, GET, DELETE"));
                    response
                }
            },
        }
    }

    fn admit(&self, parts: &Parts) -> Result<Principal, Instead> {
        self.gate.admit(parts).map_err(|away| refused(away.status, away.why))?;
        let Some(authenticate) = &self.authenticate else { return Ok(Principal::anonymous()) };
        authenticate.authenticate(parts).map_err(|error| {
            let (status, challenge) = match error {
                Unauthenticated::Challenge(challenge) => (StatusCode::UNAUTHORIZED, challenge),
                Unauthenticated::Insufficient(challenge) => (StatusCode::FORBIDDEN, challenge),
            };
            let mut response = refused(status, "the request carries no sufficient credentials");
            if let Ok(challenge) = challenge.try_into() {
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            }
            response
        })
    }

    async fn post<B: http_body::Body>(
        &self,
        parts: Parts,
        body: B,
        principal: Principal,
    ) -> Result<Response<Body>, Instead> {
        let Parts { headers, .. } = parts;
        if !is_json(&headers) {
            return Err(refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json"));
        }
        if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return Err(refused(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "bodies are taken as they are, not compressed",
            ));
        }
        let accept = Accept::read(&headers);
        if !accept.json {
            return Err(refused(StatusCode::NOT_ACCEPTABLE, "Accept must allow application/json"));
        }
        let bytes = self.body(body).await?;
        let frame = match Frame::parse(bytes, &self.service.limits) {
            Ok(frame) => frame,
            Err(violation) => return Ok(whole(Reply::violation(violation))),
        };
        let session = self.session(&headers, &principal);
        let mut origin = Origin { connection: 0, principal, headers: Some(headers), session: None };
        if let Found::Session(session) = &session {
            origin.connection = session.number;
            origin.session = Some(Arc::clone(session));
        }
        match self.service.read(frame, &origin) {
            Incoming::Request(intake) if intake.era == Era::Modern => {
                // Sessions are of the other era; a header that names one means nothing here.
                origin.session = None;
                Ok(self.modern(intake, origin, accept).await)
            }
            Incoming::Request(intake) => Box::pin(self.legacy(intake, origin, session, accept)).await,
            Incoming::Cancel(id) if matches!(session, Found::Session(_)) => {
                self.service.cancel(&origin, &id);
                Ok(whole(Reply::accepted()))
            }
            Incoming::Cancel(_) => Ok(whole(Reply::accepted())),
            Incoming::Done(reply) if reply.bytes.is_none() && matches!(session, Found::Unknown) => {
                Err(refused(StatusCode::NOT_FOUND, "there is no such session"))
            }
            Incoming::Done(reply) => Ok(whole(reply)),
        }
    }

    fn modern(
        &self,
        intake: Intake,
        origin: Origin,
        accept: Accept,
    ) -> impl Future<Output = Response<Body>> + Send {
        if let Some(reply) = self.service.at_once(&intake, &origin) {
            return Either::Left(ready(whole(reply)));
        }
        // In a box of its own, as is what belongs to a session: what is rare makes no room for itself
        // in what every connection holds.
        Either::Right(if accept.events && intake.wants_events(&origin) {
            Either::Left(Box::pin(self.observed(intake, origin)))
        } else {
            Either::Right(self.answering(intake, origin, None).map(whole))
        })
    }

    async fn legacy(
        &self,
        intake: Intake,
        origin: Origin,
        session: Found,
        accept: Accept,
    ) -> Result<Response<Body>, Instead> {
        match (intake.method, session) {
            (Method::Initialize, _) => return self.initialize(&intake, origin),
            (_, Found::Session(_)) | (Method::Ping, Found::None) => {}
            (_, Found::Unknown) => return Err(refused(StatusCode::NOT_FOUND, "there is no such session")),
            (_, Found::None) => {
                let why =
                    "no Mcp-Session-Id: send `initialize` first, or the headers and _meta of 2026-07-28";
                return Ok(whole(Reply::error(
                    StatusCode::BAD_REQUEST,
                    &intake.id,
                    &Error::new(Code::INVALID_REQUEST, why),
                )));
            }
        }
        if let Some(reply) = self.service.at_once(&intake, &origin) {
            return Ok(whole(reply));
        }
        if !intake.method.runs() {
            return Ok(whole(self.answering(intake, origin, None).await));
        }
        // Here a client that disconnects has not taken its call back.
        if accept.events && intake.wants_events(&origin) {
            return Ok(self.observed(intake, origin).await);
        }
        Ok(whole(self.detached(self.answering(intake, origin, None)).await))
    }

    fn initialize(&self, intake: &Intake, mut origin: Origin) -> Result<Response<Body>, Instead> {
        let session = Arc::new(Session::new(self.service.next_connection(), origin.principal.clone()));
        origin.session = Some(Arc::clone(&session));
        let reply = self.service.at_once(intake, &origin).unwrap_or_else(Reply::accepted);
        if session.agreed().is_none() {
            return Ok(whole(reply));
        }
        let Some(id) = self.sessions.open(session) else {
            return Err(refused(StatusCode::SERVICE_UNAVAILABLE, "too many sessions; try again later"));
        };
        let mut response = whole(reply);
        if let Some(id) = id.header() {
            response.headers_mut().insert(SESSION_HEADER, id);
        }
        Ok(response)
    }

    /// Answers a call whose client wants to hear of it: by one JSON object if it is answered before
    /// it says anything, by a stream of events otherwise.
    async fn observed(&self, intake: Intake, origin: Origin) -> Response<Body> {
        let outbox = Arc::new(Outbox::default());
        let legacy = intake.era == Era::Legacy;
        let call = self.answering(intake, origin, Some(Arc::clone(&outbox)));
        let call = if legacy { Answering::alone(self.detached(call)) } else { call };
        match first(call, outbox, self.limits.keep_alive).await {
            First::Reply(reply) => whole(reply),
            First::Events(stream) => events(stream),
        }
    }

    /// Tells a session of changes, on a stream that ends with it.
    fn tell_session(&self, headers: &HeaderMap, principal: &Principal) -> Response<Body> {
        let session = match self.session(headers, principal) {
            Found::Session(session) => session,
            Found::Unknown => return refusal(StatusCode::NOT_FOUND, "there is no such session"),
            Found::None => {
                let mut response =
                    refusal(StatusCode::METHOD_NOT_ALLOWED, "only a session is told of changes");
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST, GET, DELETE"));
                return response;
            }
        };
        if !Accept::read(headers).events {
            return refusal(StatusCode::NOT_ACCEPTABLE, "Accept must allow text/event-stream");
        }
        let (service, outbox) = (Arc::clone(&self.service), Arc::new(Outbox::default()));
        let told = Arc::clone(&outbox);
        let telling = Answering::alone(async move { listen::tell_session(&service, &session, &told).await });
        events(EventStream::new(telling, outbox, self.limits.keep_alive))
    }

    fn answering(&self, intake: Intake, origin: Origin, outbox: Option<Arc<Outbox>>) -> Answering {
        self.spare.place(self.service.run(intake, origin, outbox))
    }

    fn detached(&self, call: Answering) -> Detached {
        Detached::new(call, self.detached.clone(), self.limits.detached_calls)
    }

    fn delete(&self, headers: &HeaderMap, principal: &Principal) -> Response<Body> {
        match self.session(headers, principal) {
            Found::None => refusal(StatusCode::METHOD_NOT_ALLOWED, "there is no session to end"),
            Found::Unknown => refusal(StatusCode::NOT_FOUND, "there is no such session"),
            Found::Session(_) => {
                if let Some(id) = headers.get(SESSION_HEADER).and_then(SessionId::parse) {
                    self.sessions.close(&id);
                }
                empty(StatusCode::NO_CONTENT)
            }
        }
    }

    fn session(&self, headers: &HeaderMap, principal: &Principal) -> Found {
        let Some(value) = headers.get(SESSION_HEADER) else { return Found::None };
        let session = SessionId::parse(value).and_then(|id| self.sessions.find(&id));
        match session {
            // Somebody else's session is no session.
            Some(session) if session.principal == *principal => Found::Session(session),
            _ => Found::Unknown,
        }
    }

    async fn body<B: http_body::Body>(&self, body: B) -> Result<Bytes, Instead> {
        let collected = collect(body, self.message_limit, self.limits.body_timeout).await;
        collected.map_err(|why| match why {
            Uncollected::TooLarge => Box::new(whole(Reply::too_large(self.message_limit))),
            Uncollected::TimedOut => refused(StatusCode::REQUEST_TIMEOUT, "the body took too long to arrive"),
            Uncollected::Broken => refused(StatusCode::BAD_REQUEST, "the body broke off"),
        })
    }
}

/// What the session header leads to.
enum Found {
    /// There is no such header.
    None,
    /// It names nothing.
    Unknown,
    Session(Arc<Session>),
}

/// What the client takes for an answer.
#[derive(Clone, Copy, Debug)]
struct Accept {
    json: bool,
    events: bool,
}

impl Accept {
    fn read(headers: &HeaderMap) -> Self {
        let mut accept = Self { json: false, events: false };
        let mut none = true;
        for value in headers.get_all(ACCEPT) {
            none = false;
            // The form nearly every client sends.
            if value.as_bytes() == b"application/json, text/event-stream" {
                return Self { json: true, events: true };
            }
            for range in value.as_bytes().split(|byte| *byte == b',') {
                let range = range.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
                accept.json |= is_any(range, &[b"application/json", b"application/*", b"*/*"]);
                accept.events |= is_any(range, &[b"text/event-stream", b"text/*", b"*/*"]);
            }
        }
        Self { json: accept.json | none, events: accept.events | none }
    }
}

fn is_any(range: &[u8], of: &[&[u8]]) -> bool {
    of.iter().any(|known| range.eq_ignore_ascii_case(known))
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| {
        let kind = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
        kind.trim_ascii().eq_ignore_ascii_case(b"application/json")
    })
}

/// An answer that is a stream of events.
fn events(stream: EventStream) -> Response<Body> {
    let mut response = Response::new(Body::events(stream));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, EVENTS);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// A reply as one body.
fn whole(reply: Reply) -> Response<Body> {
    let Some(bytes) = reply.bytes else { return empty(reply.status) };
    let mut response = Response::new(Body::whole(bytes, reply.shared));
    *response.status_mut() = reply.status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// An answer to a request that is not even read: a JSON-RPC error without an id.
#[cold]
pub(super) fn refusal(status: StatusCode, why: &'static str) -> Response<Body> {
    whole(Reply::error(status, &Id::NULL, &Error::new(Code::INVALID_REQUEST, why)))
}

#[cold]
fn refused(status: StatusCode, why: &'static str) -> Instead {
    Box::new(refusal(status, why))
}

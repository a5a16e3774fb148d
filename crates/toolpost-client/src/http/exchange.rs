//! One request from its sending to its answer.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use toolpost_protocol::Version;

use super::answer::{Answer, BadAnswer, Messages};
use super::carrier::{Carrier, Unanswered};
use super::sessions::Session;
use super::wire::{Ask, Head};
use crate::core::{Outgoing, What};
use crate::shared::Shared;
use crate::{ClientError, clock};

/// A stream is resumed so many times in a row without anything new.
const RESUMED: u32 = 5;

/// The wait before a stream is resumed: if the server does not say, and at most.
const RESUME_AFTER: Duration = Duration::from_millis(500);
const RESUME_WITHIN: Duration = Duration::from_secs(30);

/// A session is made again so many times for one request.
const REMADE: u32 = 2;

/// One request.
struct Request<'a> {
    id: i64,
    body: &'a Bytes,
    method: &'a str,
    name: Option<&'a str>,
}

impl Carrier {
    /// Carries a request to the server, and what comes on its stream to `shared`, until it is answered or has failed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the stream.
    pub(crate) async fn carry(self: Arc<Self>, shared: Arc<Shared>, message: Outgoing) {
        let What::Request { id, method, name } = &message.what else { return };
        let request = Request { id: *id, body: &message.body, method, name: name.as_deref() };
        if let Err(error) = self.exchange(&shared, &request).await {
            shared.fail(*id, error);
        }
    }

    async fn exchange(&self, shared: &Shared, request: &Request<'_>) -> Result<(), ClientError> {
        let (mut remade, mut repeated) = (0, false);
        loop {
            let version = version_of(shared, request.method);
            let session = match version {
                Some(version) if !version.is_modern() => Some(self.sessions.ready().await),
                _ => None,
            };
            let why = match self.once(shared, request, version, session.as_ref()).await {
                Ok(()) => return Ok(()),
                Err(why) => why,
            };
            match (why, session, version) {
                (Unanswered::SessionGone, Some(session), Some(version)) if remade < REMADE => {
                    remade += 1;
                    if self.remake(session.number, version).await? {
                        // Whatever was there may be so no more.
                        shared.tell_lists_changed();
                    }
                }
                (Unanswered::SessionGone, ..) => {
                    return Err(ClientError::NotConnected("the server forgets its sessions at once".into()));
                }
                (Unanswered::Lost(_), ..) if !repeated && is_repeatable(request.method) => repeated = true,
                (Unanswered::Lost(why), ..) => return Err(ClientError::ConnectionLost(why)),
                (Unanswered::Failed(error), ..) => return Err(error),
            }
        }
    }

    async fn once(
        &self,
        shared: &Shared,
        request: &Request<'_>,
        version: Option<Version>,
        session: Option<&Session>,
    ) -> Result<(), Unanswered> {
        let modern = version.is_some_and(Version::is_modern);
        let params = match modern && request.method == "tools/call" {
            true => self.mirrored.headers(request.name, request.body),
            false => Vec::new(),
        };
        let head = Head {
            version,
            session: session.and_then(|session| session.id.as_ref()),
            method: modern.then_some(request.method),
            name: request.name.filter(|_| modern),
            params: &params,
            is_aside: false,
        };
        let sent = self.wire.send(Ask::Post(request.body.clone()), head).await;
        let (answer, headers) = sent.map_err(|failed| self.failed(failed))?;
        let in_session = session.is_some_and(|session| session.id.is_some());
        let messages = match answer {
            Answer::Messages(messages) => messages,
            Answer::Refused(refused) => return Err(self.refused(&refused, in_session)),
            Answer::Accepted => {
                let why = "the server took the request and does not answer it (202)";
                return Err(Unanswered::Failed(ClientError::malformed(why)));
            }
        };
        if request.method == "initialize" {
            self.sessions.opened(request.body.clone(), &headers);
        }
        self.hear(shared, request, version, session, messages).await
    }

    /// Hands on what comes, until the request is answered.
    async fn hear(
        &self,
        shared: &Shared,
        request: &Request<'_>,
        version: Option<Version>,
        session: Option<&Session>,
        mut messages: Messages,
    ) -> Result<(), Unanswered> {
        let mut last: Option<Bytes> = None;
        let mut tries = 0;
        loop {
            let why = match messages.next().await {
                Ok(Some(message)) => {
                    if request.method == "tools/list" {
                        self.mirrored.learn(&message);
                    }
                    shared.receive(&message, Some(request.id));
                    if shared.is_open(request.id) {
                        continue;
                    }
                    // The end of the stream comes with its last message, as a rule; read, its connection is kept.
                    let _end = pin!(messages.next()).now_or_never();
                    return Ok(());
                }
                Ok(None) if messages.stream().is_none() => {
                    let why = "the answer is no answer to the request";
                    return Err(Unanswered::Failed(ClientError::malformed(why)));
                }
                Ok(None) => Arc::from("the stream ended before the answer"),
                Err(BadAnswer::Broken(why)) => Arc::from(why),
                Err(bad) => return Err(self.bad(bad)),
            };
            // Only sessions have streams that can be resumed.
            let session = session.ok_or_else(|| Unanswered::Lost(Arc::clone(&why)))?;
            let (id, wait) = match messages.stream() {
                Some(stream) => (stream.last_id().cloned(), stream.retry()),
                None => (None, None),
            };
            let Some(id) = id.or_else(|| last.clone()) else { return Err(Unanswered::Lost(why)) };
            if last.as_ref() != Some(&id) {
                tries = 0;
                last = Some(id.clone());
            }
            let wait = wait.unwrap_or(RESUME_AFTER).min(RESUME_WITHIN);
            messages = self.resume(version, session, &id, wait, &mut tries, &why).await?;
        }
    }

    /// The rest of a stream after the event `id`.
    async fn resume(
        &self,
        version: Option<Version>,
        session: &Session,
        id: &Bytes,
        wait: Duration,
        tries: &mut u32,
        why: &Arc<str>,
    ) -> Result<Messages, Unanswered> {
        loop {
            if *tries == RESUMED {
                return Err(Unanswered::Lost(Arc::clone(why)));
            }
            clock::sleep(wait.saturating_mul(1 << *tries).min(RESUME_WITHIN)).await;
            *tries += 1;
            let head = Head { version, session: session.id.as_ref(), ..Head::default() };
            match self.wire.send(Ask::Get(Some(id)), head).await {
                Ok((Answer::Messages(messages), _)) if messages.stream().is_some() => return Ok(messages),
                // Nothing comes any more, or it was never kept; or the session is gone, which has taken the request.
                Ok((Answer::Refused(refused), _))
                    if matches!(refused.status.as_u16(), 408 | 425 | 429 | 500..) => {}
                Ok(_) => return Err(Unanswered::Lost(Arc::clone(why))),
                Err(_broken) => {}
            }
        }
    }
}

/// The revision that the headers of a request name; none before there is one.
fn version_of(shared: &Shared, method: &str) -> Option<Version> {
    match method {
        "initialize" => None,
        "server/discover" => Some(Version::LATEST),
        _ => shared.version(),
    }
}

/// Whether a request may be made twice by what the protocol says of it.
fn is_repeatable(method: &str) -> bool {
    matches!(
        method,
        "server/discover"
            | "initialize"
            | "ping"
            | "tools/list"
            | "resources/list"
            | "resources/templates/list"
            | "resources/read"
            | "prompts/list"
            | "prompts/get"
            | "completion/complete"
            | "resources/subscribe"
            | "resources/unsubscribe"
            | "logging/setLevel"
            | "tasks/get"
    )
}

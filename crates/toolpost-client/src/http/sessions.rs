//! The session that a server of the older revisions keeps for a client, and how it is made again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use tokio::sync::watch;
use toolpost_protocol::{Limits, Message, Version, receive};

use super::answer::Answer;
use super::carrier::{Carrier, Unanswered};
use super::wire::{Ask, Head, SESSION};
use crate::ClientError;

/// The session, if the server keeps one.
#[derive(Debug)]
pub(super) struct Sessions {
    current: Mutex<Current>,
    /// How many have been opened, and taken to be open by the server.
    ready: watch::Sender<u64>,
    /// Held by whoever makes the session again.
    remaking: tokio::sync::Mutex<()>,
}

#[derive(Clone, Debug, Default)]
struct Current {
    id: Option<HeaderValue>,
    /// Counts the sessions: the first one is 1.
    number: u64,
    /// The `initialize` that opened it.
    opening: Bytes,
}

/// A session as one request sees it.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) id: Option<HeaderValue>,
    pub(super) number: u64,
}

const INITIALIZED: Bytes = Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);

/// How long it may take to make a session again.
const REMAKING: Duration = Duration::from_secs(30);

impl Default for Sessions {
    fn default() -> Self {
        Self {
            current: Mutex::default(),
            ready: watch::channel(0).0,
            remaking: tokio::sync::Mutex::default(),
        }
    }
}

impl Sessions {
    /// The server has answered the `initialize` with these headers.
    pub(super) fn opened(&self, opening: Bytes, headers: &HeaderMap) -> u64 {
        let mut current = self.lock();
        current.id = headers.get(SESSION).cloned();
        current.number += 1;
        current.opening = opening;
        current.number
    }

    /// The server knows that the client is ready: requests may come.
    pub(super) fn confirmed(&self) {
        let number = self.lock().number;
        self.ready.send_replace(number);
    }

    /// The session, once requests may come in it.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost by dropping the future.
    pub(super) async fn ready(&self) -> Session {
        let session = self.session();
        if session.number == *self.ready.borrow() {
            return session;
        }
        let mut ready = self.ready.subscribe();
        // `self` keeps the sender.
        let _open = ready.wait_for(|number| *number == self.lock().number).await;
        self.session()
    }

    /// Whether requests may come in the session.
    pub(super) fn is_ready(&self) -> bool {
        self.lock().number == *self.ready.borrow()
    }

    /// The session as it is.
    pub(super) fn session(&self) -> Session {
        let current = self.lock();
        Session { id: current.id.clone(), number: current.number }
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Carrier {
    /// Makes the session again after the one with this number is gone; says whether it was this caller who did it.
    ///
    /// # Errors
    ///
    /// If the server does not open one, or one of another revision.
    ///
    /// # Cancel safety
    ///
    /// Whoever waits next makes the session.
    pub(super) async fn remake(&self, gone: u64, version: Version) -> Result<bool, ClientError> {
        let _one = self.sessions.remaking.lock().await;
        let current = self.sessions.lock().clone();
        if current.number != gone {
            return Ok(false);
        }
        let remade = tokio::time::timeout(REMAKING, self.reopen(current.opening, version)).await;
        match remade {
            Ok(Ok(())) => Ok(true),
            Ok(Err(Unanswered::Failed(error))) => Err(error),
            Ok(Err(Unanswered::Lost(why))) => Err(not_remade(&why)),
            Ok(Err(Unanswered::SessionGone)) => Err(not_remade("the server forgets it at once")),
            Err(_elapsed) => Err(not_remade(&format!("no answer within {REMAKING:?}"))),
        }
    }

    async fn reopen(&self, opening: Bytes, version: Version) -> Result<(), Unanswered> {
        let sent = self.wire.send(Ask::Post(opening.clone()), Head::default()).await;
        let (answer, headers) = sent.map_err(|failed| self.failed(failed))?;
        let mut messages = match answer {
            Answer::Messages(messages) => messages,
            Answer::Refused(refused) => return Err(self.refused(&refused, false)),
            Answer::Accepted => return Err(Unanswered::Lost("`initialize` is not answered".into())),
        };
        loop {
            let next = messages.next().await.map_err(|bad| self.bad(bad))?;
            let Some(message) = next else {
                return Err(Unanswered::Lost("`initialize` is not answered".into()));
            };
            let Ok(frame) = receive(&message, &Limits::new().bytes(self.limit)) else { continue };
            let Ok(Message::Response { outcome, .. }) = Message::read(&frame) else { continue };
            let result = outcome
                .map_err(|error| Unanswered::Failed(ClientError::Refused(crate::core::error_of(error))))?;
            let agreed = result.member("protocolVersion").and_then(|version| version.as_str());
            if agreed.as_deref() != Some(version.as_str()) {
                let now = agreed.unwrap_or_default().chars().take(32).collect::<String>();
                let why = format!("the server spoke {version}, and now speaks `{now}`: connect again");
                return Err(Unanswered::Failed(ClientError::NotConnected(why.into())));
            }
            break;
        }
        // Read to its end, the connection is kept.
        let _rest = messages.next().await;
        self.post(INITIALIZED, Some(version), headers.get(SESSION), REMAKING).await?;
        // At once, and last: whoever is dropped before leaves the session that is gone, which the next one makes again.
        self.sessions.opened(opening, &headers);
        self.sessions.confirmed();
        Ok(())
    }
}

fn not_remade(why: &str) -> ClientError {
    ClientError::NotConnected(Arc::from(format!("the session is gone, and a new one was not opened: {why}")))
}

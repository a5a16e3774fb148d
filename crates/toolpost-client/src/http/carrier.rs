//! What carries the messages of one client.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use toolpost_protocol::{Code, Limits, Message, Version, receive};

use super::HttpTarget;
use super::answer::{Answer, BadAnswer, Refused};
use super::mirrored::Mirrored;
use super::sessions::Sessions;
use super::wire::{Ask, Failed, Head, Wire};
use crate::core::error_of;
use crate::{ClientError, RpcError};

/// Carries messages to one server, each by a request of its own.
#[derive(Debug)]
pub(crate) struct Carrier {
    pub(super) wire: Wire,
    pub(super) sessions: Sessions,
    pub(super) mirrored: Mirrored,
    pub(super) limit: usize,
}

/// Why a request was not answered.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// The server has forgotten the session, and so has not taken the request.
    SessionGone,
    /// The answer broke off, or never came: what became of the request is unknown.
    Lost(Arc<str>),
    /// Anything else.
    Failed(ClientError),
}

impl Carrier {
    /// To `target`, for messages of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// [`ClientError::InvalidTarget`].
    pub(crate) fn new(target: HttpTarget, limit: usize) -> Result<Self, ClientError> {
        Ok(Self {
            wire: target.wire(limit)?,
            sessions: Sessions::default(),
            mirrored: Mirrored::default(),
            limit,
        })
    }

    /// Posts what has no answer.
    pub(super) async fn post(
        &self,
        body: Bytes,
        version: Option<Version>,
        session: Option<&HeaderValue>,
        time: Duration,
    ) -> Result<(), Unanswered> {
        let head = Head { version, session, is_aside: true, ..Head::default() };
        match tokio::time::timeout(time, self.wire.send(Ask::Post(body), head)).await {
            Ok(Ok((Answer::Refused(refused), _))) => Err(self.refused(&refused, session.is_some())),
            // Whatever else it says.
            Ok(Ok(_)) => Ok(()),
            Ok(Err(failed)) => Err(self.failed(failed)),
            Err(_elapsed) => Err(Unanswered::Lost(format!("no answer within {time:?}").into())),
        }
    }

    pub(super) fn failed(&self, failed: Failed) -> Unanswered {
        match failed {
            Failed::Before(why) => Unanswered::Failed(ClientError::NotConnected(why.into())),
            Failed::After(why) => Unanswered::Lost(why.into()),
            Failed::Answer(bad) => self.bad(bad),
        }
    }

    pub(super) fn bad(&self, bad: BadAnswer) -> Unanswered {
        match bad {
            BadAnswer::TooLarge => Unanswered::Failed(ClientError::TooLarge { limit: self.limit }),
            BadAnswer::Malformed(why) => Unanswered::Failed(ClientError::malformed(why)),
            BadAnswer::Broken(why) => Unanswered::Lost(why.into()),
        }
    }

    /// What a refusal means.
    pub(super) fn refused(&self, refused: &Refused, in_session: bool) -> Unanswered {
        let status = refused.status.as_u16();
        let told = refused.message.as_ref().and_then(told);
        Unanswered::Failed(match (status, told) {
            (401 | 403, _) => {
                ClientError::Unauthorized { status, challenge: refused.challenge.as_deref().map(Arc::from) }
            }
            (429 | 503, _) => ClientError::Unavailable { status, retry_after: refused.retry_after },
            (404, told)
                if in_session && told.as_ref().is_none_or(|error| error.code() != Code::METHOD_NOT_FOUND) =>
            {
                return Unanswered::SessionGone;
            }
            (_, Some(error)) => ClientError::Refused(error),
            (_, None) => ClientError::BadStatus { status },
        })
    }
}

/// The error that the body of a refusal tells.
fn told(message: &Bytes) -> Option<RpcError> {
    let frame = receive(message, &Limits::new()).ok()?;
    match Message::read(&frame).ok()? {
        Message::Response { outcome: Err(error), .. } => Some(error_of(error)),
        _ => None,
    }
}

//! What a server answers to one HTTP request: nothing, messages, or a refusal.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::connections::{BadBody, Body};
use super::events::EventReader;

/// A refusal that is longer than this is not read.
const REFUSAL: usize = 1 << 20;

/// A challenge is kept up to this length.
const CHALLENGE: usize = 4 << 10;

/// An answer to a request.
#[derive(Debug)]
pub(super) enum Answer {
    /// It was taken, and there is nothing to say.
    Accepted,
    /// One message, or a stream of them.
    Messages(Messages),
    /// It was not taken.
    Refused(Refused),
}

/// Why a request was not taken.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    /// What `WWW-Authenticate` says.
    pub(super) challenge: Option<String>,
    /// After how long to ask again.
    pub(super) retry_after: Option<Duration>,
    /// The body, if it is JSON.
    pub(super) message: Option<Bytes>,
}

/// What is wrong with an answer.
#[derive(Clone, Debug)]
pub(super) enum BadAnswer {
    /// A message has more than so many bytes.
    TooLarge,
    /// It is none that a server of MCP gives.
    Malformed(String),
    /// It ends before its end.
    Broken(String),
}

/// Messages as they come.
#[derive(Debug)]
pub(super) enum Messages {
    One(Option<Body>, usize),
    Stream(Box<Stream>),
}

/// A stream of events, each a message.
#[derive(Debug)]
pub(super) struct Stream {
    body: Option<Body>,
    events: EventReader,
}

impl Answer {
    /// Reads the head of an answer whose messages have at most `limit` bytes, and the body of a refusal.
    ///
    /// # Errors
    ///
    /// [`BadAnswer`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub(super) async fn read(response: Response<Body>, limit: usize) -> Result<Self, BadAnswer> {
        let (head, body) = response.into_parts();
        let kind = Kind::of(&head.headers);
        if !head.status.is_success() {
            let message = match kind {
                Kind::Json if !is_encoded(&head.headers) => body.collect(limit.min(REFUSAL)).await.ok(),
                _ => None,
            };
            return Ok(Self::Refused(Refused {
                status: head.status,
                challenge: head
                    .headers
                    .get(WWW_AUTHENTICATE)
                    .map(|value| printable(value.as_bytes(), CHALLENGE)),
                retry_after: seconds(&head.headers),
                message,
            }));
        }
        if matches!(head.status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT) {
            // Nobody needs what a body says; read to its end, the connection is kept.
            drop(body.collect(REFUSAL).await);
            return Ok(Self::Accepted);
        }
        if is_encoded(&head.headers) {
            let coding = head.headers.get(CONTENT_ENCODING).map(|value| printable(value.as_bytes(), 64));
            let coding = coding.unwrap_or_default();
            return Err(BadAnswer::Malformed(format!(
                "the answer is encoded ({coding}), which was not asked for"
            )));
        }
        match kind {
            Kind::Json => Ok(Self::Messages(Messages::One(Some(body), limit))),
            Kind::Events => Ok(Self::Messages(Messages::Stream(Box::new(Stream {
                body: Some(body),
                events: EventReader::new(limit),
            })))),
            Kind::Other(kind) => Err(BadAnswer::Malformed(format!(
                "the answer ({}) is {kind}, neither application/json nor text/event-stream: is this the URL of an MCP server?",
                head.status.as_u16()
            ))),
        }
    }
}

impl Messages {
    /// The next message; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`BadAnswer`]; nothing comes after it.
    ///
    /// # Cancel safety
    ///
    /// Of a stream nothing is lost by dropping the future; a message that comes alone is.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, BadAnswer> {
        match self {
            Self::One(body, limit) => match body.take() {
                Some(body) => Ok(Some(body.collect(*limit).await?)),
                None => Ok(None),
            },
            Self::Stream(stream) => stream.next().await,
        }
    }

    /// The stream, if that is how they come.
    pub(super) const fn stream(&self) -> Option<&Stream> {
        match self {
            Self::Stream(stream) => Some(stream),
            Self::One(..) => None,
        }
    }
}

impl Stream {
    /// The id of the event after which the stream can be resumed.
    pub(super) fn last_id(&self) -> Option<&Bytes> {
        self.events.last_id().filter(|id| !id.is_empty() && HeaderValue::from_bytes(id).is_ok())
    }

    /// How long to wait before the stream is resumed, as the server asks.
    pub(super) const fn retry(&self) -> Option<Duration> {
        self.events.retry()
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BadAnswer> {
        loop {
            match self.events.next() {
                Ok(Some(message)) => return Ok(Some(message)),
                Ok(None) => {}
                Err(_too_long) => {
                    self.body = None;
                    return Err(BadAnswer::TooLarge);
                }
            }
            let Some(body) = &mut self.body else { return Ok(None) };
            match body.next().await {
                Some(Ok(piece)) => self.events.push(piece),
                Some(Err(why)) => {
                    self.body = None;
                    return Err(BadAnswer::Broken(why));
                }
                None => self.body = None,
            }
        }
    }
}

impl From<BadBody> for BadAnswer {
    fn from(bad: BadBody) -> Self {
        match bad {
            BadBody::TooLarge => Self::TooLarge,
            BadBody::Broken(why) => Self::Broken(why),
        }
    }
}

enum Kind {
    Json,
    Events,
    Other(String),
}

impl Kind {
    fn of(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(CONTENT_TYPE) else {
            return Self::Other("without a content type".into());
        };
        let kind = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        if kind.eq_ignore_ascii_case(b"application/json") {
            Self::Json
        } else if kind.eq_ignore_ascii_case(b"text/event-stream") {
            Self::Events
        } else {
            Self::Other(printable(kind, 64))
        }
    }
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// What `Retry-After` says in seconds. (A date would need the clocks of both sides to agree.)
fn seconds(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// The beginning of what a server says, fit for an error and a log.
fn printable(bytes: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(most)]);
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

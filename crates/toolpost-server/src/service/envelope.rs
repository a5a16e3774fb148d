//! Reads the envelope and chooses the era: per request, from the request itself.

use toolpost_json::{Frame, Kind, Node, NodeId};
use toolpost_protocol::{Code, Era, Error, Id, Malformed, Message, MetaIndex, Version, meta as keys};

use super::methods::{InSession, Method};
use super::reply::Refusal;
use super::result::failed;
use super::session::Agreed;
use super::{Service, headers};
use crate::{Disposition, Peer, Reply};

/// The most messages that one batch may have.
const MOST_OF_A_BATCH: usize = 64;

/// What became of a received message.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A request that is to be answered.
    Request(RequestEnvelope),
    /// The client takes the call with this id back.
    Cancel(Id),
    /// The messages of a batch, each to be dealt with as if it had come alone.
    Batch(Vec<Frame>),
    /// It has been dealt with.
    Done(Reply),
}

/// A request whose envelope and era are known.
#[derive(Debug)]
pub(crate) struct RequestEnvelope {
    pub(crate) frame: Frame,
    pub(crate) id: Id,
    pub(crate) params: Option<NodeId>,
    pub(crate) method: &'static Method,
    pub(crate) meta: MetaIndex,
    pub(crate) era: Era,
}

impl RequestEnvelope {
    /// Whether the client wants to hear of the request before it is answered.
    pub(crate) fn wants_events(&self, peer: &Peer) -> bool {
        let session_does = || {
            peer.session.as_ref().is_some_and(|session| {
                session.log_level().is_some() || session.agreed().is_some_and(Agreed::can_be_asked)
            })
        };
        self.method.is_stream()
            || self.method.has_rounds()
                && (self.meta.has_progress_token()
                    || match self.era {
                        Era::Modern => self.meta.has_log_level(),
                        Era::Legacy => session_does(),
                    })
    }

    /// The answer that there is no such method, or nothing that it could be asked of.
    #[cold]
    pub(crate) fn unknown_method(&self) -> Reply {
        let name = self.frame.root().member("method").and_then(|node| node.as_str()).unwrap_or_default();
        let shown: String = name.chars().take(80).collect();
        let error = Error::new(Code::METHOD_NOT_FOUND, format!("method `{shown}` not found"));
        failed(self.era, &self.id, &error)
    }
}

impl Service {
    /// Reads one message; only requests are left for [`answer`](Self::answer).
    pub(crate) fn read(&self, frame: Frame, peer: &Peer) -> Incoming {
        let message = match Message::read(&frame) {
            Ok(message) => message,
            Err(Malformed { meant, error, .. }) => {
                return Incoming::Done(self.refuse(&meant, Disposition::Invalid, &error, peer));
            }
        };
        match message {
            Message::Request { id, method, params } => {
                let meta = MetaIndex::read(params);
                let known = Method::find(&method);
                let era = match era(&frame, &meta, known, peer) {
                    Ok(Era::Modern) => headers::agree(self, peer, known, &method, params)
                        .and_then(|()| standing(&frame, &meta))
                        .map(|()| Era::Modern),
                    other => other,
                };
                let (method, params) = (known, params.map(|node| node.id()));
                match era {
                    Ok(era) => Incoming::Request(RequestEnvelope { frame, id, params, method, meta, era }),
                    Err((disposition, error)) => Incoming::Done(Reply::error(disposition, &id, &error)),
                }
            }
            Message::Notification { .. } | Message::Response { .. } if peer.lost => {
                let (disposition, error) = lost();
                Incoming::Done(Reply::unaddressed(disposition, &error, peer))
            }
            Message::Notification { method, params } => match &*method {
                "notifications/cancelled" => {
                    match params.and_then(|params| params.member("requestId")).and_then(Id::read) {
                        Some(id) => Incoming::Cancel(id),
                        None => Incoming::Done(Reply::accepted()),
                    }
                }
                _ => Incoming::Done(Reply::accepted()),
            },
            // Only within a session can anything have been asked of the client.
            Message::Response { .. } if peer.headers.is_some() && peer.session.is_none() => {
                let error =
                    Error::new(Code::INVALID_REQUEST, "nothing was asked, so nothing can be answered");
                Incoming::Done(Reply::nameless(Disposition::Invalid, &error))
            }
            Message::Response { id, outcome } => {
                if let (Some(id), Some(session)) = (id, &peer.session) {
                    session.answered(
                        &id,
                        match outcome {
                            Ok(result) => Ok(result.raw().to_owned()),
                            Err(error) => Err(refusal_of(error)),
                        },
                    );
                }
                Incoming::Done(Reply::accepted())
            }
            Message::Batch(_) if peer.lost => {
                let (disposition, error) = lost();
                Incoming::Done(Reply::unaddressed(disposition, &error, peer))
            }
            Message::Batch(batch) => self.read_batch(&frame, batch, peer),
            _ => Incoming::Done(Reply::accepted()),
        }
    }

    /// Takes a batch apart, in the one revision that has them.
    #[cold]
    fn read_batch(&self, frame: &Frame, batch: Node<'_>, peer: &Peer) -> Incoming {
        let agreed = peer.session.as_ref().and_then(|session| session.agreed());
        let refused = |why: String| {
            let error = Error::new(Code::INVALID_REQUEST, why);
            Incoming::Done(Reply::unaddressed(Disposition::Invalid, &error, peer))
        };
        if agreed.is_none_or(|agreed| !agreed.version.has_batches()) {
            return refused("batches are of 2025-03-26 alone; send one message at a time".into());
        }
        if MOST_OF_A_BATCH < batch.len() {
            return refused(format!("a batch may have {MOST_OF_A_BATCH} messages; send fewer at a time"));
        }
        // None within another.
        let items = batch.items().filter(|item| item.kind() == Kind::Object);
        let frames = items.map(|item| Frame::from_text(frame.text().slice_ref(item.raw()), &self.limits));
        Incoming::Batch(frames.flatten().collect())
    }
}

/// What a client says of a question it does not answer.
fn refusal_of(error: Node<'_>) -> String {
    let message = error.member("message").and_then(Node::as_str).filter(|message| !message.is_empty());
    let shown = message.unwrap_or_else(|| error.member("code").map_or("without a code", Node::raw).into());
    shown.chars().take(200).collect()
}

/// Chooses the era of a request, or says why it belongs to none.
fn era(frame: &Frame, meta: &MetaIndex, method: &Method, peer: &Peer) -> Result<Era, Refusal> {
    if !meta.has_version() && method.session == InSession::Opens {
        // It settles the revision itself, whatever a header says.
        return Ok(Era::Legacy);
    }
    let header = match &peer.headers {
        Some(headers) => headers::version(headers)?,
        None => None,
    };
    if !meta.has_version() {
        return match header {
            Some(name) if Version::parse(name).is_some_and(Version::is_modern) => {
                Err(missing(keys::PROTOCOL_VERSION))
            }
            Some(name) if Version::parse(name).is_none() => Err(unsupported(name)),
            _ => admits(method, peer).map(|()| Era::Legacy),
        };
    }
    let Some(asked) = meta.version_name(frame) else { return Err(missing(keys::PROTOCOL_VERSION)) };
    if peer.headers.is_some() && header != Some(&*asked) {
        return Err(mismatch(header, &asked));
    }
    Ok(Era::Modern)
}

/// Whether a request without modern `_meta` may be made here.
fn admits(method: &Method, peer: &Peer) -> Result<(), Refusal> {
    if peer.lost {
        return Err(lost());
    }
    if method.session == InSession::Anywhere {
        return Ok(());
    }
    let agreed = peer.session.as_ref().is_some_and(|session| session.agreed().is_some());
    // Over HTTP a missing session is the transport's to refuse, or to allow.
    if agreed || peer.headers.is_some() {
        return Ok(());
    }
    let what = "send `initialize` first, or say the revision in params._meta[\"io.modelcontextprotocol/protocolVersion\"]";
    Err((Disposition::Invalid, Error::new(Code::INVALID_PARAMS, what)))
}

/// What everything is answered with that names a session that there is not: so the client learns to start again.
/// (Except `initialize`, which does just that.)
#[cold]
fn lost() -> Refusal {
    (Disposition::Unknown, Error::new(Code::INVALID_REQUEST, "there is no such session"))
}

/// Whether a modern request says what every one must say.
fn standing(frame: &Frame, meta: &MetaIndex) -> Result<(), Refusal> {
    let asked = meta.version_name(frame).unwrap_or_default();
    if !Version::parse(&asked).is_some_and(Version::is_modern) {
        return Err(unsupported(&asked));
    }
    if meta.client_capabilities(frame).is_none() {
        return Err(missing(keys::CLIENT_CAPABILITIES));
    }
    Ok(())
}

#[cold]
fn missing(key: &str) -> Refusal {
    let error =
        Error::new(Code::INVALID_PARAMS, format!("params._meta[\"{key}\"] is missing or not of its type"));
    (Disposition::Invalid, error)
}

#[cold]
fn mismatch(header: Option<&str>, asked: &str) -> Refusal {
    let what = match header {
        Some(header) => format!("header MCP-Protocol-Version is `{header}`, but the body says `{asked}`"),
        None => format!("header MCP-Protocol-Version is missing; the body says `{asked}`"),
    };
    (Disposition::Invalid, Error::new(Code::HEADER_MISMATCH, what))
}

#[cold]
fn unsupported(requested: &str) -> Refusal {
    let legacy = Version::parse(requested).is_some();
    // A request that stands alone cannot be of a revision that starts with `initialize`.
    let supported: Vec<&str> = Version::ALL
        .iter()
        .rev()
        .filter(|version| !legacy || version.is_modern())
        .map(|v| v.as_str())
        .collect();
    let data = serde_json::json!({ "supported": supported, "requested": requested });
    let error = Error::new(Code::UNSUPPORTED_VERSION, "unsupported protocol version").with_data(&data);
    (Disposition::Invalid, error)
}

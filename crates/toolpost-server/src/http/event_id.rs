//! The ids of events: which stream, which event of it, and which request it answers.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use toolpost_json::{Frame, Limits};
use toolpost_protocol::Id;

use crate::service::session::Session;

/// Ids of events are shorter; what is longer is none.
const LONGEST: usize = 256;

/// An id of a request that is longer is not repeated in those of its events.
const REQUEST: usize = 64;

/// The bytes of a stream's random name, and the characters that they are written in.
const RANDOM: usize = 16;
const CHARACTERS: usize = 22;

/// What a stream is called by its client.
///
/// The name is random, and leads to nothing but with the session it was given out in: see [`key`](Self::key).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct StreamName {
    pub(super) kind: StreamKind,
    random: String,
    /// The id of the request that is answered, so that whoever knows nothing of the stream can still answer it.
    request: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum StreamKind {
    /// The answer to one call.
    Call,
    /// What a session is told of changes.
    Session,
}

impl StreamName {
    /// The name of a new stream; `None` without randomness.
    pub(super) fn new(kind: StreamKind, request: Option<&Id>) -> Option<Self> {
        let mut random = [0; RANDOM];
        getrandom::fill(&mut random).ok()?;
        let request = request.map(Id::raw).filter(|raw| raw.len() <= REQUEST);
        let request = request.map(|raw| URL_SAFE_NO_PAD.encode(raw));
        Some(Self { kind, random: URL_SAFE_NO_PAD.encode(random), request })
    }

    /// The id of the event `number`; the one before the first event is 0.
    pub(super) fn id(&self, number: u64) -> String {
        let kind = match self.kind {
            StreamKind::Call => 'c',
            StreamKind::Session => 's',
        };
        let mut id = format!("{kind}{}.{number}", self.random);
        if let Some(request) = &self.request {
            // A string takes everything.
            let _written = write!(id, ".{request}");
        }
        id
    }

    /// Reads an id back: the stream, and the number of the event. `None` to what no server here gave out.
    pub(super) fn parse(id: &str) -> Option<(Self, u64)> {
        if LONGEST < id.len() || !id.is_ascii() {
            return None;
        }
        let kind = match id.as_bytes().first()? {
            b'c' => StreamKind::Call,
            b's' => StreamKind::Session,
            _ => return None,
        };
        let mut parts = id[1..].split('.');
        let (random, number, request) = (parts.next()?, parts.next()?, parts.next());
        let is_random = random.len() == CHARACTERS
            && random.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if !is_random || parts.next().is_some() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let name = Self { kind, random: random.to_owned(), request: request.map(str::to_owned) };
        Some((name, number.parse().ok()?))
    }

    /// The request that the stream answers, as its client says: nothing but an answer to itself may be made of it.
    pub(super) fn request(&self) -> Option<Id> {
        let raw = URL_SAFE_NO_PAD.decode(self.request.as_ref()?).ok()?;
        let frame = Frame::parse(raw.into(), &Limits::new()).ok()?;
        Id::read(frame.root())
    }

    /// What the stream is called in the store. Of another session, or another principal's, it is another stream.
    pub(super) fn key(&self, session: &Session) -> String {
        let mut hasher = blake3::Hasher::new_derive_key("dev.toolpost 2025-11-25 event stream");
        let kind = [u8::from(self.kind == StreamKind::Session), u8::from(session.principal.is_anonymous())];
        hasher.update(&kind).update(&session.number.to_be_bytes());
        hasher.update(self.random.as_bytes()).update(session.principal.as_str().as_bytes());
        URL_SAFE_NO_PAD.encode(hasher.finalize().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use toolpost_tool::Principal;

    use super::*;

    #[test]
    fn an_id_is_read_back_and_nothing_else_is_one() {
        let request = Id::from(7);
        for kind in [StreamKind::Call, StreamKind::Session] {
            let name = StreamName::new(kind, Some(&request)).unwrap();
            assert_eq!(StreamName::parse(&name.id(12)), Some((name.clone(), 12)));
            assert_eq!(name.request(), Some(request.clone()));
            assert!(name.id(u64::MAX).bytes().all(|byte| byte.is_ascii_graphic()));
        }
        let name = StreamName::new(StreamKind::Call, None).unwrap();
        assert_eq!((StreamName::parse(&name.id(0)), name.request()), (Some((name.clone(), 0)), None));
        let good = name.id(1);
        let long = format!("{good}.{}", "A".repeat(300));
        for bad in
            ["", "c", "7", "c.1", &good[1..], &good[..23], &format!("{good}x"), &format!("{good}.a.b"), &long]
        {
            assert_eq!(StreamName::parse(bad), None, "{bad}");
        }
        let garbage = StreamName::parse(&format!("{good}.!!!")).unwrap().0;
        assert_eq!(garbage.request(), None);
    }

    #[test]
    fn a_name_leads_to_its_stream_in_its_own_session_alone() {
        let session = |number, who: &str| Session::new(number, Principal::new(who));
        let name = StreamName::new(StreamKind::Call, None).unwrap();
        let key = name.key(&session(1, "ann"));
        assert_eq!(name.key(&session(1, "ann")), key);
        assert_ne!(name.key(&session(2, "ann")), key);
        assert_ne!(name.key(&session(1, "bob")), key);
        assert_ne!(name.key(&Session::new(1, Principal::anonymous())), key);
        let other = StreamName { kind: StreamKind::Session, ..name };
        assert_ne!(other.key(&session(1, "ann")), key);
    }
}

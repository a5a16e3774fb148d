//! The id of a session over HTTP: the session itself, sealed, so that no server has to remember it.
//!
//! What `initialize` settled is in the id, under the server's state key and bound to who called: any process with the key
//! serves it, also after a restart. The client can neither read nor change it.

use std::time::Duration;

use http::HeaderValue;
use toolpost_protocol::Version;
use toolpost_tool::{InputCapabilities, Principal};

use crate::clock;
use crate::service::seal::{Binding, Sealer};
use crate::service::session::Agreed;
use crate::service::undoubled;

/// Ids are shorter; what is longer is none.
const LONGEST: usize = 256;

/// The id that a request names, not opened yet.
pub(crate) struct SessionId<'a>(&'a str);

impl<'a> SessionId<'a> {
    /// The id of a new session; `None` if the server has no key, or no randomness.
    pub(crate) fn seal(
        sealer: &Sealer,
        principal: &Principal,
        agreed: Agreed,
        lifetime: Duration,
    ) -> Option<HeaderValue> {
        let content = format!("{} {:x}", agreed.version.as_str(), bits(agreed.client));
        let expires = clock::unix().saturating_add(lifetime.as_secs());
        let sealed = sealer.seal(Binding::session(principal), expires, &content)?;
        HeaderValue::try_from(sealed).ok()
    }

    /// What a header names, whoever doubled it on its way.
    pub(crate) fn parse(value: &'a HeaderValue) -> Option<Self> {
        let text = undoubled(value.to_str().ok()?);
        (text.len() <= LONGEST).then_some(Self(text))
    }

    /// The number of the session: the same wherever it is opened, and none that this server counts.
    pub(crate) fn number(&self) -> u64 {
        let hash = blake3::hash(self.0.as_bytes());
        let mut number = [0; 8];
        number.copy_from_slice(&hash.as_bytes()[..8]);
        u64::from_be_bytes(number) | 1 << 63
    }

    /// What `initialize` settled; `None` if the id is not one, is another caller's, or too old.
    pub(crate) fn open(&self, sealer: &Sealer, principal: &Principal) -> Option<Agreed> {
        let content = sealer.open(Binding::session(principal), clock::unix(), self.0)?;
        let (version, client) = content.split_once(' ')?;
        let version = Version::parse(version)?;
        Some(Agreed { version, client: client_of(u8::from_str_radix(client, 16).ok()?) })
    }
}

fn bits(client: InputCapabilities) -> u8 {
    let InputCapabilities { elicitation, elicitation_url, sampling, roots, .. } = client;
    [elicitation, elicitation_url, sampling, roots]
        .iter()
        .enumerate()
        .fold(0, |bits, (at, can)| bits | u8::from(*can) << at)
}

fn client_of(bits: u8) -> InputCapabilities {
    let can = |at: u8| bits & 1 << at != 0;
    let mut client = InputCapabilities::default();
    (client.elicitation, client.elicitation_url) = (can(0), can(1));
    (client.sampling, client.roots) = (can(2), can(3));
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn what_is_sealed_is_opened_by_whoever_has_the_key_for_the_same_caller() {
        let (ann, bob) = (Principal::new("ann"), Principal::new("bob"));
        let (one, other) = (Sealer::new(Some([1; 32])), Sealer::new(Some([2; 32])));
        for bits in 0..16 {
            let agreed = Agreed { version: Version::V2025_03_26, client: client_of(bits) };
            let header = SessionId::seal(&one, &ann, agreed, DAY).unwrap();
            let id = SessionId::parse(&header).unwrap();
            let opened = id.open(&Sealer::new(Some([1; 32])), &ann).unwrap();
            assert_eq!((opened.version, opened.client), (agreed.version, agreed.client));
            assert!(id.open(&one, &bob).is_none() && id.open(&one, &Principal::anonymous()).is_none());
            assert!(id.open(&other, &ann).is_none());
            other.rotate(&[1; 32]);
            other.rotate(&[3; 32]);
            assert!(id.open(&other, &ann).is_some(), "the key before opens what it sealed");
            other.rotate(&[4; 32]);
            assert!(id.open(&other, &ann).is_none());
        }
    }

    #[test]
    fn an_id_ends_with_its_lifetime_and_changed_it_is_none() {
        let (sealer, ann) = (Sealer::new(Some([1; 32])), Principal::new("ann"));
        let agreed = Agreed { version: Version::V2025_11_25, client: InputCapabilities::default() };
        let over = SessionId::seal(&sealer, &ann, agreed, Duration::ZERO).unwrap();
        assert!(SessionId::parse(&over).unwrap().open(&sealer, &ann).is_none());
        let header = SessionId::seal(&sealer, &ann, agreed, DAY).unwrap();
        let text = header.to_str().unwrap();
        for at in 0..text.len() {
            let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
            let mut changed = text.to_owned();
            changed.replace_range(at..=at, other);
            let changed = HeaderValue::try_from(changed).unwrap();
            assert!(SessionId::parse(&changed).unwrap().open(&sealer, &ann).is_none(), "at {at}");
        }
        let long = HeaderValue::try_from("A".repeat(LONGEST + 1)).unwrap();
        assert!(SessionId::parse(&long).is_none());
    }
}

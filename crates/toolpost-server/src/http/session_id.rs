//! How a client names its session in each request.

use std::fmt;

use http::HeaderValue;

/// The secret name of a session over HTTP: 128 random bits in hexadecimal.
#[derive(Clone, Eq, Hash, PartialEq)]
pub(crate) struct SessionId([u8; 32]);

impl SessionId {
    /// A fresh one; `None` if the operating system has no randomness to give.
    pub(crate) fn random() -> Option<Self> {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut random = [0; 16];
        getrandom::fill(&mut random).ok()?;
        let mut text = [0; 32];
        for (pair, byte) in text.chunks_exact_mut(2).zip(random) {
            pair.copy_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
        Some(Self(text))
    }

    pub(crate) fn parse(value: &HeaderValue) -> Option<Self> {
        value.as_bytes().try_into().ok().map(Self)
    }

    pub(crate) fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_bytes(&self.0).ok()
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId")
    }
}

//! The one seal of whatever travels through clients and must come back as it was: unread, unchanged, and with what it belongs
//! to. Sealed today: the state of suspended calls (`requestState`), sessions over HTTP (their ids), and cursors of lists.
//!
//! XChaCha20-Poly1305 under a random nonce; what it is bound to is authenticated beside it.
//! Source: [draft-irtf-cfrg-xchacha](https://datatracker.ietf.org/doc/html/draft-irtf-cfrg-xchacha).

use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use toolpost_json::Node;
use toolpost_tool::Principal;

/// For how long a client may take to answer what a suspended call asks, in [`Sealer::seal`].
pub(crate) const LIFETIME: Duration = Duration::from_secs(600);

/// Seals, under a key that can be rotated while it serves.
pub(crate) struct Sealer(RwLock<Ring>);

struct Ring {
    /// `None` if the operating system had no randomness to give: then nothing can be sealed.
    current: Option<[u8; 32]>,
    /// What it sealed is still opened.
    previous: Option<[u8; 32]>,
}

/// What a sealed thing belongs to: handed back with anything else, it does not open.
#[derive(Clone, Copy)]
pub(crate) struct Binding([u8; 32]);

const NONCE: usize = 24;

impl Binding {
    /// The request of `principal` for `method` of what is called `name`, with `arguments`, however they are written.
    pub(crate) fn request(
        principal: &Principal,
        method: &str,
        name: &str,
        arguments: Option<Node<'_>>,
    ) -> Self {
        let mut canonical = Vec::new();
        if let Some(arguments) = arguments.filter(|node| !node.is_empty()) {
            arguments.write_canonical(&mut canonical);
        }
        let anonymous = [u8::from(principal.is_anonymous())];
        Self::of(
            "request",
            &[&anonymous, principal.as_str().as_bytes(), method.as_bytes(), name.as_bytes(), &canonical],
        )
    }

    /// A session of `principal`.
    #[cfg(feature = "http")]
    pub(crate) fn session(principal: &Principal) -> Self {
        Self::of("session", &[&[u8::from(principal.is_anonymous())], principal.as_str().as_bytes()])
    }

    /// The list that `method` answers `principal` with.
    pub(crate) fn list(principal: &Principal, method: &str) -> Self {
        let anonymous = [u8::from(principal.is_anonymous())];
        Self::of("list", &[&anonymous, principal.as_str().as_bytes(), method.as_bytes()])
    }

    fn of(purpose: &str, parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in [purpose.as_bytes()].iter().chain(parts) {
            hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }
}

impl Sealer {
    /// Seals with a key made of `secret`, or of a random one.
    pub(crate) fn new(secret: Option<[u8; 32]>) -> Self {
        let secret = secret.or_else(|| {
            let mut random = [0; 32];
            getrandom::fill(&mut random).ok().map(|()| random)
        });
        Self(RwLock::new(Ring { current: secret.as_ref().map(key), previous: None }))
    }

    /// Makes `secret` the current one, and the current one the previous one; nothing if it is current already.
    pub(crate) fn rotate(&self, secret: &[u8; 32]) {
        let (next, mut ring) = (key(secret), self.0.write().unwrap_or_else(PoisonError::into_inner));
        if ring.current != Some(next) {
            ring.previous = ring.current.replace(next);
        }
    }

    /// Seals `content`, to be handed back before `expires` (seconds of Unix time; `u64::MAX` is never). `None` if there is
    /// no key or no randomness.
    pub(crate) fn seal(&self, binding: Binding, expires: u64, content: &str) -> Option<String> {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner).current?;
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).ok()?;
        let mut plain = expires.to_be_bytes().to_vec();
        plain.extend_from_slice(content.as_bytes());
        let payload = Payload { msg: &plain, aad: &binding.0 };
        let sealed = cipher(&current).encrypt(&XNonce::from(nonce), payload).ok()?;
        let mut bytes = nonce.to_vec();
        bytes.extend_from_slice(&sealed);
        Some(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Opens at `now` what [`seal`](Self::seal) sealed, with this key or the one before; `None` if it was changed, belongs to
    /// something else, or is too old.
    pub(crate) fn open(&self, binding: Binding, now: u64, sealed: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
        let nonce = XNonce::from(*nonce);
        let keys = {
            let ring = self.0.read().unwrap_or_else(PoisonError::into_inner);
            [ring.current, ring.previous]
        };
        let plain = keys.iter().flatten().find_map(|key| {
            let payload = Payload { msg: sealed, aad: &binding.0 };
            cipher(key).decrypt(&nonce, payload).ok()
        })?;
        let (expires, content) = plain.split_first_chunk::<8>()?;
        if u64::from_be_bytes(*expires) <= now {
            return None;
        }
        std::str::from_utf8(content).ok().map(str::to_owned)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer")
    }
}

fn key(secret: &[u8; 32]) -> [u8; 32] {
    blake3::derive_key("dev.toolpost 2026-07-28 sealed", secret)
}

fn cipher(key: &[u8; 32]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&Key::from(*key))
}

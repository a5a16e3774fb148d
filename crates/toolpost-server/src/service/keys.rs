//! The secrets that what travels through clients is sealed and signed with.

use std::fmt;
use std::sync::{PoisonError, RwLock};

/// The current secret, and the one before it: what that one sealed is still opened.
pub(crate) struct Keys(RwLock<Ring>);

struct Ring {
    /// `None` if the operating system had no randomness to give: then nothing can be sealed.
    current: Option<Key>,
    previous: Option<Key>,
}

/// One secret, as a key for each purpose.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    pub(crate) state: [u8; 32],
    pub(crate) cursor: [u8; 32],
}

impl Key {
    fn derived(secret: &[u8; 32]) -> Self {
        Self {
            state: blake3::derive_key("dev.toolpost 2026-07-28 requestState", secret),
            cursor: blake3::derive_key("dev.toolpost 2026-07-28 cursor", secret),
        }
    }
}

impl Keys {
    /// The keys made of `secret`, or of a random one.
    pub(crate) fn new(secret: Option<[u8; 32]>) -> Self {
        let secret = secret.or_else(|| {
            let mut random = [0; 32];
            getrandom::fill(&mut random).ok().map(|()| random)
        });
        let current = secret.as_ref().map(Key::derived);
        Self(RwLock::new(Ring { current, previous: None }))
    }

    /// Makes `secret` the current one, and the current one the previous one.
    pub(crate) fn rotate(&self, secret: &[u8; 32]) {
        let mut ring = self.0.write().unwrap_or_else(PoisonError::into_inner);
        ring.previous = ring.current.replace(Key::derived(secret));
    }

    /// What new things are sealed and signed with.
    pub(crate) fn current(&self) -> Option<Key> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).current
    }

    /// What may have been sealed and signed with, most likely first.
    pub(crate) fn all(&self) -> impl Iterator<Item = Key> + use<> {
        let ring = self.0.read().unwrap_or_else(PoisonError::into_inner);
        [ring.current, ring.previous].into_iter().flatten()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

//! Keys as canonical bytes, and the writer that makes them.

mod number;
mod writer;

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

pub use writer::{KeyWriter, Text};

/// The whole identity of an answer, as bytes; cheap to clone.
///
/// Two keys are equal when all their bytes are, so no choice of hash can make one answer stand in for
/// another. A [`KeyWriter`] makes the bytes; a store looks them up borrowed, as `&[u8]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(Arc<[u8]>);

impl Key {
    /// The bytes themselves.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The BLAKE3 digest of the bytes: a name for them in a store on disk or on another machine.
    ///
    /// Such a store still keeps the bytes and compares them, as the stores of this crate do.
    #[cfg(feature = "disk")]
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        *blake3::hash(&self.0).as_bytes()
    }
}

impl From<&[u8]> for Key {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().into())
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

/// Hashes as its bytes do, so that a borrowed look-up finds it.
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(\"{}\")", self.0.escape_ascii())
    }
}

//! Keys as canonical bytes, and the writer that makes them.

mod number;
mod writer;

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{BuildHasher as _, Hash, Hasher};
use std::sync::{Arc, LazyLock};

pub use writer::{KeyWriter, Text};

use crate::store::Seeded;

/// The whole identity of an answer, as bytes; cheap to clone.
///
/// Two keys are equal when all their bytes are, so no choice of hash can make one answer stand in for
/// another. A [`KeyWriter`] makes the bytes; a store looks them up borrowed, as a [`KeyRef`].
#[derive(Clone)]
pub struct Key {
    bytes: Arc<[u8]>,
    /// The [`hash_of`] the bytes, since one key is looked for in several tables.
    hash: u64,
}

impl Key {
    /// The bytes themselves.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The [`hash_of`] the bytes.
    pub(crate) const fn hashed(&self) -> u64 {
        self.hash
    }

    /// The BLAKE3 digest of the bytes: a name for them in a store on disk or on another machine.
    ///
    /// Such a store still keeps the bytes and compares them, as the stores of this crate do.
    #[cfg(feature = "disk")]
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        *blake3::hash(&self.bytes).as_bytes()
    }
}

/// A key on loan, with its hash, which is made once for all the tables it is looked for in.
///
/// ```
/// use toolpost_cache::{Key, KeyRef};
///
/// let key = Key::from("lathe");
/// assert_eq!(KeyRef::from(&key), KeyRef::from(b"lathe"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyRef<'a> {
    bytes: &'a [u8],
    hash: u64,
}

impl<'a> KeyRef<'a> {
    /// The bytes themselves.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The [`hash_of`] the bytes.
    pub(crate) const fn hashed(self) -> u64 {
        self.hash
    }
}

impl<'a> From<&'a [u8]> for KeyRef<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self { bytes, hash: hash_of(bytes) }
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for KeyRef<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::from(&bytes[..])
    }
}

impl<'a> From<&'a str> for KeyRef<'a> {
    fn from(text: &'a str) -> Self {
        Self::from(text.as_bytes())
    }
}

impl<'a> From<&'a String> for KeyRef<'a> {
    fn from(text: &'a String) -> Self {
        Self::from(text.as_bytes())
    }
}

impl<'a> From<&'a Vec<u8>> for KeyRef<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Self::from(&bytes[..])
    }
}

impl<'a> From<&'a Key> for KeyRef<'a> {
    fn from(key: &'a Key) -> Self {
        Self { bytes: &key.bytes, hash: key.hash }
    }
}

impl From<KeyRef<'_>> for Key {
    fn from(KeyRef { bytes, hash }: KeyRef<'_>) -> Self {
        Self { bytes: bytes.into(), hash }
    }
}

impl From<&[u8]> for Key {
    fn from(bytes: &[u8]) -> Self {
        KeyRef::from(bytes).into()
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<&String> for Key {
    fn from(text: &String) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self::from(text.as_bytes())
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A hash of a key's bytes, the same for as long as the process runs. It decides where a key is looked for, and never
/// whether it is found.
pub(crate) fn hash_of(bytes: &[u8]) -> u64 {
    static SEEDED: LazyLock<Seeded> = LazyLock::new(Seeded::default);
    SEEDED.hash_one(bytes)
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.bytes == other.bytes
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By the bytes.
impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes.cmp(&other.bytes)
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        &self.bytes
    }
}

/// Hashes as its bytes do, so that a borrowed look-up finds it.
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(\"{}\")", self.bytes.escape_ascii())
    }
}

impl fmt::Debug for KeyRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRef(\"{}\")", self.bytes.escape_ascii())
    }
}

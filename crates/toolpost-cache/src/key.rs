//! Keys as canonical bytes, and the writer that makes them.

mod number;
mod writer;

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{BuildHasher as _, Hash, Hasher};
use std::sync::{Arc, LazyLock};

pub use writer::KeyWriter;

use crate::store::Seeded;

/// Identifies a value by bytes: all that the value depends on. Cheap to clone.
///
/// Two keys are equal when all their bytes are, so no collision of hashes serves one value for another. A [`KeyWriter`]
/// writes the bytes; look-ups borrow them, as a [`KeyRef`].
#[derive(Clone)]
pub struct CacheKey {
    bytes: Arc<[u8]>,
    /// The [`hash_of`] the bytes, since one key is looked for in several tables.
    hash: u64,
}

impl CacheKey {
    /// The bytes themselves.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The [`hash_of`] the bytes.
    pub(crate) const fn hashed(&self) -> u64 {
        self.hash
    }

    /// The BLAKE3 digest of the bytes: their name on disk.
    #[cfg(feature = "disk")]
    pub(crate) fn digest(&self) -> [u8; 32] {
        *blake3::hash(&self.bytes).as_bytes()
    }
}

/// Borrows the bytes of a key, with their hash, which is computed once for all the tables it is looked up in.
///
/// ```
/// use toolpost_cache::{CacheKey, KeyRef};
///
/// let key = CacheKey::from("lathe");
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

impl<'a> From<&'a CacheKey> for KeyRef<'a> {
    fn from(key: &'a CacheKey) -> Self {
        Self { bytes: &key.bytes, hash: key.hash }
    }
}

impl From<KeyRef<'_>> for CacheKey {
    fn from(KeyRef { bytes, hash }: KeyRef<'_>) -> Self {
        Self { bytes: bytes.into(), hash }
    }
}

impl From<&[u8]> for CacheKey {
    fn from(bytes: &[u8]) -> Self {
        KeyRef::from(bytes).into()
    }
}

impl From<&str> for CacheKey {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<&String> for CacheKey {
    fn from(text: &String) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<String> for CacheKey {
    fn from(text: String) -> Self {
        Self::from(text.as_bytes())
    }
}

impl AsRef<[u8]> for CacheKey {
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

impl PartialEq for CacheKey {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.bytes == other.bytes
    }
}

impl Eq for CacheKey {}

impl PartialOrd for CacheKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By the bytes.
impl Ord for CacheKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes.cmp(&other.bytes)
    }
}

impl Borrow<[u8]> for CacheKey {
    fn borrow(&self) -> &[u8] {
        &self.bytes
    }
}

/// Hashes as its bytes do, so that a borrowed look-up finds it.
impl Hash for CacheKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CacheKey(\"{}\")", self.bytes.escape_ascii())
    }
}

impl fmt::Debug for KeyRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRef(\"{}\")", self.bytes.escape_ascii())
    }
}

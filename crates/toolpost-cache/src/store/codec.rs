//! Values as bytes, for stores outside of this process's memory.

use std::sync::Arc;

/// Encodes values of type `V` as bytes, and decodes them in another process, perhaps of another version.
///
/// A type of your own is usually its own codec; for another crate's type, implement it for an empty type of yours.
///
/// ```
/// use toolpost_cache::Codec;
///
/// struct Price(u32);
///
/// impl Codec<Price> for Price {
///     fn encode(value: &Price, bytes: &mut Vec<u8>) -> bool {
///         bytes.extend_from_slice(&value.0.to_le_bytes());
///         true
///     }
///
///     fn decode(bytes: &[u8]) -> Option<Price> {
///         bytes.try_into().ok().map(u32::from_le_bytes).map(Price)
///     }
/// }
/// ```
pub trait Codec<V>: Send + Sync + 'static {
    /// Appends the value to `bytes`; false if it should not be stored.
    fn encode(value: &V, bytes: &mut Vec<u8>) -> bool;

    /// Decodes what [`encode`](Self::encode) has appended; `None` for what it does not know, which is then a miss.
    fn decode(bytes: &[u8]) -> Option<V>;
}

impl Codec<Self> for Vec<u8> {
    fn encode(value: &Self, bytes: &mut Vec<u8>) -> bool {
        bytes.extend_from_slice(value);
        true
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(bytes.to_vec())
    }
}

impl Codec<Self> for String {
    fn encode(value: &Self, bytes: &mut Vec<u8>) -> bool {
        bytes.extend_from_slice(value.as_bytes());
        true
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Self::from_utf8(bytes.to_vec()).ok()
    }
}

/// A value is stored, an error is not.
impl<V: Codec<V>, E: Send + Sync + 'static> Codec<Self> for Result<V, E> {
    fn encode(value: &Self, bytes: &mut Vec<u8>) -> bool {
        value.as_ref().is_ok_and(|value| V::encode(value, bytes))
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        V::decode(bytes).map(Ok)
    }
}

impl<V: Codec<V>> Codec<Self> for Arc<V> {
    fn encode(value: &Self, bytes: &mut Vec<u8>) -> bool {
        V::encode(value, bytes)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        V::decode(bytes).map(Self::new)
    }
}

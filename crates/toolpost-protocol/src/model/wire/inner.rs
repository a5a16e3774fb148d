//! A key that must be there, whose value holds parts of the kind that it belongs to itself. Such parts are read one level
//! deep, by [`Inner`]: however deep a message nests, reading it takes a bounded stack, and time as its bytes.

use serde::de::{Error, MapAccess};
use serde::{Deserialize, Deserializer};

pub(crate) use super::required::{take, write};

/// What a part of the model holds of its own kind.
pub(crate) trait Inner: Sized {
    /// Reads it, and keeps verbatim what would hold such parts in turn.
    fn read_inner<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

struct Read<T>(T);

impl<'de, T: Inner> Deserialize<'de> for Read<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read_inner(deserializer).map(Self)
    }
}

pub(crate) fn read<'de, T: Inner, A: MapAccess<'de>>(
    slot: &mut Option<T>,
    key: &'static str,
    map: &mut A,
) -> Result<(), A::Error> {
    if slot.is_some() {
        return Err(A::Error::duplicate_field(key));
    }
    *slot = Some(map.next_value::<Read<T>>()?.0);
    Ok(())
}

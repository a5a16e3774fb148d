//! How a struct of the model and a JSON object become each other.
//!
//! `object!` is a wire table: it names the JSON key of each field and says whether the key must be there. What the
//! table does not name goes to the struct's `extra`, verbatim, and comes back from there. (serde's `flatten` would
//! do that too, but rounds the numbers it buffers.) `names!` is the same for the open enums: sets of strings that a
//! later revision may extend.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Error, MapAccess};
use serde::ser::SerializeMap;

use super::json::{Object, RawJson};

/// Implements `Serialize` and `Deserialize` for a struct with a field `extra: Object`.
///
/// `tagged "type" = "text"` is a key with a fixed value. Each other line is `field: kind "key"`, where the kind is
/// one of the modules below.
macro_rules! object {
    ($type:ident $(tagged $tag:literal = $constant:literal)? { $($field:ident: $kind:ident $key:literal),* $(,)? }) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl<'de> serde::de::Visitor<'de> for Visitor {
                    type Value = $type;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(concat!(stringify!($type), " object"))
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$type, A::Error> {
                        $(let mut tag = $crate::model::wire::Tag::new($tag, $constant);)?
                        $(let mut $field = None;)*
                        let mut extra = $crate::model::json::Object::new();
                        while let Some(key) = map.next_key::<$crate::model::wire::Key<'de>>()? {
                            match key.as_str() {
                                $($tag => tag.read(&mut map)?,)?
                                $($key => $crate::model::wire::$kind::read(&mut $field, $key, &mut map)?,)*
                                _ => $crate::model::wire::read_extra(&mut extra, key, &mut map)?,
                            }
                        }
                        $(let _: &str = $tag; tag.present()?;)?
                        Ok($type { $($field: $crate::model::wire::$kind::take($field, $key)?,)* extra })
                    }
                }
                deserializer.deserialize_map(Visitor)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(None)?;
                $(serde::ser::SerializeMap::serialize_entry(&mut map, $tag, $constant)?;)?
                $($crate::model::wire::$kind::write(&mut map, $key, &self.$field)?;)*
                $crate::model::wire::write_extra(&mut map, &self.extra, &[$($tag,)? $($key),*])?;
                serde::ser::SerializeMap::end(map)
            }
        }
    };
}

/// Implements the conversions of an open enum whose last variant is `Other(String)`.
///
/// Equality goes by the name, so that `Other("user")` is `User`.
macro_rules! names {
    ($type:ident { $($variant:ident = $name:literal),* $(,)? }) => {
        impl $type {
            /// The name on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Other(name) => name,
                }
            }
        }

        impl From<&str> for $type {
            fn from(name: &str) -> Self {
                match name {
                    $($name => Self::$variant,)*
                    _ => Self::Other(name.to_owned()),
                }
            }
        }

        impl PartialEq for $type {
            fn eq(&self, other: &Self) -> bool {
                self.as_str() == other.as_str()
            }
        }

        impl Eq for $type {}

        impl std::hash::Hash for $type {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.as_str().hash(state);
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                std::borrow::Cow::<str>::deserialize(deserializer).map(|name| Self::from(&*name))
            }
        }
    };
}

/// A key that must be there.
pub(super) mod required {
    use super::{Deserialize, Error, MapAccess, SerializeMap, set};

    pub(in crate::model) fn read<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
        slot: &mut Option<T>,
        key: &'static str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        set(slot, key, map)
    }

    pub(in crate::model) fn take<T, E: Error>(slot: Option<T>, key: &'static str) -> Result<T, E> {
        slot.ok_or_else(|| E::missing_field(key))
    }

    pub(in crate::model) fn write<M: SerializeMap, T: serde::Serialize>(
        map: &mut M,
        key: &'static str,
        value: &T,
    ) -> Result<(), M::Error> {
        map.serialize_entry(key, value)
    }
}

/// A key that may be absent; a `null` counts as absent.
pub(super) mod optional {
    use super::{Deserialize, Error, MapAccess, SerializeMap, set};

    pub(in crate::model) fn read<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
        slot: &mut Option<Option<T>>,
        key: &'static str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        set(slot, key, map)
    }

    #[expect(clippy::unnecessary_wraps, reason = "every kind of key has the same three functions")]
    pub(in crate::model) fn take<T, E: Error>(
        slot: Option<Option<T>>,
        _key: &'static str,
    ) -> Result<Option<T>, E> {
        Ok(slot.flatten())
    }

    pub(in crate::model) fn write<M: SerializeMap, T: serde::Serialize>(
        map: &mut M,
        key: &'static str,
        value: &Option<T>,
    ) -> Result<(), M::Error> {
        value.as_ref().map_or(Ok(()), |value| map.serialize_entry(key, value))
    }
}

/// A key that may be absent and whose value may be any JSON: a `null` is a value.
pub(super) mod any {
    use super::{Error, MapAccess, RawJson, set};

    pub(in crate::model) use super::optional::write;

    pub(in crate::model) fn read<'de, A: MapAccess<'de>>(
        slot: &mut Option<RawJson>,
        key: &'static str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        set(slot, key, map)
    }

    #[expect(clippy::unnecessary_wraps, reason = "every kind of key has the same three functions")]
    pub(in crate::model) fn take<E: Error>(
        slot: Option<RawJson>,
        _key: &'static str,
    ) -> Result<Option<RawJson>, E> {
        Ok(slot)
    }
}

/// A key that must be there and whose value may be `null`.
pub(super) mod nullable {
    pub(in crate::model) use super::optional::read;
    pub(in crate::model) use super::required::{take, write};
}

fn set<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    slot: &mut Option<T>,
    key: &'static str,
    map: &mut A,
) -> Result<(), A::Error> {
    if slot.is_some() {
        return Err(A::Error::duplicate_field(key));
    }
    *slot = Some(map.next_value()?);
    Ok(())
}

pub(super) fn read_extra<'de, A: MapAccess<'de>>(
    extra: &mut Object,
    key: Key<'de>,
    map: &mut A,
) -> Result<(), A::Error> {
    let key = key.0.into_owned();
    if extra.contains_key(&key) {
        return Err(A::Error::custom(format_args!("duplicate field `{key}`")));
    }
    extra.insert(key, map.next_value()?);
    Ok(())
}

/// Writes `extra`, except keys that the table names: an object never says a key twice.
pub(super) fn write_extra<M: SerializeMap>(
    map: &mut M,
    extra: &Object,
    known: &[&str],
) -> Result<(), M::Error> {
    extra
        .iter()
        .filter(|(key, _)| !known.contains(&key.as_str()))
        .try_for_each(|(key, value)| map.serialize_entry(key, value))
}

/// The key of an entry, borrowed from the input where that can be.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl Key<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A key with a fixed value.
pub(super) struct Tag {
    key: &'static str,
    constant: &'static str,
    seen: bool,
}

impl Tag {
    pub(super) fn new(key: &'static str, constant: &'static str) -> Self {
        Self { key, constant, seen: false }
    }

    pub(super) fn read<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        let Key(value) = map.next_value()?;
        if std::mem::replace(&mut self.seen, true) {
            return Err(A::Error::duplicate_field(self.key));
        }
        if value == self.constant {
            return Ok(());
        }
        Err(A::Error::custom(format_args!("`{}` must be \"{}\", found \"{value}\"", self.key, self.constant)))
    }

    pub(super) fn present<E: Error>(&self) -> Result<(), E> {
        if self.seen { Ok(()) } else { Err(E::missing_field(self.key)) }
    }
}

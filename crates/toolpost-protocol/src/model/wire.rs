//! How a struct of the model and a JSON object become each other.
//!
//! `object!` is a wire table: it names the JSON key of each field and says whether the key must be there. What the
//! table does not name goes to the struct's `extra`, verbatim, and comes back from there. (serde's `flatten` would
//! do that too, but rounds the numbers it buffers.) `variants!` has a table for each variant of an enum, `messages!` one
//! for each method. `names!` is for the open enums: sets of strings that a later revision may extend.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Error, MapAccess};
use serde::ser::SerializeMap;

use super::json::{Object, RawJson};

pub(crate) mod inner;

/// Implements `Serialize` and `Deserialize` for a struct with a field `extra: Object`.
///
/// `tagged "type" = "text"` is a key with a fixed value. Each other line is `field: kind "key"`, where the kind is
/// one of the modules below.
macro_rules! object {
    ($type:ident $(tagged $tag:literal = $constant:literal)? { $($field:ident: $kind:ident $key:literal),* $(,)? }) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                read_object!(deserializer, $type, $type $(tagged $tag = $constant)? { $($field: $kind $key),* })
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let Self { $($field,)* extra } = self;
                write_object!(serializer, extra, $(tagged $tag = $constant)? { $($field: $kind $key),* })
            }
        }
    };
}

/// Implements `Serialize` for an enum of struct variants, each with a field `extra`, and of `Unknown(RawJson)`; and a
/// function `read` that reads the variant with a label. A table as that of `object!` follows each label.
macro_rules! variants {
    ($type:ident { $(
        $label:literal => $variant:ident $(tagged $tag:literal = $constant:literal)?
        { $($field:ident: $kind:ident $key:literal),* $(,)? }
    )* }) => {
        impl $type {
            /// Reads the variant that `label` names; `Unknown` if none has that label.
            fn read(label: &str, json: $crate::model::RawJson) -> Result<Self, serde_json::Error> {
                match label {
                    $($label => read_object!(
                        &mut serde_json::Deserializer::from_str(json.as_str()),
                        $type,
                        $type::$variant $(tagged $tag = $constant)? { $($field: $kind $key),* }
                    ),)*
                    _ => Ok(Self::Unknown(json)),
                }
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$variant { $($field,)* extra } => write_object!(
                        serializer, extra, $(tagged $tag = $constant)? { $($field: $kind $key),* }
                    ),)*
                    Self::Unknown(json) => json.serialize(serializer),
                }
            }
        }
    };
}

/// Implements `decode`, `method` and `params` for an enum of messages: struct variants with the fields `meta` and
/// `extra`, variants with boxed params, and `Unknown { method, params }`.
///
/// A label is the method, or the method, a space, and what tells variants of one method apart; the function `label` of
/// the enum finds it. Params are `required`, or `optional`: then `extra` is an `Option`, and `None` where there are no
/// params.
macro_rules! messages {
    ($type:ident($meta:ty) { $(
        $label:literal => $variant:ident $presence:ident $(tagged $tag:literal = $constant:literal)?
        { $($field:ident: $kind:ident $key:literal),* $(,)? }
    )* } boxed { $($boxed_label:literal => $boxed:ident,)* }) => {
        impl $type {
            /// Decodes the params of a message by its method.
            ///
            /// # Errors
            ///
            /// When the params are not those of the method.
            pub fn decode(
                method: &str,
                params: Option<$crate::model::RawJson>,
            ) -> Result<Self, serde_json::Error> {
                match Self::label(method, params.as_ref())? {
                    $($label => {
                        let text = $crate::model::wire::params::$presence(params.as_ref())?;
                        let mut message = read_object!(
                            &mut serde_json::Deserializer::from_str(text),
                            $type,
                            $type::$variant $(tagged $tag = $constant)? {
                                meta: optional "_meta", $($field: $kind $key),*
                            }
                        )?;
                        if let (None, $type::$variant { extra, .. }) = (&params, &mut message) {
                            $crate::model::wire::Extra::leave_out(extra);
                        }
                        Ok(message)
                    })*
                    $($boxed_label => serde_json::from_str(
                        $crate::model::wire::params::required(params.as_ref())?
                    ).map(Self::$boxed),)*
                    _ => Ok(Self::Unknown { method: method.to_owned(), params }),
                }
            }

            /// The method.
            #[must_use]
            pub fn method(&self) -> &str {
                let label = match self {
                    $(Self::$variant { .. } => $label,)*
                    $(Self::$boxed(_) => $boxed_label,)*
                    Self::Unknown { method, .. } => return method,
                };
                label.split_once(' ').map_or(label, |(method, _)| method)
            }

            /// Encodes the params, if there are any.
            ///
            /// # Errors
            ///
            /// Never for values that were decoded or built by this crate's constructors.
            pub fn params(&self) -> Result<Option<$crate::model::RawJson>, serde_json::Error> {
                let (params, may_be_left_out) = match self {
                    $(Self::$variant { extra, .. } => (
                        $crate::model::RawJson::encode(&Params(self))?,
                        $crate::model::wire::Extra::members(extra).is_none(),
                    ),)*
                    $(Self::$boxed(params) => ($crate::model::RawJson::encode(params)?, false),)*
                    Self::Unknown { params, .. } => return Ok(params.clone()),
                };
                Ok(Some(params).filter(|params| !may_be_left_out || params.as_str() != "{}"))
            }

            fn meta_mut(&mut self) -> Option<&mut Option<$meta>> {
                match self {
                    $(Self::$variant { meta, .. } => Some(meta),)*
                    $(Self::$boxed(params) => Some(&mut params.meta),)*
                    Self::Unknown { .. } => None,
                }
            }
        }

        /// The params of a struct variant.
        struct Params<'a>(&'a $type);

        impl serde::Serialize for Params<'_> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self.0 {
                    $($type::$variant { meta, $($field,)* extra } => write_object!(
                        serializer, extra, $(tagged $tag = $constant)? {
                            meta: optional "_meta", $($field: $kind $key),*
                        }
                    ),)*
                    _ => serializer.serialize_unit(),
                }
            }
        }
    };
}

/// Reads an object with a deserializer into a struct or a struct variant, by a table as that of `object!`.
macro_rules! read_object {
    ($deserializer:expr, $type:ident, $($path:ident)::+ $(tagged $tag:literal = $constant:literal)?
    { $($field:ident: $kind:ident $key:literal),* $(,)? }) => {{
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
                Ok($($path)::+ { $($field: $crate::model::wire::$kind::take($field, $key)?,)* extra: extra.into() })
            }
        }
        serde::Deserializer::deserialize_map($deserializer, Visitor)
    }};
}

/// Writes references to the fields of a struct or a struct variant, by a table as that of `object!`.
macro_rules! write_object {
    ($serializer:expr, $extra:ident, $(tagged $tag:literal = $constant:literal)?
    { $($field:ident: $kind:ident $key:literal),* $(,)? }) => {{
        let mut map = serde::Serializer::serialize_map($serializer, None)?;
        $(serde::ser::SerializeMap::serialize_entry(&mut map, $tag, $constant)?;)?
        $($crate::model::wire::$kind::write(&mut map, $key, $field)?;)*
        $crate::model::wire::write_extra(&mut map, $extra, &[$($tag,)? $($key),*])?;
        serde::ser::SerializeMap::end(map)
    }};
}

/// Implements the builders of what has a title and a description.
macro_rules! described {
    ($($type:ident),* $(,)?) => {$(
        impl $type {
            /// Sets the name for people.
            #[must_use]
            pub fn with_title(mut self, title: impl Into<String>) -> Self {
                self.title = Some(title.into());
                self
            }

            /// Sets what it is, what it does, or what to give.
            #[must_use]
            pub fn with_description(mut self, description: impl Into<String>) -> Self {
                self.description = Some(description.into());
                self
            }
        }
    )*};
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
pub(crate) mod required {
    use super::{Deserialize, Error, MapAccess, SerializeMap, set};

    pub(crate) fn read<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
        slot: &mut Option<T>,
        key: &'static str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        set(slot, key, map)
    }

    pub(crate) fn take<T, E: Error>(slot: Option<T>, key: &'static str) -> Result<T, E> {
        slot.ok_or_else(|| E::missing_field(key))
    }

    pub(crate) fn write<M: SerializeMap, T: serde::Serialize>(
        map: &mut M,
        key: &'static str,
        value: &T,
    ) -> Result<(), M::Error> {
        map.serialize_entry(key, value)
    }
}

/// A key that may be absent; a `null` counts as absent.
pub(crate) mod optional {
    use super::{Deserialize, Error, MapAccess, SerializeMap, set};

    pub(crate) fn read<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
        slot: &mut Option<Option<T>>,
        key: &'static str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        set(slot, key, map)
    }

    #[expect(clippy::unnecessary_wraps, reason = "every kind of key has the same three functions")]
    pub(crate) fn take<T, E: Error>(slot: Option<Option<T>>, _key: &'static str) -> Result<Option<T>, E> {
        Ok(slot.flatten())
    }

    pub(crate) fn write<M: SerializeMap, T: serde::Serialize>(
        map: &mut M,
        key: &'static str,
        value: &Option<T>,
    ) -> Result<(), M::Error> {
        value.as_ref().map_or(Ok(()), |value| map.serialize_entry(key, value))
    }
}

/// A key that may be absent and whose value may be any JSON: a `null` is a value.
pub(crate) mod any {
    use super::{Error, MapAccess, RawJson, set};

    pub(crate) use super::optional::write;

    pub(crate) fn read<'de, A: MapAccess<'de>>(
        slot: &mut Option<RawJson>,
        key: &'static str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        set(slot, key, map)
    }

    #[expect(clippy::unnecessary_wraps, reason = "every kind of key has the same three functions")]
    pub(crate) fn take<E: Error>(slot: Option<RawJson>, _key: &'static str) -> Result<Option<RawJson>, E> {
        Ok(slot)
    }
}

/// A key that must be there and whose value may be `null`.
pub(crate) mod nullable {
    pub(crate) use super::optional::read;
    pub(crate) use super::required::{take, write};
}

/// Params that must be there, and such as may be left out.
pub(crate) mod params {
    use super::super::RawJson;

    pub(crate) fn required(params: Option<&RawJson>) -> Result<&str, serde_json::Error> {
        params.map(RawJson::as_str).ok_or_else(|| serde::de::Error::missing_field("params"))
    }

    #[expect(clippy::unnecessary_wraps, reason = "as `required`")]
    pub(crate) fn optional(params: Option<&RawJson>) -> Result<&str, serde_json::Error> {
        Ok(params.map_or("{}", RawJson::as_str))
    }
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

pub(crate) fn read_extra<'de, A: MapAccess<'de>>(
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

/// The fields that no revision names: of an object, or of one that may be left out.
pub(crate) trait Extra {
    fn members(&self) -> Option<&Object>;

    fn leave_out(&mut self);
}

impl Extra for Object {
    fn members(&self) -> Option<&Object> {
        Some(self)
    }

    fn leave_out(&mut self) {}
}

impl Extra for Option<Object> {
    fn members(&self) -> Option<&Object> {
        self.as_ref()
    }

    fn leave_out(&mut self) {
        *self = None;
    }
}

/// Writes `extra`, except keys that the table names: an object never says a key twice.
pub(crate) fn write_extra<M: SerializeMap>(
    map: &mut M,
    extra: &impl Extra,
    known: &[&str],
) -> Result<(), M::Error> {
    extra
        .members()
        .into_iter()
        .flatten()
        .filter(|(key, _)| !known.contains(&key.as_str()))
        .try_for_each(|(key, value)| map.serialize_entry(key, value))
}

/// The key of an entry, borrowed from the input where that can be.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl Key<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A key with a fixed value.
pub(crate) struct Tag {
    key: &'static str,
    constant: &'static str,
    seen: bool,
}

impl Tag {
    pub(crate) fn new(key: &'static str, constant: &'static str) -> Self {
        Self { key, constant, seen: false }
    }

    pub(crate) fn read<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        let Key(value) = map.next_value()?;
        if std::mem::replace(&mut self.seen, true) {
            return Err(A::Error::duplicate_field(self.key));
        }
        if value == self.constant {
            return Ok(());
        }
        Err(A::Error::custom(format_args!("`{}` must be \"{}\", found \"{value}\"", self.key, self.constant)))
    }

    pub(crate) fn present<E: Error>(&self) -> Result<(), E> {
        if self.seen { Ok(()) } else { Err(E::missing_field(self.key)) }
    }
}

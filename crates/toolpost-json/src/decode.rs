//! Typed decoding straight from the index: nothing is tokenized twice, and what a type ignores is
//! skipped in one step.

use std::borrow::Cow;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::decode_error::DecodeError;
use crate::decode_key::KeyDeserializer;
use crate::index::Kind;
use crate::node::{Key, Node};

/// The name under which `serde_json::value::RawValue` asks for a value's text.
const RAW_VALUE: &str = "$serde_json::private::RawValue";

type Decoded<T> = Result<T, DecodeError>;

impl<'a> Node<'a> {
    /// Decodes the value as a `T`. Strings without escapes are borrowed where `T` borrows.
    ///
    /// Reads what `serde_json` reads, with two differences: floats are correctly rounded, and a
    /// type that looks ahead (untagged and internally tagged enums, flattened structs) loses the
    /// part of an error's path below it.
    ///
    /// # Errors
    ///
    /// When the value is not a `T`: says where, what was expected and what came.
    #[inline]
    pub fn decode<T: Deserialize<'a>>(self) -> Result<T, DecodeError> {
        T::deserialize(self)
    }

    #[cold]
    fn invalid_type(self, expected: &dyn Expected) -> DecodeError {
        DecodeError::invalid_type(self.unexpected(&self.as_str().unwrap_or_default()), expected)
    }

    fn unexpected<'u>(self, text: &'u str) -> Unexpected<'u> {
        match self.kind() {
            Kind::Null => Unexpected::Unit,
            Kind::Bool => Unexpected::Bool(self.as_bool() == Some(true)),
            Kind::Number => match self.as_number() {
                Some(number) => match (number.as_u64(), number.as_i64()) {
                    (Some(value), _) => Unexpected::Unsigned(value),
                    (_, Some(value)) => Unexpected::Signed(value),
                    _ => Unexpected::Float(number.as_f64()),
                },
                None => Unexpected::Other("number"),
            },
            Kind::String => Unexpected::Str(text),
            Kind::Array => Unexpected::Seq,
            Kind::Object => Unexpected::Map,
        }
    }

    #[inline]
    fn visit_number<V: Visitor<'a>>(self, visitor: V) -> Decoded<V::Value> {
        let Some(number) = self.as_number() else { return Err(self.invalid_type(&visitor)) };
        if let Some(value) = number.as_u64() {
            visitor.visit_u64(value)
        } else if let Some(value) = number.as_i64().filter(|value| *value != 0) {
            visitor.visit_i64(value)
        } else {
            visitor.visit_f64(number.as_f64())
        }
    }

    #[inline]
    fn visit_text<V: Visitor<'a>>(self, visitor: V) -> Decoded<V::Value> {
        match self.as_str() {
            Some(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
            Some(Cow::Owned(text)) => visitor.visit_string(text),
            None => Err(self.invalid_type(&visitor)),
        }
    }

    #[inline]
    fn visit_items<V: Visitor<'a>>(self, visitor: V) -> Decoded<V::Value> {
        let mut access = ItemAccess { next: self.first_child(), left: self.len(), len: self.len() };
        let value = visitor.visit_seq(&mut access)?;
        match access.left {
            0 => Ok(value),
            _ => Err(DecodeError::invalid_length(self.len(), &"fewer items in the array")),
        }
    }

    #[inline]
    fn visit_members<V: Visitor<'a>>(self, visitor: V) -> Decoded<V::Value> {
        let mut access = MemberAccess { next: self.first_child(), left: self.len(), value: None };
        let value = visitor.visit_map(&mut access)?;
        match access.left {
            0 => Ok(value),
            _ => Err(DecodeError::invalid_length(self.len(), &"fewer members in the object")),
        }
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {
        $(
            #[inline]
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Decoded<V::Value> {
                self.visit_number(visitor)
            }
        )*
    };
}

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = DecodeError;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Decoded<V::Value> {
        match self.kind() {
            Kind::Null => visitor.visit_unit(),
            Kind::Bool => self.deserialize_bool(visitor),
            Kind::Number => self.visit_number(visitor),
            Kind::String => self.visit_text(visitor),
            Kind::Array => self.visit_items(visitor),
            Kind::Object => self.visit_members(visitor),
        }
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Decoded<V::Value> {
        match self.as_bool() {
            Some(value) => visitor.visit_bool(value),
            None => Err(self.invalid_type(&visitor)),
        }
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Decoded<V::Value> {
        match self.as_number().map(|number| (number.is_integer(), number.as_i128())) {
            Some((_, Some(value))) => visitor.visit_i128(value),
            Some((true, None)) => Err(DecodeError::custom("number out of range")),
            _ => Err(self.invalid_type(&visitor)),
        }
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Decoded<V::Value> {
        match self.as_number().map(|number| (number.is_integer(), number.as_u128())) {
            Some((_, Some(value))) => visitor.visit_u128(value),
            Some((true, None)) => Err(DecodeError::custom("number out of range")),
            _ => Err(self.invalid_type(&visitor)),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Decoded<V::Value> {
        match self.as_number() {
            Some(number) => visitor.visit_f32(number.lexeme().parse().unwrap_or(f32::NAN)),
            None => Err(self.invalid_type(&visitor)),
        }
    }

    #[inline]
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Decoded<V::Value> {
        match self.as_number() {
            Some(number) => visitor.visit_f64(number.as_f64()),
            None => Err(self.invalid_type(&visitor)),
        }
    }

    #[inline]
    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Decoded<V::Value> {
        self.visit_text(visitor)
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Decoded<V::Value> {
        self.visit_text(visitor)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Decoded<V::Value> {
        self.visit_text(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Decoded<V::Value> {
        match self.as_str() {
            Some(Cow::Borrowed(text)) => visitor.visit_borrowed_bytes(text.as_bytes()),
            Some(Cow::Owned(text)) => visitor.visit_byte_buf(text.into_bytes()),
            None => self.deserialize_seq(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Decoded<V::Value> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Decoded<V::Value> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    #[inline]
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Decoded<V::Value> {
        if self.is_null() { visitor.visit_unit() } else { Err(self.invalid_type(&visitor)) }
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Decoded<V::Value> {
        self.deserialize_unit(visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Decoded<V::Value> {
        if name == RAW_VALUE {
            return visitor.visit_map(RawAccess(Some(self.raw())));
        }
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Decoded<V::Value> {
        match self.kind() {
            Kind::Array => self.visit_items(visitor),
            _ => Err(self.invalid_type(&visitor)),
        }
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Decoded<V::Value> {
        self.deserialize_seq(visitor)
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Decoded<V::Value> {
        self.deserialize_seq(visitor)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Decoded<V::Value> {
        match self.kind() {
            Kind::Object => self.visit_members(visitor),
            _ => Err(self.invalid_type(&visitor)),
        }
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Decoded<V::Value> {
        match self.kind() {
            Kind::Object => self.visit_members(visitor),
            Kind::Array => self.visit_items(visitor),
            _ => Err(self.invalid_type(&visitor)),
        }
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Decoded<V::Value> {
        match (self.kind(), self.members().next()) {
            (Kind::String, _) => visitor.visit_enum(Variant { name: self, content: None }),
            (Kind::Object, Some((key, content))) if self.len() == 1 => {
                visitor.visit_enum(Variant { name: key.0, content: Some(content) })
            }
            (Kind::Object, _) => Err(DecodeError::invalid_length(self.len(), &"an object with one member")),
            _ => Err(self.invalid_type(&"a string or an object with one member")),
        }
    }

    #[inline]
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Decoded<V::Value> {
        self.visit_text(visitor)
    }

    #[inline]
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Decoded<V::Value> {
        visitor.visit_unit()
    }
}

impl<'de> de::IntoDeserializer<'de, DecodeError> for Node<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

struct ItemAccess<'de> {
    /// The next item, if any is left.
    next: Node<'de>,
    left: usize,
    len: usize,
}

impl<'de> SeqAccess<'de> for &mut ItemAccess<'de> {
    type Error = DecodeError;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Decoded<Option<T::Value>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let item = self.next;
        self.next = item.sibling();
        match seed.deserialize(item) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(error.in_item(self.len - self.left - 1)),
        }
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

struct MemberAccess<'de> {
    /// The name of the next member, if any is left.
    next: Node<'de>,
    left: usize,
    /// The value of the last member named, if any was.
    value: Option<Node<'de>>,
}

impl<'de> MapAccess<'de> for &mut MemberAccess<'de> {
    type Error = DecodeError;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Decoded<Option<K::Value>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let key = self.next;
        let value = key.first_child();
        self.value = Some(value);
        self.next = value.sibling();
        seed.deserialize(KeyDeserializer(Key(key))).map(Some)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Decoded<V::Value> {
        let Some(value) = self.value else {
            return Err(DecodeError::custom("a value was asked for before its name"));
        };
        seed.deserialize(value).map_err(|error| error.in_member(&value.name_of_member()))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// An enum's variant: a string, or the one member of an object.
struct Variant<'de> {
    name: Node<'de>,
    content: Option<Node<'de>>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = DecodeError;
    type Variant = Self;

    #[inline]
    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Decoded<(V::Value, Self)> {
        Ok((seed.deserialize(self.name)?, self))
    }
}

impl<'de> Variant<'de> {
    fn content(&self, expected: &dyn Expected) -> Decoded<Node<'de>> {
        self.content.ok_or_else(|| DecodeError::invalid_type(Unexpected::UnitVariant, expected))
    }

    fn inside<T>(&self, decoded: Decoded<T>) -> Decoded<T> {
        decoded.map_err(|error| error.in_member(&self.name.as_str().unwrap_or_default()))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = DecodeError;

    fn unit_variant(self) -> Decoded<()> {
        match self.content {
            Some(content) => self.inside(<()>::deserialize(content)),
            None => Ok(()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Decoded<T::Value> {
        let content = self.content(&"newtype variant")?;
        self.inside(seed.deserialize(content))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Decoded<V::Value> {
        let content = self.content(&"tuple variant")?;
        self.inside(content.deserialize_seq(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Decoded<V::Value> {
        let content = self.content(&"struct variant")?;
        self.inside(content.deserialize_struct("", fields, visitor))
    }
}

/// The map of one member that `RawValue` expects.
struct RawAccess<'de>(Option<&'de str>);

impl<'de> MapAccess<'de> for RawAccess<'de> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Decoded<Option<K::Value>> {
        match self.0 {
            Some(_) => seed.deserialize(RawName).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Decoded<V::Value> {
        seed.deserialize(BorrowedStrDeserializer::new(self.0.take().unwrap_or("null")))
    }
}

struct RawName;

impl<'de> Deserializer<'de> for RawName {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Decoded<V::Value> {
        visitor.visit_borrowed_str(RAW_VALUE)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

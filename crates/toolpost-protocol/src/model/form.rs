//! Forms: the small part of JSON Schema that a person can fill in.

use std::collections::BTreeMap;

use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Object, RawJson, RawNumber};

/// A form: an object schema whose properties are all primitive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FormSchema {
    /// The dialect of JSON Schema.
    pub dialect: Option<String>,
    /// The fields, by name.
    pub properties: BTreeMap<String, PrimitiveSchema>,
    /// The names of the fields that must be filled in.
    pub required: Option<Vec<String>>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { FormSchema tagged "type" = "object" {
    dialect: optional "$schema",
    properties: required "properties",
    required: optional "required",
} }

impl FormSchema {
    /// Makes a form of these fields, none of which must be filled in.
    #[must_use]
    pub fn new(properties: BTreeMap<String, PrimitiveSchema>) -> Self {
        Self { properties, ..Self::default() }
    }
}

/// A field of a form, decoded by its `type` and by how it names its options.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PrimitiveSchema {
    /// A text.
    String(StringSchema),
    /// A number.
    Number(NumberSchema),
    /// Yes or no.
    Boolean(BooleanSchema),
    /// One of several options: a string with `enum`.
    UntitledSingleSelect(UntitledSingleSelectEnumSchema),
    /// One of several options with titles: a string with `oneOf`.
    TitledSingleSelect(TitledSingleSelectEnumSchema),
    /// Some of several options: an array whose items have `enum`.
    UntitledMultiSelect(UntitledMultiSelectEnumSchema),
    /// Some of several options with titles: an array whose items have `anyOf`.
    TitledMultiSelect(TitledMultiSelectEnumSchema),
    /// One of several options with titles, the old way: a string with `enum` and `enumNames`.
    LegacyTitled(LegacyTitledEnumSchema),
    /// A field that no revision names, kept verbatim.
    Unknown(RawJson),
}

impl Serialize for PrimitiveSchema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::String(schema) => schema.serialize(serializer),
            Self::Number(schema) => schema.serialize(serializer),
            Self::Boolean(schema) => schema.serialize(serializer),
            Self::UntitledSingleSelect(schema) => schema.serialize(serializer),
            Self::TitledSingleSelect(schema) => schema.serialize(serializer),
            Self::UntitledMultiSelect(schema) => schema.serialize(serializer),
            Self::TitledMultiSelect(schema) => schema.serialize(serializer),
            Self::LegacyTitled(schema) => schema.serialize(serializer),
            Self::Unknown(schema) => schema.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for PrimitiveSchema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Probe {
            r#type: String,
            r#enum: Option<IgnoredAny>,
            #[serde(rename = "enumNames")]
            enum_names: Option<IgnoredAny>,
            #[serde(rename = "oneOf")]
            one_of: Option<IgnoredAny>,
            items: Option<Items>,
        }
        #[derive(Deserialize)]
        struct Items {
            r#enum: Option<IgnoredAny>,
            #[serde(rename = "anyOf")]
            any_of: Option<IgnoredAny>,
        }
        let json = RawJson::deserialize(deserializer)?;
        match json.decode().map_err(D::Error::custom)? {
            Probe { r#type, .. } if r#type == "boolean" => json.decode().map(Self::Boolean),
            Probe { r#type, .. } if r#type == "number" || r#type == "integer" => {
                json.decode().map(Self::Number)
            }
            Probe { r#type, one_of: Some(_), .. } if r#type == "string" => {
                json.decode().map(Self::TitledSingleSelect)
            }
            Probe { r#type, r#enum: Some(_), enum_names: Some(_), .. } if r#type == "string" => {
                json.decode().map(Self::LegacyTitled)
            }
            Probe { r#type, r#enum: Some(_), .. } if r#type == "string" => {
                json.decode().map(Self::UntitledSingleSelect)
            }
            Probe { r#type, .. } if r#type == "string" => json.decode().map(Self::String),
            Probe { r#type, items: Some(Items { any_of: Some(_), .. }), .. } if r#type == "array" => {
                json.decode().map(Self::TitledMultiSelect)
            }
            Probe { r#type, items: Some(Items { r#enum: Some(_), .. }), .. } if r#type == "array" => {
                json.decode().map(Self::UntitledMultiSelect)
            }
            Probe { .. } => Ok(Self::Unknown(json)),
        }
        .map_err(D::Error::custom)
    }
}

/// A text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StringSchema {
    /// The name for people.
    pub title: Option<String>,
    /// What to enter.
    pub description: Option<String>,
    /// The shortest text, in characters.
    pub min_length: Option<RawNumber>,
    /// The longest text, in characters.
    pub max_length: Option<RawNumber>,
    /// What the text must look like.
    pub format: Option<StringFormat>,
    /// What is entered at first.
    pub default: Option<String>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { StringSchema tagged "type" = "string" {
    title: optional "title",
    description: optional "description",
    min_length: optional "minLength",
    max_length: optional "maxLength",
    format: optional "format",
    default: optional "default",
} }

/// What a text must look like.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum StringFormat {
    /// A mail address.
    Email,
    /// A URI.
    Uri,
    /// A date.
    Date,
    /// A date and time.
    DateTime,
    /// A format that no revision names.
    Other(String),
}

names! { StringFormat { Email = "email", Uri = "uri", Date = "date", DateTime = "date-time" } }

/// A number.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NumberSchema {
    /// Whether it must be an integer.
    pub kind: NumberKind,
    /// The name for people.
    pub title: Option<String>,
    /// What to enter.
    pub description: Option<String>,
    /// The least number.
    pub minimum: Option<RawNumber>,
    /// The greatest number.
    pub maximum: Option<RawNumber>,
    /// What is entered at first.
    pub default: Option<RawNumber>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { NumberSchema {
    kind: required "type",
    title: optional "title",
    description: optional "description",
    minimum: optional "minimum",
    maximum: optional "maximum",
    default: optional "default",
} }

impl NumberSchema {
    /// Asks for a number of this kind.
    #[must_use]
    pub fn new(kind: NumberKind) -> Self {
        Self {
            kind,
            title: None,
            description: None,
            minimum: None,
            maximum: None,
            default: None,
            extra: Object::new(),
        }
    }
}

/// Whether a number must be an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NumberKind {
    /// Any number.
    Number,
    /// An integer.
    Integer,
}

/// Yes or no.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BooleanSchema {
    /// The name for people.
    pub title: Option<String>,
    /// What to decide.
    pub description: Option<String>,
    /// What is chosen at first.
    pub default: Option<bool>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { BooleanSchema tagged "type" = "boolean" {
    title: optional "title",
    description: optional "description",
    default: optional "default",
} }

/// One of several options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UntitledSingleSelectEnumSchema {
    /// The name for people.
    pub title: Option<String>,
    /// What to choose.
    pub description: Option<String>,
    /// The options.
    pub options: Vec<String>,
    /// What is chosen at first.
    pub default: Option<String>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { UntitledSingleSelectEnumSchema tagged "type" = "string" {
    title: optional "title",
    description: optional "description",
    options: required "enum",
    default: optional "default",
} }

impl UntitledSingleSelectEnumSchema {
    /// Asks for one of these options.
    #[must_use]
    pub fn new(options: Vec<String>) -> Self {
        Self { options, ..Self::default() }
    }
}

/// One of several options with titles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TitledSingleSelectEnumSchema {
    /// The name for people.
    pub title: Option<String>,
    /// What to choose.
    pub description: Option<String>,
    /// The options.
    pub options: Vec<TitledOption>,
    /// What is chosen at first.
    pub default: Option<String>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { TitledSingleSelectEnumSchema tagged "type" = "string" {
    title: optional "title",
    description: optional "description",
    options: required "oneOf",
    default: optional "default",
} }

impl TitledSingleSelectEnumSchema {
    /// Asks for one of these options.
    #[must_use]
    pub fn new(options: Vec<TitledOption>) -> Self {
        Self { options, ..Self::default() }
    }
}

/// An option with a title.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TitledOption {
    /// The option for programs.
    pub value: String,
    /// The option for people.
    pub title: String,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { TitledOption { value: required "const", title: required "title" } }

impl TitledOption {
    /// Gives an option a title.
    #[must_use]
    pub fn new(value: impl Into<String>, title: impl Into<String>) -> Self {
        Self { value: value.into(), title: title.into(), extra: Object::new() }
    }
}

/// Some of several options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UntitledMultiSelectEnumSchema {
    /// The name for people.
    pub title: Option<String>,
    /// What to choose.
    pub description: Option<String>,
    /// The least number of options to choose.
    pub min_items: Option<RawNumber>,
    /// The greatest number of options to choose.
    pub max_items: Option<RawNumber>,
    /// The options.
    pub items: UntitledOptions,
    /// What is chosen at first.
    pub default: Option<Vec<String>>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { UntitledMultiSelectEnumSchema tagged "type" = "array" {
    title: optional "title",
    description: optional "description",
    min_items: optional "minItems",
    max_items: optional "maxItems",
    items: required "items",
    default: optional "default",
} }

impl UntitledMultiSelectEnumSchema {
    /// Asks for some of these options.
    #[must_use]
    pub fn new(options: Vec<String>) -> Self {
        Self { items: UntitledOptions { options, extra: Object::new() }, ..Self::default() }
    }
}

/// The options to choose some of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UntitledOptions {
    /// The options.
    pub options: Vec<String>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { UntitledOptions tagged "type" = "string" { options: required "enum" } }

/// Some of several options with titles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TitledMultiSelectEnumSchema {
    /// The name for people.
    pub title: Option<String>,
    /// What to choose.
    pub description: Option<String>,
    /// The least number of options to choose.
    pub min_items: Option<RawNumber>,
    /// The greatest number of options to choose.
    pub max_items: Option<RawNumber>,
    /// The options.
    pub items: TitledOptions,
    /// What is chosen at first.
    pub default: Option<Vec<String>>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { TitledMultiSelectEnumSchema tagged "type" = "array" {
    title: optional "title",
    description: optional "description",
    min_items: optional "minItems",
    max_items: optional "maxItems",
    items: required "items",
    default: optional "default",
} }

impl TitledMultiSelectEnumSchema {
    /// Asks for some of these options.
    #[must_use]
    pub fn new(options: Vec<TitledOption>) -> Self {
        Self { items: TitledOptions { options, extra: Object::new() }, ..Self::default() }
    }
}

/// The options with titles to choose some of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TitledOptions {
    /// The options.
    pub options: Vec<TitledOption>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { TitledOptions { options: required "anyOf" } }

/// One of several options with titles, the old way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LegacyTitledEnumSchema {
    /// The name for people.
    pub title: Option<String>,
    /// What to choose.
    pub description: Option<String>,
    /// The options for programs.
    pub options: Vec<String>,
    /// The options for people, in the same order.
    pub option_titles: Option<Vec<String>>,
    /// What is chosen at first.
    pub default: Option<String>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { LegacyTitledEnumSchema tagged "type" = "string" {
    title: optional "title",
    description: optional "description",
    options: required "enum",
    option_titles: optional "enumNames",
    default: optional "default",
} }

impl LegacyTitledEnumSchema {
    /// Asks for one of these options.
    #[must_use]
    pub fn new(options: Vec<String>, option_titles: Vec<String>) -> Self {
        Self { options, option_titles: Some(option_titles), ..Self::default() }
    }
}

//! Forms: the small part of JSON Schema that a person can fill in.

use std::collections::BTreeMap;

use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};

use super::wire::inner::Inner;
use super::{Object, RawJson, RawNumber};

/// A form: an object schema whose properties are all primitive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FormSchema {
    /// The dialect of JSON Schema.
    pub dialect: Option<String>,
    /// The fields, by name.
    pub properties: BTreeMap<String, FormField>,
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
    pub fn new(properties: BTreeMap<String, FormField>) -> Self {
        Self { properties, ..Self::default() }
    }
}

/// A field of a form, decoded by its `type` and by how it names its options.
///
/// ```
/// use toolpost_protocol::model::{FormField, FormOption};
///
/// let size = FormField::select(["S", "L"]);
/// assert_eq!(serde_json::to_string(&size)?, r#"{"type":"string","enum":["S","L"]}"#);
/// let extras = FormField::multi_select_titled([FormOption::new("c", "Cheese")]).with_title("Extras");
/// assert_eq!(
///     serde_json::to_string(&extras)?,
///     r#"{"type":"array","title":"Extras","items":{"anyOf":[{"const":"c","title":"Cheese"}]}}"#
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormField {
    /// A text.
    String {
        /// The name for people.
        title: Option<String>,
        /// What to enter.
        description: Option<String>,
        /// The shortest text, in characters.
        min_length: Option<RawNumber>,
        /// The longest text, in characters.
        max_length: Option<RawNumber>,
        /// What the text must look like.
        format: Option<StringFormat>,
        /// What is entered at first.
        default: Option<String>,
        /// Fields that no revision names.
        extra: Object,
    },
    /// A number.
    Number {
        /// The name for people.
        title: Option<String>,
        /// What to enter.
        description: Option<String>,
        /// The least number.
        minimum: Option<RawNumber>,
        /// The greatest number.
        maximum: Option<RawNumber>,
        /// What is entered at first.
        default: Option<RawNumber>,
        /// Fields that no revision names.
        extra: Object,
    },
    /// An integer.
    Integer {
        /// The name for people.
        title: Option<String>,
        /// What to enter.
        description: Option<String>,
        /// The least number.
        minimum: Option<RawNumber>,
        /// The greatest number.
        maximum: Option<RawNumber>,
        /// What is entered at first.
        default: Option<RawNumber>,
        /// Fields that no revision names.
        extra: Object,
    },
    /// Yes or no.
    Boolean {
        /// The name for people.
        title: Option<String>,
        /// What to decide.
        description: Option<String>,
        /// What is chosen at first.
        default: Option<bool>,
        /// Fields that no revision names.
        extra: Object,
    },
    /// One of several options: a string with `enum`.
    Select {
        /// The name for people.
        title: Option<String>,
        /// What to choose.
        description: Option<String>,
        /// The options.
        options: Vec<String>,
        /// The options for people, in the same order: `enumNames`, the old way to say what [`Self::SelectTitled`] says.
        option_titles: Option<Vec<String>>,
        /// What is chosen at first.
        default: Option<String>,
        /// Fields that no revision names.
        extra: Object,
    },
    /// One of several options with titles: a string with `oneOf`.
    SelectTitled {
        /// The name for people.
        title: Option<String>,
        /// What to choose.
        description: Option<String>,
        /// The options.
        options: Vec<FormOption>,
        /// What is chosen at first.
        default: Option<String>,
        /// Fields that no revision names.
        extra: Object,
    },
    /// Some of several options: an array.
    MultiSelect {
        /// The name for people.
        title: Option<String>,
        /// What to choose.
        description: Option<String>,
        /// The least number of options to choose.
        min_items: Option<RawNumber>,
        /// The greatest number of options to choose.
        max_items: Option<RawNumber>,
        /// The options: a [`Self::Select`], or [`Self::AnyOf`] where they have titles. Others, which no revision has, are
        /// [`Self::Unknown`].
        items: Box<Self>,
        /// What is chosen at first.
        default: Option<Vec<String>>,
        /// Fields that no revision names.
        extra: Object,
    },
    /// The options with titles of a [`Self::MultiSelect`]; no field by itself.
    AnyOf {
        /// The options.
        options: Vec<FormOption>,
        /// Fields that no revision names.
        extra: Object,
    },
    /// A field that no revision names, kept verbatim.
    Unknown(RawJson),
}

variants! { FormField {
    "string" => String tagged "type" = "string" {
        title: optional "title",
        description: optional "description",
        min_length: optional "minLength",
        max_length: optional "maxLength",
        format: optional "format",
        default: optional "default",
    }
    "number" => Number tagged "type" = "number" {
        title: optional "title",
        description: optional "description",
        minimum: optional "minimum",
        maximum: optional "maximum",
        default: optional "default",
    }
    "integer" => Integer tagged "type" = "integer" {
        title: optional "title",
        description: optional "description",
        minimum: optional "minimum",
        maximum: optional "maximum",
        default: optional "default",
    }
    "boolean" => Boolean tagged "type" = "boolean" {
        title: optional "title",
        description: optional "description",
        default: optional "default",
    }
    "string of enum" => Select tagged "type" = "string" {
        title: optional "title",
        description: optional "description",
        options: required "enum",
        option_titles: optional "enumNames",
        default: optional "default",
    }
    "string of oneOf" => SelectTitled tagged "type" = "string" {
        title: optional "title",
        description: optional "description",
        options: required "oneOf",
        default: optional "default",
    }
    "array" => MultiSelect tagged "type" = "array" {
        title: optional "title",
        description: optional "description",
        min_items: optional "minItems",
        max_items: optional "maxItems",
        items: inner "items",
        default: optional "default",
    }
    "anyOf" => AnyOf { options: required "anyOf" }
} }

impl<'de> Deserialize<'de> for FormField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = RawJson::deserialize(deserializer)?;
        Self::read(label(&json).map_err(D::Error::custom)?, json).map_err(D::Error::custom)
    }
}

/// The options of a field of several.
impl Inner for Box<FormField> {
    fn read_inner<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = RawJson::deserialize(deserializer)?;
        let label = label(&json).map_err(D::Error::custom)?;
        let known = if matches!(label, "string of enum" | "anyOf") { label } else { "" };
        FormField::read(known, json).map(Self::new).map_err(D::Error::custom)
    }
}

/// What the table of the variants calls the field `json`; empty if it is of none.
fn label(json: &RawJson) -> Result<&'static str, serde_json::Error> {
    #[derive(Deserialize)]
    struct Probe {
        r#type: Option<String>,
        r#enum: Option<IgnoredAny>,
        #[serde(rename = "oneOf")]
        one_of: Option<IgnoredAny>,
        #[serde(rename = "anyOf")]
        any_of: Option<IgnoredAny>,
        items: Option<Items>,
    }
    #[derive(Deserialize)]
    struct Items {
        r#enum: Option<IgnoredAny>,
        #[serde(rename = "anyOf")]
        any_of: Option<IgnoredAny>,
    }
    let probe: Probe = json.decode()?;
    Ok(match (probe.r#type.as_deref(), &probe) {
        (Some("string"), Probe { one_of: Some(_), .. }) => "string of oneOf",
        (Some("string"), Probe { r#enum: Some(_), .. }) => "string of enum",
        (Some("string"), _) => "string",
        (Some("number"), _) => "number",
        (Some("integer"), _) => "integer",
        (Some("boolean"), _) => "boolean",
        (Some("array"), Probe { items: Some(Items { r#enum: None, any_of: None }) | None, .. }) => "",
        (Some("array"), _) => "array",
        (Some(_), _) => "",
        (None, Probe { any_of: Some(_), .. }) => "anyOf",
        (None, _) => return Err(serde_json::Error::missing_field("type")),
    })
}

impl FormField {
    /// Asks for a text.
    #[must_use]
    pub const fn string() -> Self {
        Self::String {
            title: None,
            description: None,
            min_length: None,
            max_length: None,
            format: None,
            default: None,
            extra: Object::new(),
        }
    }

    /// Asks for a number.
    #[must_use]
    pub const fn number() -> Self {
        Self::Number {
            title: None,
            description: None,
            minimum: None,
            maximum: None,
            default: None,
            extra: Object::new(),
        }
    }

    /// Asks for an integer.
    #[must_use]
    pub const fn integer() -> Self {
        Self::Integer {
            title: None,
            description: None,
            minimum: None,
            maximum: None,
            default: None,
            extra: Object::new(),
        }
    }

    /// Asks yes or no.
    #[must_use]
    pub const fn boolean() -> Self {
        Self::Boolean { title: None, description: None, default: None, extra: Object::new() }
    }

    /// Asks for one of these options.
    #[must_use]
    pub fn select<S: Into<String>>(options: impl IntoIterator<Item = S>) -> Self {
        Self::Select {
            title: None,
            description: None,
            options: options.into_iter().map(Into::into).collect(),
            option_titles: None,
            default: None,
            extra: Object::new(),
        }
    }

    /// Asks for one of these options with titles.
    #[must_use]
    pub fn select_titled(options: impl IntoIterator<Item = FormOption>) -> Self {
        let options = options.into_iter().collect();
        Self::SelectTitled { title: None, description: None, options, default: None, extra: Object::new() }
    }

    /// Asks for some of these options.
    #[must_use]
    pub fn multi_select<S: Into<String>>(options: impl IntoIterator<Item = S>) -> Self {
        Self::some_of(Self::select(options))
    }

    /// Asks for some of these options with titles.
    #[must_use]
    pub fn multi_select_titled(options: impl IntoIterator<Item = FormOption>) -> Self {
        Self::some_of(Self::AnyOf { options: options.into_iter().collect(), extra: Object::new() })
    }

    fn some_of(items: Self) -> Self {
        Self::MultiSelect {
            title: None,
            description: None,
            min_items: None,
            max_items: None,
            items: Box::new(items),
            default: None,
            extra: Object::new(),
        }
    }

    /// Sets the name for people. What is no field by itself stays as it is.
    #[must_use]
    pub fn with_title(mut self, said: impl Into<String>) -> Self {
        if let Some((title, _)) = self.words() {
            *title = Some(said.into());
        }
        self
    }

    /// Says what to enter. What is no field by itself stays as it is.
    #[must_use]
    pub fn with_description(mut self, said: impl Into<String>) -> Self {
        if let Some((_, description)) = self.words() {
            *description = Some(said.into());
        }
        self
    }

    fn words(&mut self) -> Option<(&mut Option<String>, &mut Option<String>)> {
        match self {
            Self::String { title, description, .. }
            | Self::Number { title, description, .. }
            | Self::Integer { title, description, .. }
            | Self::Boolean { title, description, .. }
            | Self::Select { title, description, .. }
            | Self::SelectTitled { title, description, .. }
            | Self::MultiSelect { title, description, .. } => Some((title, description)),
            Self::AnyOf { .. } | Self::Unknown(_) => None,
        }
    }
}

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

/// An option with a title.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FormOption {
    /// The option for programs.
    pub value: String,
    /// The option for people.
    pub title: String,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { FormOption { value: required "const", title: required "title" } }

impl FormOption {
    /// Gives an option a title.
    #[must_use]
    pub fn new(value: impl Into<String>, title: impl Into<String>) -> Self {
        Self { value: value.into(), title: title.into(), extra: Object::new() }
    }
}

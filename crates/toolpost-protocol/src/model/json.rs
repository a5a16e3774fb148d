//! Any JSON value and any JSON number, kept as they were written.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A JSON object whose values are kept as they were written.
///
/// Holds `_meta`, free-form objects, and the fields of a message that no published revision names.
pub type Object = BTreeMap<String, RawJson>;

/// Any JSON value, kept as it was written.
///
/// Every number keeps its digits, whatever its size, and every object keeps the order of its keys; only the
/// whitespace between tokens goes, so that an encoded message stays on one line. Two values are equal when their
/// compact texts are.
///
/// ```
/// use toolpost_protocol::model::RawJson;
///
/// let json = RawJson::parse(r#"{ "big": 123456789012345678901234567890, "half": 0.50 }"#)?;
/// assert_eq!(json.as_str(), r#"{"big":123456789012345678901234567890,"half":0.50}"#);
/// assert_eq!(RawJson::from(serde_json::json!([1, "two"])).decode::<(u8, String)>()?, (1, "two".to_owned()));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone)]
pub struct RawJson(Box<RawValue>);

impl RawJson {
    /// Reads one JSON value from `text`.
    ///
    /// # Errors
    ///
    /// When `text` is not exactly one JSON value.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Encodes any serializable value.
    ///
    /// # Errors
    ///
    /// When `value` refuses to be serialized, or has a map whose keys are not strings.
    pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(Self::from)
    }

    /// Decodes the value as a `T`.
    ///
    /// # Errors
    ///
    /// When the value is not a `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_str())
    }

    /// The value `null`.
    #[must_use]
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned())
    }

    pub(super) fn empty_object() -> Self {
        Self(RawValue::from_string("{}".to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }

    /// The value as serde_json has it.
    pub(crate) fn as_raw_value(&self) -> &RawValue {
        &self.0
    }

    /// The compact text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Whether the value is an object.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.as_str().starts_with('{')
    }

    /// Whether the value is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.as_str() == "null"
    }
}

impl From<serde_json::Value> for RawJson {
    fn from(value: serde_json::Value) -> Self {
        Self(RawValue::from_string(value.to_string()).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }
}

impl From<Box<RawValue>> for RawJson {
    fn from(raw: Box<RawValue>) -> Self {
        match compact(raw.get()).map(RawValue::from_string) {
            Some(Ok(compacted)) => Self(compacted),
            Some(Err(_)) | None => Self(raw),
        }
    }
}

impl From<&str> for RawJson {
    /// The JSON string that holds `text` (to read JSON, see [`RawJson::parse`]).
    fn from(text: &str) -> Self {
        Self::from(serde_json::Value::from(text))
    }
}

impl From<String> for RawJson {
    fn from(text: String) -> Self {
        Self::from(serde_json::Value::from(text))
    }
}

impl From<bool> for RawJson {
    fn from(flag: bool) -> Self {
        Self(if flag { RawValue::TRUE } else { RawValue::FALSE }.to_owned())
    }
}

impl From<RawNumber> for RawJson {
    fn from(number: RawNumber) -> Self {
        Self(RawValue::from_string(number.0.into()).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }
}

impl PartialEq for RawJson {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for RawJson {}

impl Hash for RawJson {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for RawJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RawJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self::from)
    }
}

/// A JSON number, kept as it was written: `50`, `50.0` and `5e1` are three numbers.
///
/// ```
/// use toolpost_protocol::model::RawNumber;
///
/// let progress: RawNumber = serde_json::from_str("50.0")?;
/// assert_eq!((progress.as_str(), progress.as_f64(), progress.as_u64()), ("50.0", 50.0, None));
/// assert_eq!(RawNumber::from(7_u64).as_u64(), Some(7));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RawNumber(Box<str>);

impl RawNumber {
    /// The number nearest to `value`; nothing when it is infinite or not a number, which JSON cannot say.
    #[must_use]
    pub fn from_f64(value: f64) -> Option<Self> {
        serde_json::Number::from_f64(value).map(|number| Self(number.to_string().into()))
    }

    /// The digits as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The nearest `f64`; infinite when the number is beyond its range.
    #[must_use]
    pub fn as_f64(&self) -> f64 {
        self.0.parse().unwrap_or(f64::NAN)
    }

    /// The number, when it is written as an integer that fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// The number, when it is written as an integer that fits.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        self.0.parse().ok()
    }
}

impl From<u32> for RawNumber {
    fn from(value: u32) -> Self {
        Self(value.to_string().into())
    }
}

impl From<u64> for RawNumber {
    fn from(value: u64) -> Self {
        Self(value.to_string().into())
    }
}

impl From<i32> for RawNumber {
    fn from(value: i32) -> Self {
        Self(value.to_string().into())
    }
}

impl From<i64> for RawNumber {
    fn from(value: i64) -> Self {
        Self(value.to_string().into())
    }
}

impl fmt::Debug for RawNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RawNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for RawNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawJson::from(self.clone()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RawNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        match raw.get().as_bytes() {
            [b'-' | b'0'..=b'9', ..] => Ok(Self(raw.get().into())),
            _ => Err(D::Error::custom(format_args!("expected a number, found {}", kind(raw.get())))),
        }
    }
}

/// Names the kind of the JSON value `text`, for an error message.
pub(super) fn kind(text: &str) -> &'static str {
    match text.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// `text`, which is valid JSON, without the whitespace between its tokens; nothing when there is none.
fn compact(text: &str) -> Option<String> {
    let mut compacted = None;
    let mut in_string = false;
    let mut escaped = false;
    // Everything before this offset is in `compacted`, once there is one.
    let mut copied = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b' ' | b'\t' | b'\n' | b'\r' if !in_string => {
                compacted
                    .get_or_insert_with(|| String::with_capacity(text.len()))
                    .push_str(&text[copied..at]);
                copied = at + 1;
            }
            _ => {}
        }
    }
    compacted.map(|mut compacted| {
        compacted.push_str(&text[copied..]);
        compacted
    })
}

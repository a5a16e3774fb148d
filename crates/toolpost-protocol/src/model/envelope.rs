//! The envelope of JSON-RPC 2.0, with a typed message in it.

use serde::de::{DeserializeOwned, Error as _};
use serde::ser::{Error as _, SerializeMap};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Notification, Object, RawJson, Request};
use crate::{Error, Id};

/// A JSON-RPC message: a [`Request`], a [`Notification`], or an answer, which is a [`Result`] of what the method
/// promises or an [`Error`].
///
/// A request without an id is a question within a result (2026-07-28), and is written without `jsonrpc`. An error
/// without an id answers what could not be read.
///
/// ```
/// use toolpost_protocol::Error;
/// use toolpost_protocol::model::{CallToolResult, Envelope, Request};
///
/// let bytes = br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo"}}"#;
/// let asked: Envelope<Request> = serde_json::from_slice(bytes)?;
/// let Request::CallTool(call) = &asked.body else { panic!("a tool call") };
/// assert_eq!(call.name, "echo");
/// assert_eq!(serde_json::to_vec(&asked)?, bytes);
///
/// let answer: Envelope<Result<CallToolResult, Error>> =
///     serde_json::from_slice(br#"{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"no such tool"}}"#)?;
/// assert_eq!(answer.body.unwrap_err().message(), "no such tool");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Envelope<B> {
    /// The id of the request, which the answer repeats. No notification has one.
    pub id: Option<Id>,
    /// What the envelope holds.
    pub body: B,
    /// Members beside these that no revision names.
    pub extra: Object,
}

impl<B> Envelope<B> {
    /// Puts a message into an envelope without an id.
    #[must_use]
    pub const fn new(body: B) -> Self {
        Self { id: None, body, extra: Object::new() }
    }

    /// Gives a request its id, or says which request is answered.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<Id>) -> Self {
        self.id = Some(id.into());
        self
    }
}

impl<B> From<B> for Envelope<B> {
    fn from(body: B) -> Self {
        Self::new(body)
    }
}

/// Every member that an envelope may have.
#[derive(Default)]
struct Wire {
    version: Option<String>,
    id: Option<RawJson>,
    method: Option<String>,
    params: Option<RawJson>,
    result: Option<RawJson>,
    error: Option<Error>,
    extra: Object,
}

impl<'de> Deserialize<'de> for Wire {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_object!(deserializer, Wire, Wire {
            version: optional "jsonrpc",
            id: optional "id",
            method: optional "method",
            params: optional "params",
            result: any "result",
            error: optional "error"
        })
    }
}

impl Serialize for Wire {
    /// Writes a member of `extra` where the envelope itself has none of its name.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = self.extra.clone();
        let own = [
            ("jsonrpc", self.version.clone().map(RawJson::from)),
            ("id", self.id.clone()),
            ("method", self.method.clone().map(RawJson::from)),
            ("params", self.params.clone()),
            ("result", self.result.clone()),
            ("error", self.error.as_ref().map(RawJson::encode).transpose().map_err(S::Error::custom)?),
        ];
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in &own {
            if let Some(value) = value {
                map.serialize_entry(key, value)?;
                members.remove(*key);
            }
        }
        members.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
        map.end()
    }
}

impl Wire {
    fn new(id: Option<&Id>, extra: &Object) -> Self {
        let id = id.and_then(|id| RawJson::parse(id.raw()).ok());
        Self { version: Some("2.0".to_owned()), id, extra: extra.clone(), ..Self::default() }
    }

    fn versioned<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.version.as_deref() {
            Some("2.0") => Ok(self),
            Some(other) => Err(E::custom(format_args!("`jsonrpc` must be \"2.0\", found \"{other}\""))),
            None => Err(E::missing_field("jsonrpc")),
        }
    }

    fn take_id<E: serde::de::Error>(&mut self) -> Result<Option<Id>, E> {
        self.id.take().map(|id| id.decode().map_err(E::custom)).transpose()
    }

    fn take_method<E: serde::de::Error>(&mut self) -> Result<String, E> {
        self.method.take().ok_or_else(|| E::missing_field("method"))
    }

    /// The members that are none of this kind of message.
    fn rest(self) -> Object {
        let mut rest = self.extra;
        let error = self.error.and_then(|error| RawJson::encode(&error).ok());
        let method = self.method.map(RawJson::from);
        let others = [
            ("id", self.id),
            ("method", method),
            ("params", self.params),
            ("result", self.result),
            ("error", error),
        ];
        rest.extend(others.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
        rest
    }
}

impl Serialize for Envelope<Request> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut wire = Wire::new(self.id.as_ref(), &self.extra);
        wire.version = wire.version.filter(|_| self.id.is_some());
        wire.method = Some(self.body.method().to_owned());
        wire.params = self.body.params().map_err(S::Error::custom)?;
        wire.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Envelope<Request> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut wire = Wire::deserialize(deserializer)?;
        // Without a version it is within a result, where an id says nothing.
        let id = match wire.version {
            Some(_) => {
                wire = wire.versioned()?;
                Some(wire.take_id()?.ok_or_else(|| D::Error::missing_field("id"))?)
            }
            None => None,
        };
        let (method, params) = (wire.take_method()?, wire.params.take());
        let body = Request::decode(&method, params).map_err(D::Error::custom)?;
        Ok(Self { id, body, extra: wire.rest() })
    }
}

impl Serialize for Envelope<Notification> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut wire = Wire::new(None, &self.extra);
        wire.method = Some(self.body.method().to_owned());
        wire.params = self.body.params().map_err(S::Error::custom)?;
        wire.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Envelope<Notification> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut wire = Wire::deserialize(deserializer)?.versioned()?;
        let (method, params) = (wire.take_method()?, wire.params.take());
        let body = Notification::decode(&method, params).map_err(D::Error::custom)?;
        Ok(Self { id: None, body, extra: wire.rest() })
    }
}

impl<R: Serialize> Serialize for Envelope<Result<R, Error>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut wire = Wire::new(self.id.as_ref(), &self.extra);
        match &self.body {
            Ok(result) => wire.result = Some(RawJson::encode(result).map_err(S::Error::custom)?),
            Err(error) => wire.error = Some(error.clone()),
        }
        wire.serialize(serializer)
    }
}

impl<'de, R: DeserializeOwned> Deserialize<'de> for Envelope<Result<R, Error>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut wire = Wire::deserialize(deserializer)?.versioned()?;
        let id = wire.take_id()?;
        let body = match (wire.result.take(), wire.error.take()) {
            (None, Some(error)) => Err(error),
            (Some(_), None) if id.is_none() => return Err(D::Error::missing_field("id")),
            (Some(result), None) => Ok(result.decode().map_err(D::Error::custom)?),
            (None, None) => return Err(D::Error::missing_field("result")),
            (Some(_), Some(_)) => {
                return Err(D::Error::custom("an answer has a result or an error, not both"));
            }
        };
        Ok(Self { id, body, extra: wire.rest() })
    }
}

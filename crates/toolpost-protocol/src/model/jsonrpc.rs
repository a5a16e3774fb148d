//! The envelopes of JSON-RPC 2.0, with typed messages in them.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ErrorObject, Notification, Object, RawJson, Request, RequestId};

/// A request with its id.
///
/// ```
/// use toolpost_protocol::model::{JsonRpcRequest, Request};
///
/// let bytes = br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo"}}"#;
/// let message: JsonRpcRequest = serde_json::from_slice(bytes)?;
/// let Request::CallTool(params) = &message.request else { panic!("a tool call") };
/// assert_eq!(params.name, "echo");
/// assert_eq!(serde_json::to_vec(&message)?, bytes);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JsonRpcRequest {
    /// The id, which the answer repeats.
    pub id: RequestId,
    /// The request.
    pub request: Request,
    /// Fields that no revision names.
    pub extra: Object,
}

impl JsonRpcRequest {
    /// Gives a request an id.
    #[must_use]
    pub fn new(id: impl Into<RequestId>, request: Request) -> Self {
        Self { id: id.into(), request, extra: Object::new() }
    }
}

struct RequestWire {
    id: RequestId,
    method: String,
    params: Option<RawJson>,
    extra: Object,
}

object! { RequestWire tagged "jsonrpc" = "2.0" {
    id: required "id",
    method: required "method",
    params: optional "params",
} }

impl Serialize for JsonRpcRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RequestWire {
            id: self.id.clone(),
            method: self.request.method().to_owned(),
            params: self.request.params().map_err(serde::ser::Error::custom)?,
            extra: self.extra.clone(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JsonRpcRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = RequestWire::deserialize(deserializer)?;
        let request = Request::decode(&wire.method, wire.params).map_err(D::Error::custom)?;
        Ok(Self { id: wire.id, request, extra: wire.extra })
    }
}

/// A notification.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JsonRpcNotification {
    /// The notification.
    pub notification: Notification,
    /// Fields that no revision names.
    pub extra: Object,
}

impl JsonRpcNotification {
    /// Puts a notification into its envelope.
    #[must_use]
    pub fn new(notification: Notification) -> Self {
        Self { notification, extra: Object::new() }
    }
}

struct NotificationWire {
    method: String,
    params: Option<RawJson>,
    extra: Object,
}

object! { NotificationWire tagged "jsonrpc" = "2.0" { method: required "method", params: optional "params" } }

impl Serialize for JsonRpcNotification {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        NotificationWire {
            method: self.notification.method().to_owned(),
            params: self.notification.params().map_err(serde::ser::Error::custom)?,
            extra: self.extra.clone(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JsonRpcNotification {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = NotificationWire::deserialize(deserializer)?;
        let notification = Notification::decode(&wire.method, wire.params).map_err(D::Error::custom)?;
        Ok(Self { notification, extra: wire.extra })
    }
}

/// An answer that holds a result.
///
/// The type of the result follows from the method that was called, which the answer does not repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JsonRpcResponse<R> {
    /// The id of the request.
    pub id: RequestId,
    /// The result.
    pub result: R,
    /// Fields that no revision names.
    pub extra: Object,
}

impl<R> JsonRpcResponse<R> {
    /// Answers the request with this id.
    #[must_use]
    pub fn new(id: impl Into<RequestId>, result: R) -> Self {
        Self { id: id.into(), result, extra: Object::new() }
    }
}

struct ResponseWire {
    id: RequestId,
    result: RawJson,
    extra: Object,
}

object! { ResponseWire tagged "jsonrpc" = "2.0" { id: required "id", result: required "result" } }

impl<R: Serialize> Serialize for JsonRpcResponse<R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ResponseWire {
            id: self.id.clone(),
            result: RawJson::encode(&self.result).map_err(serde::ser::Error::custom)?,
            extra: self.extra.clone(),
        }
        .serialize(serializer)
    }
}

impl<'de, R: serde::de::DeserializeOwned> Deserialize<'de> for JsonRpcResponse<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = ResponseWire::deserialize(deserializer)?;
        let result = wire.result.decode().map_err(D::Error::custom)?;
        Ok(Self { id: wire.id, result, extra: wire.extra })
    }
}

/// An answer that holds an error.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JsonRpcError {
    /// The id of the request; absent, or `null` on the wire, where it could not be read.
    pub id: Option<RequestId>,
    /// The error.
    pub error: ErrorObject,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { JsonRpcError tagged "jsonrpc" = "2.0" { id: optional "id", error: required "error" } }

impl JsonRpcError {
    /// Answers the request with this id; absent where the request's id could not be read.
    #[must_use]
    pub fn new(id: Option<RequestId>, error: ErrorObject) -> Self {
        Self { id, error, extra: Object::new() }
    }
}

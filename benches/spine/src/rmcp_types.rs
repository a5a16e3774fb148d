//! The same call with rmcp's model types: decode, typed arguments, typed result, encode.

use rmcp::model::{
    CallToolResult, ClientJsonRpcMessage, ClientRequest, JsonRpcMessage, ServerJsonRpcMessage, ServerResult,
};
use serde::Serialize;

use crate::messages::{Echo, Echoed, Order, price};

/// From bytes to bytes.
pub fn answer(body: &[u8]) -> Vec<u8> {
    let message: ClientJsonRpcMessage = serde_json::from_slice(body).expect("a message");
    let JsonRpcMessage::Request(request) = message else { unreachable!() };
    let ClientRequest::CallToolRequest(call) = request.request else { unreachable!() };
    let arguments = serde_json::Value::Object(call.params.arguments.unwrap_or_default());
    let result = match &*call.params.name {
        "echo" => {
            let echo: Echo = serde_json::from_value(arguments).expect("arguments");
            structured(&Echoed { message: echo.message })
        }
        "price" => {
            let order: Order = serde_json::from_value(arguments).expect("arguments");
            structured(&price(&order))
        }
        other => unreachable!("{other}"),
    };
    let reply = ServerJsonRpcMessage::response(ServerResult::CallToolResult(result), request.id);
    serde_json::to_vec(&reply).expect("encodes")
}

fn structured(value: &impl Serialize) -> CallToolResult {
    CallToolResult::structured(serde_json::to_value(value).expect("encodes"))
}

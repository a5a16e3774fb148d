//! The limit: what hand-written code on serde_json costs that checks nothing.
//!
//! It decodes the envelope and the typed arguments and encodes the typed result. No guard, no schema
//! validation, no dispatch, no `_meta`. A server that has more than one tool learns the type of the
//! arguments from the name, so the envelope keeps them raw, borrowed, until then. This file is the
//! yardstick: it does not change.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::messages::{Echo, Echoed, Order, price};

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    params: Params<'a>,
}

#[derive(Deserialize)]
struct Params<'a> {
    name: &'a str,
    #[serde(borrow)]
    arguments: &'a RawValue,
}

#[derive(Serialize)]
struct Reply<'a, T> {
    jsonrpc: &'static str,
    id: &'a RawValue,
    result: CallResult<'a, T>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallResult<'a, T> {
    result_type: &'static str,
    content: [Text<'a>; 1],
    structured_content: T,
}

#[derive(Serialize)]
struct Text<'a> {
    r#type: &'static str,
    text: &'a str,
}

/// From bytes to bytes.
pub fn answer(body: &[u8]) -> Vec<u8> {
    let request: Request<'_> = serde_json::from_slice(body).expect("a request");
    match request.params.name {
        "echo" => {
            let echo: Echo = serde_json::from_str(request.params.arguments.get()).expect("arguments");
            encode(request.id, &Echoed { message: echo.message })
        }
        "price" => {
            let order: Order = serde_json::from_str(request.params.arguments.get()).expect("arguments");
            encode(request.id, &price(&order))
        }
        other => unreachable!("{other}"),
    }
}

fn encode<T: Serialize>(id: &RawValue, value: &T) -> Vec<u8> {
    let text = serde_json::to_string(value).expect("encodes");
    let content = [Text { r#type: "text", text: &text }];
    let result = CallResult { result_type: "complete", content, structured_content: value };
    serde_json::to_vec(&Reply { jsonrpc: "2.0", id, result }).expect("encodes")
}

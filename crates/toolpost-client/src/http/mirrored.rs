//! Arguments that a server wants repeated in headers (2026-07-28), as it says in its list of tools.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderValue;
use http::header::HeaderName;
use memchr::memmem;
use serde_json::Value;
use toolpost_protocol::HeaderParam;

use super::header_value::header_value;

/// The arguments of so many tools are remembered.
const TOOLS: usize = 10_000;

/// What the lists of tools have said.
#[derive(Debug, Default)]
pub(super) struct Mirrored {
    any: AtomicBool,
    tools: Mutex<HashMap<String, Arc<[HeaderParam]>>>,
}

impl Mirrored {
    /// Remembers what an answer to `tools/list` says. A tool whose annotations are wrong has none.
    pub(super) fn learn(&self, answer: &[u8]) {
        if memmem::find(answer, b"x-mcp-header").is_none() && !self.any.load(Ordering::Relaxed) {
            return;
        }
        let Ok(answer) = serde_json::from_slice::<Value>(answer) else { return };
        let mut tools = self.tools();
        for tool in answer["result"]["tools"].as_array().into_iter().flatten() {
            let Some(name) = tool["name"].as_str() else { continue };
            match HeaderParam::collect(&tool["inputSchema"]) {
                Ok(params) if !params.is_empty() => {
                    if tools.len() < TOOLS || tools.contains_key(name) {
                        tools.insert(name.to_owned(), params.into());
                    }
                }
                _ => drop(tools.remove(name)),
            }
        }
        self.any.store(!tools.is_empty(), Ordering::Relaxed);
    }

    /// The headers of a call of `tool`, whose message is `body`.
    pub(super) fn headers(&self, tool: Option<&str>, body: &[u8]) -> Vec<(HeaderName, HeaderValue)> {
        let (true, Some(tool)) = (self.any.load(Ordering::Relaxed), tool) else { return Vec::new() };
        let Some(params) = self.tools().get(tool).cloned() else { return Vec::new() };
        let Ok(message) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
        let arguments = &message["params"]["arguments"];
        let mirrored = params.iter().filter_map(|param| {
            let value = param.path().iter().try_fold(arguments, |value, name| value.get(name))?;
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Bool(_) | Value::Number(_) => value.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => return None,
            };
            Some((param.header().parse().ok()?, header_value(&text)))
        });
        mirrored.collect()
    }

    fn tools(&self) -> MutexGuard<'_, HashMap<String, Arc<[HeaderParam]>>> {
        self.tools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn list(schema: &Value) -> Vec<u8> {
        json!({ "result": { "tools": [{ "name": "t", "inputSchema": schema }] } }).to_string().into_bytes()
    }

    #[test]
    fn arguments_are_repeated_as_the_last_list_says() {
        let mirrored = Mirrored::default();
        let header = |kind: &str, name: &str| json!({ "type": kind, "x-mcp-header": name });
        let schema = json!({ "type": "object", "properties": {
            "region": header("string", "Region"), "count": header("integer", "N"), "dry": header("boolean", "Dry"),
            "in": { "type": "object", "properties": { "deep": header("string", "Deep") } } } });
        let body =
            |arguments: &Value| json!({ "params": { "name": "t", "arguments": arguments } }).to_string();
        let of = |arguments: Value| {
            let headers = mirrored.headers(Some("t"), body(&arguments).as_bytes());
            let text = headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
            let mut text: Vec<String> = text.collect();
            text.sort();
            text
        };
        assert!(of(json!({ "region": "eu" })).is_empty());
        mirrored.learn(&list(&schema));
        assert_eq!(
            of(json!({ "region": "süd", "count": 7, "dry": true, "in": { "deep": "a b" } })),
            [
                "mcp-param-deep: a b",
                "mcp-param-dry: true",
                "mcp-param-n: 7",
                "mcp-param-region: =?base64?c8O8ZA==?="
            ]
        );
        assert_eq!(of(json!({ "region": null, "in": 5, "dry": [1] })), [""; 0]);
        assert!(mirrored.headers(Some("u"), body(&json!({ "region": "eu" })).as_bytes()).is_empty());
        mirrored.learn(&list(&json!({ "type": "object", "properties": { "region": { "type": "string" } } })));
        assert!(of(json!({ "region": "eu" })).is_empty());
    }
}

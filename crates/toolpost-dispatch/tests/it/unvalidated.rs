//! Without the feature `validate`, types decide what they read, and what is not enforced is said.
#![cfg(not(feature = "validate"))]
#![expect(clippy::unwrap_used, reason = "a test unwraps")]

use serde_json::{Value, json};
use toolpost_dispatch::{CallRequest, Dispatcher, Registry};
use toolpost_tool::{Call, ErrorKind, Json, ToolError, tool_fn};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Query {
    #[schemars(range(max = 10))]
    limit: u32,
}

async fn find(query: Query, _call: Call) -> Result<Json<u32>, ToolError> {
    Ok(Json(query.limit))
}

fn request(arguments: &Value) -> CallRequest {
    CallRequest::new("find").with_arguments(arguments).unwrap()
}

#[tokio::test]
async fn the_type_decides_what_it_reads() {
    let registry = Registry::builder().tool(tool_fn("find", find)).build().unwrap();
    let dispatcher = Dispatcher::builder(registry).build();
    // A bound that only the schema knows is not enforced.
    let found = dispatcher.call(request(&json!({ "limit": 11 }))).await.unwrap();
    assert_eq!(found.structured(), Some("11"));
    let error = dispatcher.call(request(&json!({ "limit": "big" }))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArguments);
    assert!(error.to_string().contains("limit"), "{error}");
}

#[tokio::test]
async fn an_argument_that_the_schema_does_not_name_is_refused() {
    let registry = Registry::builder().tool(tool_fn("find", find)).build().unwrap();
    let dispatcher = Dispatcher::builder(registry).build();
    let refused = async |name: &str, arguments: Value| {
        let request = CallRequest::new(name).with_arguments(&arguments).unwrap();
        let error = dispatcher.call(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArguments);
        error.to_string()
    };
    let page = refused("find", json!({ "limit": 1, "page": 2 })).await;
    assert!(page.contains("arguments: unknown argument `page` (it takes `limit`)"), "{page}");
    let near = refused("find", json!({ "limit": 1, "limits": 2 })).await;
    assert!(near.contains("unknown argument `limits` (did you mean `limit`?)"), "{near}");
    let long = refused("find", json!({ "x".repeat(10_000): true })).await;
    assert!(long.len() < 200, "{long}");
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[expect(dead_code, reason = "its schema is looked at")]
struct Typed {
    small: u8,
    signed: Option<i16>,
    wide: u64,
    pair: (u32, String),
    three: [u8; 3],
    set: std::collections::BTreeSet<String>,
    letter: char,
    names: Vec<String>,
    #[serde(default)]
    real: f64,
    // Names that keywords have as well.
    pattern: String,
    maximum: Option<u32>,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[expect(dead_code, reason = "its schema is looked at")]
struct NotEmpty {
    #[schemars(length(min = 1))]
    names: Vec<String>,
}

#[test]
fn a_bound_that_no_type_enforces_is_named() {
    let typed = tool_fn("typed", |_: Typed, _| async { Ok("") });
    let registry = Registry::builder().tool(tool_fn("find", find)).tool(typed).build().unwrap();
    let warnings = registry.catalog().warnings();
    let expected = "the input schema of tool `find` has bounds (`maximum`) that are not enforced: the feature `validate` is off";
    assert_eq!(warnings, [expected]);
}

#[test]
fn a_list_that_must_not_be_empty_is_named() {
    let registry = Registry::builder().tool(tool_fn("names", |_: NotEmpty, _| async { Ok("") }));
    let expected = "the input schema of tool `names` has bounds (`minItems`) that are not enforced: the feature `validate` is off";
    assert_eq!(registry.build().unwrap().catalog().warnings(), [expected]);
}

#[test]
fn a_schema_by_hand_that_nobody_enforces_is_named() {
    let schema = json!({ "type": "object", "properties": { "limit": { "maximum": 10 } } });
    let find = tool_fn("find", find).with_spec(|spec| spec.with_input_schema(schema));
    let registry = Registry::builder().tool(find).build().unwrap();
    let warnings = registry.catalog().warnings();
    assert_eq!(warnings, ["the input schema of tool `find` is not enforced: the feature `validate` is off"]);
}

//! Without the feature `validate`, types decide what they read, and what is not enforced is said.
#![cfg(not(feature = "validate"))]
#![expect(clippy::unwrap_used, reason = "a test unwraps")]

use serde_json::json;
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

fn request(arguments: &serde_json::Value) -> CallRequest {
    CallRequest::new("find").with_arguments(arguments).unwrap()
}

#[tokio::test]
async fn the_type_decides_what_it_reads() {
    let registry = Registry::builder().tool(tool_fn("find", find)).build().unwrap();
    assert_eq!(registry.catalog().warnings(), Vec::<String>::new());
    let dispatcher = Dispatcher::builder(registry).build();
    // A bound that only the schema knows is not enforced, and neither is what the type does not know.
    let found = dispatcher.call(request(&json!({ "limit": 11, "page": 2 }))).await.unwrap();
    assert_eq!(found.structured(), Some("11"));
    let error = dispatcher.call(request(&json!({ "limit": "big" }))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArguments);
    assert!(error.to_string().contains("limit"), "{error}");
}

#[test]
fn a_schema_by_hand_that_nobody_enforces_is_named() {
    let schema = json!({ "type": "object", "properties": { "limit": { "maximum": 10 } } });
    let find = tool_fn("find", find).with_spec(|spec| spec.with_input_schema(schema));
    let registry = Registry::builder().tool(find).build().unwrap();
    let warnings = registry.catalog().warnings();
    assert_eq!(warnings, ["the input schema of tool `find` is not enforced: the feature `validate` is off"]);
}

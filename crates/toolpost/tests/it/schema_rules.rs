//! What clients refuse in a tool's description: a warning, a fault, or nothing, as the host says.
#![expect(clippy::unwrap_used, reason = "a test unwraps")]

use serde_json::json;
use toolpost::tool::{AnyTool, NoArgs, SchemaClient, Tool, tool_fn};
use toolpost::{Runtime, RuntimeBuilder};

/// A tool with a tuple among its arguments, which is optional.
fn tool() -> impl Tool {
    let schema = json!({ "type": "object", "properties": { "at": {
        "type": "array", "prefixItems": [{ "type": "number" }], "items": false
    } } });
    tool_fn("turn", |_: NoArgs, _| async { Ok("") }).with_spec(|spec| spec.with_input_schema(schema))
}

fn warned(change: impl FnOnce(RuntimeBuilder) -> RuntimeBuilder) -> Vec<String> {
    change(Runtime::builder().tool(tool())).build().unwrap().warnings().collect()
}

#[test]
fn what_a_usual_client_refuses_is_a_warning_with_rule_client_place_and_cure() {
    let warnings = warned(|builder| builder);
    assert_eq!(
        warnings,
        [
            "`turn`: `/inputSchema/properties/at` is not for Gemini, OpenAI strict, VS Code (rule `tuple`): take an object \
             with a member for each place, or an array of one type",
            "`turn`: `/inputSchema/properties/at/items` is not for Gemini, OpenAI strict (rule `boolean-schema`): leave the \
             member out, or close the object with `additionalProperties`",
        ]
    );
}

#[test]
fn a_host_names_the_clients_and_what_it_allows() {
    let only = |client| warned(|builder| builder.schema_clients([client]));
    assert_eq!(only(SchemaClient::Claude), [""; 0]);
    assert_eq!(only(SchemaClient::VsCode).len(), 1);
    let strict = only(SchemaClient::OpenAiStrict);
    assert!(strict.iter().any(|line| line.contains("`optional-member`")), "{strict:?}");
    let silent =
        warned(|builder| builder.allow_schema_finding("tuple").allow_schema_finding("boolean-schema"));
    assert_eq!(silent, [""; 0]);
    let error = Runtime::builder().allow_schema_finding("tuples").build().unwrap_err();
    assert!(error.to_string().contains("no rule `tuples`"), "{error}");
}

#[test]
fn a_host_may_take_no_tool_that_some_client_refuses() {
    let strict = || Runtime::builder().deny_schema_findings();
    assert_eq!(strict().tool(tool()).build().unwrap_err().faults().count(), 2);
    let runtime = strict().build().unwrap();
    let error = runtime.reload(&Default::default(), [AnyTool::new(tool())]).unwrap_err();
    assert!(error.to_string().contains("(rule `tuple`)"), "{error}");
    let allowed = strict().allow_schema_finding("tuple").allow_schema_finding("boolean-schema");
    assert_eq!(allowed.tool(tool()).build().unwrap().warnings().count(), 0);
}

//! A runtime and its tools as tower services.
#![cfg(feature = "tower")]

use std::task::{Context, Poll};

use serde_json::json;
use toolpost::Runtime;
use toolpost::dispatch::CallRequest;
use toolpost::tool::{Call, NoArgs, Priority, Tool as _, tool_fn};
use toolpost::tower::{ServedTool, ToolService};
use toolpost_test::run;
use tower_service::Service;

/// A service that makes every call urgent, as a tower layer would.
#[derive(Clone)]
struct Urgently<S>(S);

impl<S: Service<Call>> Service<Call> for Urgently<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, call: Call) -> S::Future {
        self.0.call(call.with_priority(Priority::Urgent))
    }
}

#[test]
fn a_runtime_is_a_service_and_a_layered_tool_is_a_tool() {
    run(async {
        let tool = tool_fn("look", |_: NoArgs, call: Call| async move { Ok(call.priority().as_str()) });
        let spec = tool.spec().clone();
        let layered = ServedTool::new(spec, Urgently(ToolService::new(tool)));
        let mut runtime = Runtime::builder().tool(layered).build().unwrap();
        let request = CallRequest::new("look").with_arguments(&json!({})).unwrap();
        let output = Service::call(&mut runtime, request).await.unwrap();
        assert_eq!(output.as_text(), Some("urgent"));
        assert!(Service::call(&mut runtime, CallRequest::new("loom")).await.is_err());
    });
}

//! One tool of an upstream.

use std::sync::Arc;

use bytestring::ByteString;
use toolpost_tool::{Call, Output, Tool, ToolError, ToolSpec};

use crate::ask::{Request, ask};
use crate::upstream::Shared;

/// A tool whose calls go to a server, and whose results come from it as bytes.
pub(crate) struct UpstreamTool {
    spec: ToolSpec,
    request: Request,
    shared: Arc<Shared>,
}

impl UpstreamTool {
    pub(crate) fn new(spec: ToolSpec, shared: &Arc<Shared>) -> Self {
        let request = Request::Tool { name: ByteString::from(spec.name()) };
        Self { spec, request, shared: Arc::clone(shared) }
    }
}

impl Tool for UpstreamTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, call: Call) -> Result<Output, ToolError> {
        let (result, version) =
            ask(&self.shared, &self.request, self.spec.policy().repeatable, &call).await?;
        Output::from_result(result.node(), version).map_err(|error| {
            let message = format!("`{}`: {error}", self.shared.name);
            error.with_message(message)
        })
    }
}

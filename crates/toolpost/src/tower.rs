//! A runtime as a tower service, and tower services as tools.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use toolpost_dispatch::CallRequest;
use toolpost_tool::{Call, Output, Tool, ToolError, ToolSpec};
use tower_service::Service;

use crate::Runtime;

/// A call of a runtime on its way, as a service's future.
type Calling = Pin<Box<dyn Future<Output = Result<Output, ToolError>> + Send>>;

/// Always ready: a runtime queues and refuses by what a request is, which `poll_ready` does not see.
impl Service<CallRequest> for Runtime {
    type Response = Output;
    type Error = ToolError;
    type Future = Calling;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ToolError>> {
        Poll::Ready(Ok(()))
    }

    /// Runs one call. Dropping the future cancels it.
    fn call(&mut self, request: CallRequest) -> Calling {
        Box::pin(self.dispatcher().call(request))
    }
}

/// A tool as a service of calls: what a tower layer is put around. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ToolService(toolpost_tool::AnyTool);

impl ToolService {
    /// The service that calls `tool`.
    pub fn new(tool: impl Tool) -> Self {
        Self(toolpost_tool::AnyTool::new(tool))
    }
}

impl Service<Call> for ToolService {
    type Response = Output;
    type Error = ToolError;
    type Future = Calling;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ToolError>> {
        Poll::Ready(Ok(()))
    }

    /// Runs one call. Dropping the future cancels it.
    fn call(&mut self, call: Call) -> Calling {
        Box::pin(self.0.clone().call_owned(call))
    }
}

/// A service of calls as a tool: a tower layer around a [`ToolService`], or any service of that form.
///
/// Each call clones the service, waits until it is ready, and calls it. A layer whose error is a `Box<dyn Error>`
/// (tower's own timeout, say) needs a `map_err` that makes a [`ToolError`] of it; a layer that changes
/// neither the response nor the error needs nothing.
pub struct ServedTool<S> {
    spec: ToolSpec,
    service: S,
}

impl<S> ServedTool<S> {
    /// The tool that `spec` describes and `service` runs.
    #[must_use]
    pub const fn new(spec: ToolSpec, service: S) -> Self {
        Self { spec, service }
    }
}

impl<S> Tool for ServedTool<S>
where
    S: Service<Call, Response = Output> + Clone + Send + Sync + 'static,
    S::Error: Into<ToolError>,
    S::Future: Send,
{
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, call: Call) -> Result<Output, ToolError> {
        let mut service = self.service.clone();
        poll_fn(|context| service.poll_ready(context)).await.map_err(Into::into)?;
        service.call(call).await.map_err(Into::into)
    }
}

impl<S> fmt::Debug for ServedTool<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServedTool").field(&self.spec.name()).finish()
    }
}

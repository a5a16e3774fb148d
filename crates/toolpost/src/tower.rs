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
///
/// A tower layer around a tool, which is a tool of a runtime again:
///
/// ```
/// use std::task::{Context, Poll};
/// use toolpost::Runtime;
/// use toolpost::tool::{Call, NoArgs, Priority, Tool, tool_fn};
/// use toolpost::tower::{ServedTool, ToolService};
/// use tower_service::Service;
///
/// /// Makes every call urgent. (Layers of the crate `tower` are services of the same form.)
/// #[derive(Clone)]
/// struct Urgently<S>(S);
///
/// impl<S: Service<Call>> Service<Call> for Urgently<S> {
///     type Response = S::Response;
///     type Error = S::Error;
///     type Future = S::Future;
///
///     fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
///         self.0.poll_ready(context)
///     }
///
///     fn call(&mut self, call: Call) -> S::Future {
///         self.0.call(call.with_priority(Priority::Urgent))
///     }
/// }
///
/// let look = tool_fn("look", |_: NoArgs, call: Call| async move { Ok(call.priority().as_str()) });
/// let spec = look.spec().clone();
/// let urgent = ServedTool::new(spec, Urgently(ToolService::new(look)));
/// let runtime = Runtime::builder().tool(urgent).build().unwrap();
/// # toolpost_test::run(async {
/// assert_eq!(runtime.call("look", &NoArgs {}).await.unwrap().as_text(), Some("urgent"));
/// # });
/// ```
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

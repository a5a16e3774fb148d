//! The trait everything is built on.

use std::sync::Arc;

use crate::{Call, Output, ToolError, ToolSpec};

/// Something an MCP client can call by name.
///
/// Implementors write a plain `async fn`:
///
/// ```
/// use toolpost_tool::{Call, Output, Tool, ToolError, ToolSpec};
///
/// #[derive(Debug)]
/// struct Ping(ToolSpec);
///
/// impl Tool for Ping {
///     fn spec(&self) -> &ToolSpec {
///         &self.0
///     }
///
///     async fn call(&self, _call: Call) -> Result<Output, ToolError> {
///         Ok(Output::text("pong"))
///     }
/// }
///
/// let ping = Ping(ToolSpec::new("ping").unwrap().with_description("Answers pong."));
/// assert_eq!(ping.spec().name(), "ping");
/// ```
///
/// # Contract
///
/// * [`spec`](Self::spec) answers the same for the life of the value.
/// * Dropping the future of [`call`](Self::call) cancels it. There is no other way, and no second
///   signal to listen to: a tool that holds something across an `.await` holds it in a guard.
/// * A failure of the tool is a [`ToolError`]; a panic is caught by whoever runs the tool and costs
///   that one call.
///
/// The trait is not dyn-compatible on purpose: layers stay static, and [`AnyTool`](crate::AnyTool)
/// is the one place where a type is erased.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tool",
    label = "the trait `Tool` is not implemented for `{Self}`",
    note = "implement the trait `Tool`, wrap a `TypedTool` with `typed(..)`, or wrap a closure with `tool_fn(name, f)`"
)]
pub trait Tool: Send + Sync + 'static {
    /// Describes the tool: its name, its schemas and the policy it declares.
    fn spec(&self) -> &ToolSpec;

    /// Runs the tool once.
    fn call(&self, call: Call) -> impl Future<Output = Result<Output, ToolError>> + Send;
}

impl<T: Tool> Tool for Arc<T> {
    fn spec(&self) -> &ToolSpec {
        (**self).spec()
    }

    fn call(&self, call: Call) -> impl Future<Output = Result<Output, ToolError>> + Send {
        (**self).call(call)
    }
}

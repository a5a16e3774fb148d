//! The one erased tool.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use crate::{Call, Output, Tool, ToolError, ToolSpec};

/// A boxed future, as an erased call returns it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A tool whose type is erased, cheap to clone, and itself a [`Tool`].
///
/// A registry holds these. However many static layers stand behind it, a call through it costs one
/// allocation: the box of the whole future.
#[derive(Clone)]
pub struct AnyTool(Arc<dyn Erased>);

impl AnyTool {
    /// Erases the type of `tool`.
    pub fn new(tool: impl Tool) -> Self {
        Self(Arc::new(tool))
    }

    /// Whether both are handles of one tool: clones of each other, that is.
    #[must_use]
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Calls the tool; the one box of the call is this one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the tool's own future.
    #[must_use]
    pub fn call_boxed(&self, call: Call) -> BoxFuture<'_, Result<Output, ToolError>> {
        self.0.call_erased(call)
    }

    /// Calls the tool; the future owns its tool, so it may outlive this value.
    ///
    /// # Errors
    ///
    /// Whatever the tool answers.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the tool's own future.
    pub async fn call_owned(self, call: Call) -> Result<Output, ToolError> {
        self.0.call_erased(call).await
    }
}

impl Tool for AnyTool {
    fn spec(&self) -> &ToolSpec {
        self.0.spec_erased()
    }

    fn call(&self, call: Call) -> impl Future<Output = Result<Output, ToolError>> + Send {
        self.0.call_erased(call)
    }
}

impl fmt::Debug for AnyTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyTool").field(&self.spec().name()).finish()
    }
}

/// [`Tool`] in dyn-compatible form; method names differ from the trait's so that neither shadows.
trait Erased: Send + Sync {
    fn spec_erased(&self) -> &ToolSpec;
    fn call_erased(&self, call: Call) -> BoxFuture<'_, Result<Output, ToolError>>;
}

impl<T: Tool> Erased for T {
    fn spec_erased(&self) -> &ToolSpec {
        self.spec()
    }

    fn call_erased(&self, call: Call) -> BoxFuture<'_, Result<Output, ToolError>> {
        Box::pin(self.call(call))
    }
}

//! The trait of all layers, and the tool with a layer around it.

use std::fmt;
use std::sync::Arc;

use toolpost_tool::{Call, Output, Tool, ToolError, ToolSpec};

/// A policy that can be put around any tool: [`ToolExt::layered`](crate::ToolExt::layered) does, and the result is a tool.
///
/// The policies of this module are layers; so is whatever implements this.
///
/// ```
/// use std::sync::Arc;
///
/// use toolpost::ToolExt;
/// use toolpost::layers::Layer;
/// use toolpost::tool::{Call, NoArgs, Output, Tool, ToolError, tool_fn};
///
/// /// Upper case, whatever the tool says.
/// #[derive(Debug)]
/// struct Loud;
///
/// impl Layer for Loud {
///     async fn call<T: Tool>(&self, tool: &Arc<T>, call: Call) -> Result<Output, ToolError> {
///         let output = tool.call(call).await?;
///         Ok(Output::text(output.as_text().unwrap_or_default().to_uppercase()))
///     }
/// }
///
/// # toolpost_test::run(async {
/// let greet = tool_fn("greet", |_: NoArgs, _: Call| async { Ok("hello") }).layered(Loud);
/// toolpost_test::assert_text(&greet.call(Call::new(&NoArgs {}).unwrap()).await, "HELLO");
/// # });
/// ```
pub trait Layer: Send + Sync + 'static {
    /// Runs `call` of `tool` under this policy: not at all, once, or more often.
    ///
    /// Whoever calls more than once answers for it that the tool may be repeated
    /// ([`Policy::repeatable`](toolpost_tool::Policy::repeatable)).
    ///
    /// # Errors
    ///
    /// Those of the tool, and the layer's own refusals ([`ToolError::refused`]).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops that of the tool, unless a layer says otherwise.
    fn call<T: Tool>(
        &self,
        tool: &Arc<T>,
        call: Call,
    ) -> impl Future<Output = Result<Output, ToolError>> + Send;

    /// Adapts this policy to the tool that it is put around, once: to its cost, say. By default nothing changes.
    #[must_use]
    fn for_tool(self, spec: &ToolSpec) -> Self
    where
        Self: Sized,
    {
        let _any = spec;
        self
    }

    /// Says why this policy, adapted to the tool, can do nothing for it, if so: one of the tool's
    /// [warnings](ToolSpec::warnings) then, which [`Runtime::warnings`](crate::Runtime::warnings) shows.
    fn warning(&self, spec: &ToolSpec) -> Option<String> {
        let _any = spec;
        None
    }
}

/// A tool with a [`Layer`] around it. A clone shares the tool.
pub struct Layered<T, L> {
    tool: Arc<T>,
    layer: L,
    /// The tool's description with the layer's warning, if there is one.
    warned: Option<Box<ToolSpec>>,
}

impl<T: Tool, L: Layer> Layered<T, L> {
    /// Puts `layer` around `tool`.
    pub fn new(tool: T, layer: L) -> Self {
        let layer = layer.for_tool(tool.spec());
        let warning = layer.warning(tool.spec());
        let warned = warning.map(|warning| Box::new(tool.spec().clone().with_warning(warning)));
        Self { tool: Arc::new(tool), layer, warned }
    }
}

impl<T, L> Layered<T, L> {
    /// The tool inside.
    #[must_use]
    pub fn tool(&self) -> &T {
        &self.tool
    }

    /// The layer around it, adapted to the tool.
    #[must_use]
    pub const fn layer(&self) -> &L {
        &self.layer
    }
}

impl<T: Tool, L: Layer> Tool for Layered<T, L> {
    fn spec(&self) -> &ToolSpec {
        self.warned.as_deref().unwrap_or_else(|| self.tool.spec())
    }

    fn call(&self, call: Call) -> impl Future<Output = Result<Output, ToolError>> + Send {
        self.layer.call(&self.tool, call)
    }
}

impl<T, L: Clone> Clone for Layered<T, L> {
    fn clone(&self) -> Self {
        Self { tool: Arc::clone(&self.tool), layer: self.layer.clone(), warned: self.warned.clone() }
    }
}

impl<T: fmt::Debug, L: fmt::Debug> fmt::Debug for Layered<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layered").field("layer", &self.layer).field("tool", &self.tool).finish()
    }
}

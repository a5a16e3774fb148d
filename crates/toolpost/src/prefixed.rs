//! A tool under another name.

use toolpost_tool::{AnyTool, Call, InvalidToolName, Output, Tool, ToolError, ToolSpec};

/// The tool with `prefix` before its name and its aliases; the tool itself is called by the names it knows.
pub(crate) fn prefixed(tool: &AnyTool, prefix: &str) -> Result<AnyTool, InvalidToolName> {
    if prefix.is_empty() {
        return Ok(tool.clone());
    }
    let spec = tool.spec().clone().prefixed(prefix)?;
    Ok(AnyTool::new(Prefixed { tool: tool.clone(), spec, prefix: prefix.into() }))
}

struct Prefixed {
    tool: AnyTool,
    spec: ToolSpec,
    prefix: Box<str>,
}

impl Tool for Prefixed {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn call(&self, call: Call) -> impl Future<Output = Result<Output, ToolError>> + Send {
        // A bare call has no name at all.
        let own = call.tool().strip_prefix(&*self.prefix).unwrap_or_else(|| self.tool.spec().name());
        self.tool.call(call.renamed(own))
    }
}

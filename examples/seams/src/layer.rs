//! A policy of the host's own around every tool: an audit line for each attempt, whoever wrote the tool.
//!
//! `Runtime::builder().layer(Position::AroundAttempt, audit.layer())` puts it there; around each call instead, those that
//! a cache answers included, with `Position::OutsideCache`.

use std::sync::{Arc, Mutex, PoisonError};

use toolpost::tool::{AnyTool, Call, Output, Tool, ToolError, ToolSpec};

/// Lines of who ran what, and how that ended.
#[derive(Clone, Debug, Default)]
pub struct Audit(Arc<Mutex<Vec<String>>>);

impl Audit {
    /// What puts the audit around a tool.
    pub fn layer(&self) -> impl Fn(AnyTool) -> AnyTool + Send + Sync + 'static {
        let audit = self.clone();
        move |tool| AnyTool::new(Audited { tool, audit: audit.clone() })
    }

    /// The lines so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn write(&self, line: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

#[derive(Debug)]
struct Audited {
    tool: AnyTool,
    audit: Audit,
}

impl Tool for Audited {
    fn spec(&self) -> &ToolSpec {
        self.tool.spec()
    }

    async fn call(&self, call: Call) -> Result<Output, ToolError> {
        let attempt = format!("{} attempt {}", self.spec().name(), call.attempt());
        let answer = self.tool.call(call).await;
        let end = answer.as_ref().map_or_else(|error| format!("{:?}", error.kind()), |_| "Ok".to_owned());
        self.audit.write(format!("{attempt}: {end}"));
        answer
    }
}

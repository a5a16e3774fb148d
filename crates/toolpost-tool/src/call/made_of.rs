//! Calls that are made of calls: of another tool, or by another name.

use std::sync::Arc;

use bytestring::ByteString;
use serde::Serialize;
use toolpost_json::{Frame, Kind, NodeId};

use super::Call;
use crate::{CallParts, ToolError};

impl Call {
    /// A call of another tool on behalf of this one: same principal, correlation, trace, client, deadline
    /// and priority; its own arguments; no progress and no answers of its own.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn child<T: Serialize + ?Sized>(
        &self,
        tool: impl Into<ByteString>,
        arguments: &T,
    ) -> Result<Self, ToolError> {
        let parts = self.child_parts(tool.into()).with_arguments(arguments)?;
        Ok(Self::correlated(parts, self.correlation().into()))
    }

    /// A [child](Self::child) whose arguments are there already, encoded and indexed.
    ///
    /// # Errors
    ///
    /// Of kind [`InvalidArguments`](crate::ErrorKind::InvalidArguments) if they are no object.
    pub fn child_of(&self, tool: impl Into<ByteString>, arguments: Frame) -> Result<Self, ToolError> {
        if arguments.root().kind() != Kind::Object {
            return Err(ToolError::invalid_arguments("arguments must be a JSON object"));
        }
        let mut parts = self.child_parts(tool.into());
        parts.arguments = Some(NodeId::ROOT);
        parts.frame = Some(arguments);
        Ok(Self::correlated(parts, self.correlation().into()))
    }

    fn child_parts(&self, tool: ByteString) -> CallParts {
        CallParts {
            tool,
            principal: self.shared.principal.clone(),
            priority: self.priority,
            deadline: self.deadline,
            arrived: self.shared.arrived,
            client: self.shared.client,
            rare: self.rare().map(|rare| Box::new(rare.for_child())),
            ..CallParts::default()
        }
    }

    /// This call, of another tool, with a part of its own arguments as the arguments: everything else is the same,
    /// `_meta`, answers and progress included. For a tool that stands in front of others.
    ///
    /// `arguments` is [where](toolpost_json::Node::id) that part is in the frame of this call; without it the other tool gets an empty
    /// object. Nothing is encoded anew.
    ///
    /// # Errors
    ///
    /// Of kind [`InvalidArguments`](crate::ErrorKind::InvalidArguments) if that part is no object.
    pub fn redirected(
        &self,
        tool: impl Into<ByteString>,
        arguments: Option<NodeId>,
    ) -> Result<Self, ToolError> {
        let mut parts = CallParts { arguments, tool: tool.into(), ..self.to_parts() };
        if self.quiet {
            parts.set_sink(None);
        }
        if parts.arguments().kind() != Kind::Object {
            return Err(ToolError::invalid_arguments("arguments must be a JSON object"));
        }
        Ok(Self::correlated(parts, self.correlation().into()))
    }

    /// This call, by another name of the same tool: everything else is the same. For a tool that gives another one a name.
    #[must_use]
    pub fn renamed(&self, tool: impl Into<ByteString>) -> Self {
        let parts = CallParts { tool: tool.into(), ..self.to_parts() };
        let Self { attempt, quiet, .. } = *self;
        Self { attempt, quiet, ..Self::correlated(parts, self.correlation().into()) }
    }

    /// This call with these answers (an object by the keys of their questions): for whoever asks on behalf of a tool that it
    /// calls.
    #[must_use]
    pub fn with_answers(self, answers: Option<Arc<Frame>>) -> Self {
        self.with_rare(|rare| rare.answers = answers)
    }

    /// This call with this state, encoded: for whoever keeps a state of its own around that of a tool that it calls.
    #[must_use]
    pub fn with_state(self, state: Option<ByteString>) -> Self {
        self.with_rare(|rare| rare.state = state)
    }
}

//! What a dispatcher is asked to do.

use bytestring::ByteString;
use serde::Serialize;
use toolpost_tool::{CallParts, Principal, ToolError};

use crate::CallKey;

/// One request to call a tool.
#[derive(Debug, Default)]
pub struct CallRequest {
    parts: CallParts,
    key: Option<CallKey>,
}

impl CallRequest {
    /// A call of the tool called `name`, without arguments, by an anonymous principal.
    pub fn new(name: impl Into<ByteString>) -> Self {
        let mut parts = CallParts::default();
        parts.tool = name.into();
        Self { parts, key: None }
    }

    /// A call made of what a transport received.
    #[must_use]
    #[inline]
    pub const fn from_parts(parts: CallParts) -> Self {
        Self { parts, key: None }
    }

    /// Sets the arguments.
    ///
    /// # Errors
    ///
    /// If they do not encode as JSON within the default limits.
    pub fn with_arguments<T: Serialize + ?Sized>(mut self, arguments: &T) -> Result<Self, ToolError> {
        self.parts = self.parts.with_arguments(arguments)?;
        Ok(self)
    }

    /// Sets who calls.
    #[must_use]
    pub fn by(mut self, principal: Principal) -> Self {
        self.parts.principal = principal;
        self
    }

    /// Lets the call be cancelled by [`Dispatcher::cancel`](crate::Dispatcher::cancel) under `key`, if there is one.
    #[must_use]
    #[inline]
    pub fn cancelled_by(mut self, key: impl Into<Option<CallKey>>) -> Self {
        self.key = key.into();
        self
    }

    #[inline]
    pub(crate) fn split(self) -> (CallParts, Option<CallKey>) {
        (self.parts, self.key)
    }
}

//! Completions of the arguments of prompts and resource templates.

use std::sync::Arc;

use toolpost_protocol::model::{CompletionArgument, CompletionReference};
use toolpost_tool::{BoxFuture, Principal, ToolError};

/// Suggests values while a user types. An async closure is one.
///
/// ```
/// use toolpost_dispatch::{Completing, Dispatcher, Registry};
///
/// let dispatcher = Dispatcher::builder(Registry::builder().build().unwrap())
///     .completions(|completing: Completing| async move {
///         let parts = ["chuck", "carriage", "tailstock"].into_iter();
///         let typed = completing.argument.value;
///         Ok(parts.filter(|part| part.starts_with(&typed)).map(String::from).collect())
///     })
///     .build();
/// assert!(dispatcher.has_completions());
/// ```
pub trait Completions: Send + Sync + 'static {
    /// The values that can complete what was typed, best first. At most 100 reach the client.
    fn complete(&self, completing: Completing)
    -> impl Future<Output = Result<Vec<String>, ToolError>> + Send;
}

/// What is being typed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Completing {
    /// The prompt or resource template whose argument it is.
    pub reference: CompletionReference,
    /// The argument, and what is there of its value.
    pub argument: CompletionArgument,
    /// The arguments already given, by name.
    pub given: std::collections::BTreeMap<String, String>,
    /// Who types.
    pub principal: Principal,
}

impl<F, Fut> Completions for F
where
    F: Fn(Completing) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Vec<String>, ToolError>> + Send,
{
    fn complete(
        &self,
        completing: Completing,
    ) -> impl Future<Output = Result<Vec<String>, ToolError>> + Send {
        self(completing)
    }
}

impl Completing {
    /// What is being typed, by whom.
    #[must_use]
    pub fn new(reference: CompletionReference, argument: CompletionArgument, principal: Principal) -> Self {
        Self { reference, argument, given: Default::default(), principal }
    }
}

/// [`Completions`] with their type erased.
pub(crate) type AnyCompletions = Arc<dyn Erased>;

pub(crate) trait Erased: Send + Sync {
    fn complete_erased(&self, completing: Completing) -> BoxFuture<'_, Result<Vec<String>, ToolError>>;
}

impl<C: Completions> Erased for C {
    fn complete_erased(&self, completing: Completing) -> BoxFuture<'_, Result<Vec<String>, ToolError>> {
        Box::pin(self.complete(completing))
    }
}

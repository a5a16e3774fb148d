//! Prompts.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use toolpost_protocol::model::{GetPromptResult, Prompt};
use toolpost_tool::{BoxFuture, Call, Principal, ToolError};

/// Messages that a user can ask for by name. [`PromptSet`] is one made of closures.
///
/// ```
/// use std::collections::BTreeMap;
/// use toolpost_dispatch::{Dispatcher, Prompts, Registry};
/// use toolpost_protocol::model::{ContentBlock, GetPromptResult, Prompt, PromptMessage, Role};
/// use toolpost_tool::{Call, Principal, ToolError};
///
/// struct Greeting;
///
/// impl Prompts for Greeting {
///     fn list(&self, _: &Principal) -> Vec<Prompt> {
///         vec![Prompt::new("greet")]
///     }
///
///     async fn get(
///         &self,
///         name: &str,
///         _: BTreeMap<String, String>,
///         call: Call,
///     ) -> Result<Option<GetPromptResult>, ToolError> {
///         let text = format!("Greet {}.", call.principal().as_str());
///         let message = PromptMessage::new(Role::User, ContentBlock::text(text));
///         Ok((name == "greet").then(|| GetPromptResult::new(vec![message])))
///     }
/// }
///
/// let dispatcher = Dispatcher::builder(Registry::builder().build().unwrap()).prompts(Greeting).build();
/// assert_eq!(dispatcher.prompts(&Principal::anonymous())[0].name, "greet");
/// ```
pub trait Prompts: Send + Sync + 'static {
    /// The prompts that `principal` may be shown, in a stable order.
    fn list(&self, principal: &Principal) -> Vec<Prompt>;

    /// Whether every principal is shown the same, so that one list serves all.
    fn is_shared(&self) -> bool {
        false
    }

    /// The messages of the prompt called `name`, given its arguments by name; `None` if there is none. The call has no
    /// arguments of its own; it says who asks, and can ask for input.
    fn get(
        &self,
        name: &str,
        arguments: BTreeMap<String, String>,
        call: Call,
    ) -> impl Future<Output = Result<Option<GetPromptResult>, ToolError>> + Send;
}

/// [`Prompts`] made of closures, listed in the order of their names.
///
/// An argument that a prompt declares as required is there when its closure runs.
///
/// ```
/// use toolpost_dispatch::{PromptSet, Prompts};
/// use toolpost_protocol::model::{GetPromptResult, Prompt, PromptArgument, PromptMessage, Role};
/// use toolpost_tool::Call;
///
/// let explain = Prompt::new("explain").with_argument(PromptArgument::new("topic").required());
/// let set = PromptSet::new().prompt(explain, |arguments, _| async move {
///     let text = format!("Explain {}.", arguments["topic"]);
///     Ok(GetPromptResult::new(vec![PromptMessage::new(Role::User, text)]))
/// });
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let call = Call::new(&serde_json::json!({})).unwrap();
/// let error = set.get("explain", Default::default(), call).await.unwrap_err();
/// assert_eq!(error.to_string(), "the prompt `explain` needs the argument `topic`");
/// # });
/// ```
#[derive(Default)]
pub struct PromptSet {
    prompts: BTreeMap<String, (Prompt, Get)>,
}

type Get = Box<
    dyn Fn(BTreeMap<String, String>, Call) -> BoxFuture<'static, Result<GetPromptResult, ToolError>>
        + Send
        + Sync,
>;

impl PromptSet {
    /// No prompts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a prompt whose messages `get` makes. A second one of the same name replaces the first.
    #[must_use]
    pub fn prompt<F, Fut>(mut self, prompt: Prompt, get: F) -> Self
    where
        F: Fn(BTreeMap<String, String>, Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<GetPromptResult, ToolError>> + Send + 'static,
    {
        let get: Get = Box::new(move |arguments, call| Box::pin(get(arguments, call)));
        self.prompts.insert(prompt.name.clone(), (prompt, get));
        self
    }
}

impl Prompts for PromptSet {
    fn list(&self, _: &Principal) -> Vec<Prompt> {
        self.prompts.values().map(|(prompt, _)| prompt.clone()).collect()
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn get(
        &self,
        name: &str,
        arguments: BTreeMap<String, String>,
        call: Call,
    ) -> Result<Option<GetPromptResult>, ToolError> {
        let Some((prompt, get)) = self.prompts.get(name) else { return Ok(None) };
        let declared = prompt.arguments.iter().flatten();
        let mut required = declared.filter(|argument| argument.required == Some(true));
        if let Some(missing) = required.find(|argument| !arguments.contains_key(&argument.name)) {
            let message = format!("the prompt `{name}` needs the argument `{}`", missing.name);
            return Err(ToolError::invalid_arguments(message));
        }
        get(arguments, call).await.map(Some)
    }
}

impl fmt::Debug for PromptSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.prompts.keys()).finish()
    }
}

/// [`Prompts`] with their type erased.
pub(crate) type AnyPrompts = Arc<dyn Erased>;

/// What asking for a prompt ends in.
pub(crate) type Messages = Result<Option<GetPromptResult>, ToolError>;

pub(crate) trait Erased: Send + Sync {
    fn is_shared_erased(&self) -> bool;
    fn list_erased(&self, principal: &Principal) -> Vec<Prompt>;
    fn get_erased<'a>(
        &'a self,
        name: &'a str,
        arguments: BTreeMap<String, String>,
        call: Call,
    ) -> BoxFuture<'a, Messages>;
}

impl<P: Prompts> Erased for P {
    fn is_shared_erased(&self) -> bool {
        self.is_shared()
    }

    fn list_erased(&self, principal: &Principal) -> Vec<Prompt> {
        self.list(principal)
    }

    fn get_erased<'a>(
        &'a self,
        name: &'a str,
        arguments: BTreeMap<String, String>,
        call: Call,
    ) -> BoxFuture<'a, Messages> {
        Box::pin(self.get(name, arguments, call))
    }
}

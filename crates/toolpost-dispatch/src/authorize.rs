//! Who may see and use what.

use std::error::Error;

use toolpost_tool::{Principal, ToolError, ToolSpec};

/// Decides who may see and use which tool, resource and prompt.
///
/// Listing and using ask the same one, so what is not shown to a principal cannot be used by it either.
/// An error denies. A denial tells the name that the caller gave, never that of which it is an alias.
///
/// The decision is made from what is already known about the principal: whatever needs I/O (a
/// token check, a database) belongs before the call, where the principal is established.
///
/// A function from an [`Access`] to a [`Decision`] is one:
///
/// ```
/// use toolpost_dispatch::{Access, CallRequest, Decision, Dispatcher, Registry, Target};
/// use toolpost_tool::{NoArgs, Principal, tool_fn};
///
/// let tool = |name| tool_fn(name, |_: NoArgs, _| async { Ok("done") });
/// let registry = Registry::builder().tool(tool("read")).tool(tool("scrap")).build().unwrap();
/// let dispatcher = Dispatcher::builder(registry)
///     .authorize(|access: &Access<'_>| match (access.target, access.principal.as_str()) {
///         (Target::Tool(tool), "") if tool.name() == "scrap" => Decision::Hide,
///         _ => Decision::Allow,
///     })
///     .build();
///
/// let catalog = dispatcher.catalog();
/// assert_eq!(dispatcher.visible(&catalog, &Principal::anonymous()).len(), 1);
/// assert_eq!(dispatcher.visible(&catalog, &Principal::new("ada")).len(), 2);
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let error = dispatcher.call(CallRequest::new("scrap")).await.unwrap_err();
/// assert_eq!(error.to_string(), "unknown tool `scrap`; tools/list names those there are");
/// # });
/// ```
pub trait Authorize: Send + Sync + 'static {
    /// Allows or denies one access.
    ///
    /// # Errors
    ///
    /// When no decision can be reached; that denies, and the caller is not told why.
    fn authorize(&self, access: &Access<'_>) -> Result<Decision, Box<dyn Error + Send + Sync>>;

    /// Whether every access is allowed, to everyone: then nobody is asked, and one list serves all.
    fn is_open(&self) -> bool {
        false
    }
}

/// One principal, one thing it wants to see or use.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Access<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// For what.
    pub target: Target<'a>,
}

/// What is listed, called, read or asked for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Target<'a> {
    /// A tool.
    Tool(&'a ToolSpec),
    /// The resource at this URI, or the template that this is.
    Resource(&'a str),
    /// The prompt with this name.
    Prompt(&'a str),
    /// The category of tools with this name that nobody has loaded yet: all that is known of it is its name. Once it is
    /// loaded it is seen by whoever may see a tool in it.
    Category(&'a str),
}

impl Target<'_> {
    /// The name of the tool, prompt or category, or the URI.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Tool(spec) => spec.name(),
            Self::Resource(name) | Self::Prompt(name) | Self::Category(name) => name,
        }
    }
}

/// Whether an access is allowed.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Decision {
    /// It is.
    Allow,
    /// It is not; the reason is shown to the caller, who learns that there is such a thing.
    Deny(String),
    /// It is not with the scopes of the caller's token, and it is with these, separated by spaces. The caller is shown that there
    /// is such a thing, in lists too, and is told the scopes when it uses it: over HTTP by 403 and a challenge
    /// (`insufficient_scope`), so that its client can ask for them.
    InsufficientScope(String),
    /// It is not, and the caller is answered as if there were no such thing. Observers are told of a denial.
    ///
    /// What the host's own handlers say of what does not exist is theirs: completions for it are best empty, as they are for
    /// what is hidden.
    Hide,
}

/// Allows everything: what there is before a host has a rule.
pub(crate) struct Open;

impl Authorize for Open {
    fn authorize(&self, _: &Access<'_>) -> Result<Decision, Box<dyn Error + Send + Sync>> {
        Ok(Decision::Allow)
    }

    fn is_open(&self) -> bool {
        true
    }
}

/// Why an access is closed.
pub(crate) enum AccessDenied {
    Denied(ToolError),
    Hidden,
}

impl AccessDenied {
    /// What the caller is told; `unknown` is what it is told of what does not exist.
    pub(crate) fn told(self, unknown: impl FnOnce() -> ToolError) -> ToolError {
        match self {
            Self::Denied(error) => error,
            Self::Hidden => unknown(),
        }
    }
}

impl<F> Authorize for F
where
    F: Fn(&Access<'_>) -> Decision + Send + Sync + 'static,
{
    fn authorize(&self, access: &Access<'_>) -> Result<Decision, Box<dyn Error + Send + Sync>> {
        Ok(self(access))
    }
}

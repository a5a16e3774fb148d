//! Which scopes a token needs for what.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;

use toolpost_dispatch::{Access, Authorize, Decision, Target};

/// A rule that asks for OAuth scopes: of every caller, of those who use a tool, resources or prompts.
///
/// A client whose token lacks one sees what there is, and is told which scopes to ask its authorization server for when it uses
/// it: over HTTP by 403 with a challenge (`insufficient_scope`), on other transports by an error.
///
/// ```
/// use toolpost_auth::RequireScopes;
/// use toolpost_dispatch::{Dispatcher, Registry};
/// use toolpost_server::{ProtectedResource, Server};
/// use toolpost_tool::{NoArgs, tool_fn};
///
/// let registry = Registry::builder()
///     .tool(tool_fn("count", |_: NoArgs, _| async { Ok("7") }))
///     .tool(tool_fn("scrap", |_: NoArgs, _| async { Ok("gone") }))
///     .build()?;
/// let scopes = RequireScopes::new().everywhere(["stock:read"]).tool("scrap", ["stock:write"]);
/// let resource = ProtectedResource::new("https://mcp.example.com/mcp").scopes(scopes.scopes());
/// let dispatcher = Dispatcher::builder(registry).authorize(scopes).build();
/// let server = Server::builder(dispatcher).protected_resource(resource).build();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A name that no tool has protects nothing, so name what everybody needs by [`everywhere`](Self::everywhere).
#[derive(Clone, Debug, Default)]
pub struct RequireScopes {
    everywhere: Vec<Box<str>>,
    tools: HashMap<Box<str>, Vec<Box<str>>>,
    resources: Vec<Box<str>>,
    prompts: Vec<Box<str>>,
}

impl RequireScopes {
    /// A rule that asks for nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for these scopes whatever is used.
    #[must_use]
    pub fn everywhere<S: Into<Box<str>>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.everywhere.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// Asks for these scopes where the tool of this name is called.
    #[must_use]
    pub fn tool<S: Into<Box<str>>>(
        mut self,
        name: impl Into<Box<str>>,
        scopes: impl IntoIterator<Item = S>,
    ) -> Self {
        self.tools.entry(name.into()).or_default().extend(scopes.into_iter().map(Into::into));
        self
    }

    /// Asks for these scopes where a resource is read. Who lacks one and subscribes to changes of a resource is answered as if
    /// there were no such resource.
    #[must_use]
    pub fn resources<S: Into<Box<str>>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.resources.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// Asks for these scopes where a prompt is used.
    #[must_use]
    pub fn prompts<S: Into<Box<str>>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.prompts.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// All scopes that it asks for somewhere, sorted: for
    /// [`ProtectedResource::scopes`](toolpost_server::ProtectedResource::scopes).
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        let tools = self.tools.values().flatten();
        let all = self.everywhere.iter().chain(tools).chain(&self.resources).chain(&self.prompts);
        all.map(|scope| &**scope).collect::<BTreeSet<_>>().into_iter()
    }
}

impl Authorize for RequireScopes {
    fn authorize(&self, access: &Access<'_>) -> Result<Decision, Box<dyn Error + Send + Sync>> {
        let own: &[Box<str>] = match access.target {
            Target::Tool(tool) => self.tools.get(tool.name()).map_or(&[], Vec::as_slice),
            Target::Resource(_) => &self.resources,
            Target::Prompt(_) => &self.prompts,
            _ => &[],
        };
        let needed = || self.everywhere.iter().chain(own);
        if needed().all(|scope| access.principal.has_scope(scope)) {
            return Ok(Decision::Allow);
        }
        let needed: Vec<&str> = needed().map(|scope| &**scope).collect();
        Ok(Decision::InsufficientScope(needed.join(" ")))
    }
}

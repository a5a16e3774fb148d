//! Tools, with their declared policy applied, ready to be called.

mod builder;
mod drain;
mod source;

use std::sync::Arc;

use serde::Serialize;
use toolpost_breaker::{Breaker, CountWindow};
use toolpost_dispatch::{CallRequest, Dispatcher};
use toolpost_scheduler::rt::Gate;
use toolpost_tool::{AnyTool, ErrorKind, Output, Principal, ToolError, ToolSpec};

pub use self::builder::RuntimeBuilder;
pub use self::drain::Remaining;
pub use self::source::ToolSource;
use crate::background::Owners;
use crate::behind::Behind;
use crate::layers::ResultCache;
use crate::pipeline::Shared;
use crate::registered::{Change, Given, Origin};
use crate::{BuildError, Settings};

/// Tools, with the policy that each declares applied, ready to be called or served. Cheap to clone.
///
/// ```
/// use std::time::Duration;
/// use toolpost::Runtime;
/// use toolpost::tool::{Call, ErrorKind, NoArgs, tool_fn};
///
/// let slow = tool_fn("slow", |_: NoArgs, _: Call| std::future::pending::<Result<String, _>>())
///     .with_spec(|spec| spec.with_time_limit(Duration::from_secs(10)));
/// let runtime = Runtime::builder().tool(slow).build().unwrap();
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
/// let error = runtime.call("slow", &serde_json::json!({})).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::TimedOut, "a declared policy is an enforced policy");
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Runtime {
    /// What clients see.
    dispatcher: Dispatcher,
    behind: Behind,
    shared: Shared,
    background: Owners,
}

impl Runtime {
    /// Collects tools.
    #[must_use]
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder::default()
    }

    /// Calls the tool called `name` as an anonymous principal. As a client would: where a [`Surface`](crate::Surface) puts
    /// tools in front, only those are there.
    ///
    /// # Errors
    ///
    /// As [`Dispatcher::call`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the tool's future.
    pub async fn call<T: Serialize + ?Sized>(&self, name: &str, arguments: &T) -> Result<Output, ToolError> {
        self.dispatcher.call(CallRequest::new(name).with_arguments(arguments)?).await
    }

    /// The dispatcher: what a transport, or a server that already exists, calls.
    #[must_use]
    pub const fn dispatcher(&self) -> &Dispatcher {
        &self.dispatcher
    }

    /// All tools, whatever clients see of them.
    pub(crate) const fn behind(&self) -> &Behind {
        &self.behind
    }

    /// What is wrong with the tools and still works, each with the tool, what it declares and the cure: policies that can
    /// have no effect (a cache on a tool that does not only read, a retry on one that is not safe to repeat), in a spec
    /// or by hand in layers; schemas that are dear to check values against; and what some
    /// [client](RuntimeBuilder::schema_clients) refuses or misreads in a tool's description. With the feature `tracing` each is also a line at the level `WARN` when it is first found.
    ///
    /// Settings that ask for what cannot take effect are a fault of [`build`](RuntimeBuilder::build).
    ///
    /// ```
    /// use std::time::Duration;
    /// use toolpost::Runtime;
    /// use toolpost::tool::{CachePolicy, NoArgs, tool_fn};
    ///
    /// let stock = tool_fn("stock", |_: NoArgs, _| async { Ok("12 left") })
    ///     .with_spec(|spec| spec.with_cache(CachePolicy::new(Duration::from_secs(60))));
    /// let runtime = Runtime::builder().tool(stock).build().unwrap();
    /// assert!(runtime.warnings().next().unwrap().contains("nothing is cached; call `read_only()`"));
    /// ```
    pub fn warnings(&self) -> impl Iterator<Item = String> + use<> {
        self.behind.warnings().into_iter()
    }

    /// Sets up a server of these tools, on stdio or Streamable HTTP.
    #[cfg(feature = "connection")]
    #[must_use]
    pub fn server(&self) -> toolpost_server::ServerBuilder {
        toolpost_server::Server::builder(self.dispatcher.clone())
    }

    /// What the runtime remembers. Without a cache of your own and a tool that declares one, it is made at the first call.
    #[must_use]
    pub fn cache(&self) -> &ResultCache {
        self.shared.cache()
    }

    /// The breaker that the tool of this name declares: its state, counts, and a way to close it by hand.
    #[must_use]
    pub fn breaker(&self, tool: &str) -> Option<Arc<Breaker<CountWindow>>> {
        self.behind.breaker(tool)
    }

    /// The permits that attempts run under.
    #[must_use]
    pub const fn gate(&self) -> &Gate {
        self.shared.permits.gate()
    }

    /// Calls several tools at once, at most `limit` at a time, as an anonymous principal: the results in the order of
    /// the calls, whatever order they end in. A failure is a result like any other, of the same kind and cause; its text begins
    /// with the tool's name and its category, if it has one, but for a violation of the protocol, which says what it is of.
    ///
    /// # Panics
    ///
    /// When `limit` is zero.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the calls that run, and makes no more.
    pub async fn call_all<'a, T: Serialize + 'a>(
        &self,
        calls: impl IntoIterator<Item = (&'a str, T)>,
        limit: usize,
    ) -> Vec<Result<Output, ToolError>> {
        let calls = calls.into_iter().map(|(name, arguments)| async move {
            self.call(name, &arguments).await.map_err(|error| self.attributed(name, error))
        });
        crate::parallel(calls, limit).all().await
    }

    /// The error of one call among several.
    fn attributed(&self, name: &str, error: ToolError) -> ToolError {
        let catalog = self.dispatcher.catalog();
        let tool = catalog.find(name).map(|entry| entry.spec());
        let shown = tool.filter(|tool| self.dispatcher.may(&Principal::default(), tool));
        let message = match shown.and_then(ToolSpec::category) {
            Some(category) => format!("`{name}` (category `{category}`): {error}"),
            // An unknown name is a part of what is said already.
            None if error.kind() == ErrorKind::Protocol => return error,
            None => format!("`{name}`: {error}"),
        };
        error.with_message(message)
    }

    /// Replaces settings and tools at once, while serving: calls that run finish with the tool they found.
    ///
    /// `tools` take the place of those that were there from the start; lazy categories that are loaded stay loaded, and
    /// [sources](Self::source) give what they gave, under the new settings. What the runtime remembers stays: results, permits and rates, for each tool whose breaker is
    /// declared as before, what its breaker has seen, and for each that bounds its concurrency, the permits that are taken:
    /// with another bound there are more, or none until they are fewer. How many permits all tools share,
    /// [`Gate::set_limit`] changes on [`gate`](Self::gate). Results of tools whose names are gone are served no more; a slow
    /// store below the cache may keep them until [`ResultCache::invalidate_tool`] tells it.
    ///
    /// # Errors
    ///
    /// As [`RuntimeBuilder::build`]; tools and settings stay as they were.
    pub fn reload(
        &self,
        settings: &Settings,
        tools: impl IntoIterator<Item = AnyTool>,
    ) -> Result<(), BuildError> {
        let tools = Some((Origin::Builder, Given::of(tools.into_iter().collect())));
        self.behind.change(Change { settings: Some(settings.clone()), tools }).map(drop)
    }

    /// Replaces the settings while serving, and keeps the tools; otherwise as [`reload`](Self::reload).
    ///
    /// # Errors
    ///
    /// As [`reload`](Self::reload).
    pub fn reconfigure(&self, settings: &Settings) -> Result<(), BuildError> {
        self.behind.change(Change { settings: Some(settings.clone()), tools: None }).map(drop)
    }
}

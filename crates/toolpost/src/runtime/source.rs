//! Tools that come and go while a runtime serves.

use toolpost_tool::AnyTool;

use super::Runtime;
use crate::BuildError;
use crate::registered::{Given, Origin};

/// Registers tools that come and go while a runtime serves: those of another server, of a catalog of programs, of
/// plans. Made by [`Runtime::source`]; clones are the same source.
///
/// The tools of a source are replaced together, and without those of others. Each is behind the policies that it
/// declares, the host's settings and [layers](crate::RuntimeBuilder::layer), as one that was there from the start. One
/// that is given again ([the same](AnyTool::ptr_eq), not one that is like it) keeps all that is remembered of it; one of
/// the same name keeps as much as over a [reload](Runtime::reload). Where anything changed, clients are told that the
/// list has.
///
/// ```
/// use toolpost::Runtime;
/// use toolpost::tool::{AnyTool, Call, NoArgs, tool_fn};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let runtime = Runtime::builder().build().unwrap();
/// let shop = runtime.source("shop").prefixed("shop_");
/// let stock = AnyTool::new(tool_fn("stock", |_: NoArgs, _: Call| async { Ok("12 left") }));
/// shop.set([stock]).await.unwrap();
/// assert_eq!(runtime.call("shop_stock", &NoArgs {}).await.unwrap().as_text(), Some("12 left"));
/// shop.clear().await.unwrap();
/// assert!(runtime.call("shop_stock", &NoArgs {}).await.is_err());
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct ToolSource {
    runtime: Runtime,
    name: String,
    prefix: String,
}

impl Runtime {
    /// The source of tools called `name`. One that does not exist yet begins without tools; from here on settings for a
    /// tool that does not exist are a [warning](Self::warnings), as it may yet come.
    /// ([`RuntimeBuilder::source`](crate::RuntimeBuilder::source) says so before the settings are read.)
    #[must_use]
    pub fn source(&self, name: impl Into<String>) -> ToolSource {
        let name = name.into();
        self.behind.declare(Origin::Source(name.clone()));
        ToolSource { runtime: self.clone(), name, prefix: String::new() }
    }
}

impl ToolSource {
    /// Puts `prefix` before the name and the aliases of each tool that is [set](Self::set) through this handle, so that
    /// they differ from those of other sources. The tools are called by the names that they know.
    #[must_use]
    pub fn prefixed(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Has the source give these tools, in place of those that it gave before. Calls that run finish with the tool that
    /// they found. Results that were cached of tools whose names are gone are served no more, nor are those that their last
    /// calls come to.
    ///
    /// # Errors
    ///
    /// As [`RuntimeBuilder::build`](crate::RuntimeBuilder::build); of a name that another source, a category or the runtime
    /// itself has already, it names both. Nothing has changed then.
    ///
    /// # Cancel safety
    ///
    /// The tools are replaced at the first poll. Dropped after it, a slow store below the cache may keep results of tools
    /// that are gone.
    pub fn set(
        &self,
        tools: impl IntoIterator<Item = AnyTool>,
    ) -> impl Future<Output = Result<(), BuildError>> + Send {
        let given = Given { tools: tools.into_iter().collect(), prefix: self.prefix.clone() };
        async move { self.runtime.behind.give(Origin::Source(self.name.clone()), given).await }
    }

    /// Has the source give no tools; otherwise as [`set`](Self::set).
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    ///
    /// # Cancel safety
    ///
    /// As [`set`](Self::set).
    pub async fn clear(&self) -> Result<(), BuildError> {
        self.set([]).await
    }
}

//! Forgetting more than a tag, or less: one call, one tool, one server, everything.

use toolpost_cache::StoreError;
use toolpost_tool::{Call, ToolSpec};

use super::{Caching, ResultCache};

impl ResultCache {
    /// Forgets what is remembered of one call of the tool that `spec` describes, under the policy that it declares, and
    /// the run of it that is under way; true if something was remembered.
    ///
    /// `call` is one with the same arguments, by the same principal (unless the results are public) and with the same
    /// `_meta` members that the policy names. The spec under which a [`Runtime`](crate::Runtime) runs a tool is the one in
    /// its registry. Of a tool with a policy of its own choosing, [`Caching::forget`] forgets.
    ///
    /// ```
    /// use std::time::Duration;
    /// use toolpost::Runtime;
    /// use toolpost::tool::{Call, CachePolicy, ResultFlag, tool_fn};
    ///
    /// # #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// # struct Article { article: u32 }
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let stock = tool_fn("stock", |_: Article, _: Call| async { Ok("12 left") })
    ///     .with_spec(|spec| spec.read_only().with_cache(Duration::from_secs(60).into()));
    /// let runtime = Runtime::builder().tool(stock).build().unwrap();
    /// let lathe = serde_json::json!({"article": 7});
    /// runtime.call("stock", &lathe).await.unwrap();
    ///
    /// let catalog = runtime.dispatcher().catalog();
    /// let spec = catalog.find("stock").unwrap().spec();
    /// assert!(runtime.cache().forget(spec, &Call::new(&lathe).unwrap()).await);
    /// assert!(!runtime.call("stock", &lathe).await.unwrap().has_flag(ResultFlag::CacheHit));
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Cancel safety
    ///
    /// In memory it is done at the first poll; below that, perhaps.
    pub async fn forget(&self, spec: &ToolSpec, call: &Call) -> bool {
        match Caching::declared(self, spec) {
            Some(caching) => caching.forget(call).await,
            None => false,
        }
    }

    /// Makes every result of this server's tool called `name` dead, whatever its arguments, its version and who asked;
    /// otherwise as [`invalidate`](Self::invalidate).
    ///
    /// # Cancel safety
    ///
    /// In memory it is done at the first poll; below that, perhaps.
    pub async fn invalidate_tool(&self, name: &str) {
        self.invalidate(&tool_tag(&self.server, name)).await;
    }

    /// As [`invalidate_tool`](Self::invalidate_tool), in memory alone, and at once.
    pub(crate) fn invalidate_tool_in_memory(&self, name: &str) {
        self.invalidate_in_memory(&tool_tag(&self.server, name));
    }

    /// Makes every result of this server's tools dead; otherwise as [`invalidate`](Self::invalidate). A server
    /// [without a name](Self::of_server) has its store to itself: there it is [`clear`](Self::clear).
    ///
    /// # Cancel safety
    ///
    /// In memory it is done at the first poll; below that, perhaps.
    pub async fn invalidate_server(&self) {
        if self.server.is_empty() {
            self.clear().await;
        } else {
            self.invalidate(&server_tag(&self.server)).await;
        }
    }

    /// Forgets every result, of every server that shares the store, and frees its memory (but for the words of
    /// questions). Loads under way are not joined
    /// by calls that come later, nor kept. Returns how many results there were in memory.
    ///
    /// # Cancel safety
    ///
    /// In memory it is done at the first poll; below that, perhaps.
    pub async fn clear(&self) -> usize {
        let above = self.front.cache().stats().entries;
        // A store that cannot be written loses its part of what it holds; memory is done.
        self.front.clear().await.unwrap_or(above)
    }

    /// The tags by which the results of a tool die together.
    pub(super) fn own_tags(&self, name: &str) -> impl Iterator<Item = String> {
        let server = (!self.server.is_empty()).then(|| server_tag(&self.server));
        std::iter::once(tool_tag(&self.server, name)).chain(server)
    }
}

impl Caching {
    /// Forgets what is remembered of `call`, and the run of it that is under way; true if something was remembered.
    ///
    /// # Cancel safety
    ///
    /// In memory it is done at the first poll; below that, perhaps.
    pub async fn forget(&self, call: &Call) -> bool {
        let key = self.keys.key(call);
        // As above: memory is done.
        let removed: Result<bool, StoreError> = self.cache.front.remove(&key).await;
        removed.unwrap_or(true)
    }
}

/// No tool name holds the first character of these tags, nor does a tag that anybody would choose.
fn tool_tag(server: &str, name: &str) -> String {
    format!("\0tool\0{server}\0{name}")
}

fn server_tag(server: &str) -> String {
    format!("\0server\0{server}")
}

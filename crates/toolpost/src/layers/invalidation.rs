//! Makes dead what others remember, when a tool changes it.

use std::sync::Arc;

use toolpost_tool::{Call, Output, Tool, ToolError, ToolSpec};

use super::{Layer, ResultCache, Verdict};

/// The tags whose results a call makes dead, and where.
///
/// They die when a call ends well, and also when it fails or is dropped half-way, because it may have changed something by
/// then; not when the runtime refused it or its arguments were at fault. A call that reads after this one has
/// ended never finds, nor waits for, a result from before.
///
/// What was remembered of the shelf is gone once something was sold:
///
/// ```
/// use std::time::Duration;
/// use toolpost::ToolExt;
/// use toolpost::cache::Capacity;
/// use toolpost::layers::ResultCache;
/// use toolpost::tool::{CachePolicy, NoArgs, Tool};
/// use toolpost_test::{Script, call, run};
///
/// run(async {
///     let cache = ResultCache::new(Capacity::entries(100));
///     let policy = CachePolicy::new(Duration::from_secs(60)).tagged("shelf");
///     let stock = Script::new("stock").answers("12 left").answers("11 left").cached(&cache, policy);
///     let sell = Script::new("sell").answers("sold").with_spec(|spec| spec.invalidating("shelf"));
///     let sell = sell.invalidating(&cache); // the tags that the tool declares
///
///     assert_eq!(stock.call(call(NoArgs {}).build()).await.unwrap().as_text(), Some("12 left"));
///     sell.call(call(NoArgs {}).build()).await.unwrap();
///     assert_eq!(stock.call(call(NoArgs {}).build()).await.unwrap().as_text(), Some("11 left"));
/// });
/// ```
#[derive(Clone, Debug)]
pub struct Invalidation {
    cache: ResultCache,
    tags: Box<[String]>,
}

impl Invalidation {
    /// Makes dead what depends on any of `tags` in `cache`.
    pub fn new<T: Into<String>>(cache: &ResultCache, tags: impl IntoIterator<Item = T>) -> Self {
        Self { cache: cache.clone(), tags: tags.into_iter().map(Into::into).collect() }
    }

    /// The tags that the tool declares.
    #[must_use]
    pub fn declared(cache: &ResultCache, spec: &ToolSpec) -> Self {
        Self::new(cache, spec.policy().invalidates.iter().cloned())
    }

    /// Runs `next`, and then invalidates.
    ///
    /// # Errors
    ///
    /// Whatever `next` answers.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops that of `next`, and invalidates in memory.
    pub(crate) async fn around<F>(
        &self,
        call: Call,
        next: impl FnOnce(Call) -> F,
    ) -> Result<Output, ToolError>
    where
        F: Future<Output = Result<Output, ToolError>>,
    {
        let mut unfinished = Unfinished(Some(self));
        let result = next(call).await;
        if !matches!(Verdict::of(&result), Verdict::Refused | Verdict::CallersFault | Verdict::InputRequired)
        {
            for tag in &self.tags {
                self.cache.invalidate(tag).await;
            }
        }
        unfinished.0 = None;
        result
    }
}

/// A call that may have changed something, until all that depends on it is invalidated.
struct Unfinished<'a>(Option<&'a Invalidation>);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        let Some(Invalidation { cache, tags }) = self.0 else { return };
        tags.iter().for_each(|tag| cache.invalidate_in_memory(tag));
    }
}

impl Layer for Invalidation {
    async fn call<T: Tool>(&self, tool: &Arc<T>, call: Call) -> Result<Output, ToolError> {
        self.around(call, |call| tool.call(call)).await
    }
}

//! Tools by category, loaded when first used.

mod lazy;
mod meta;
mod schemas;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use toolpost_breaker::{Breaker, CountWindow};
use toolpost_dispatch::{Dispatcher, Entry, Registry, Target};
use toolpost_tool::{AnyTool, Principal, Tool as _, ToolError};

use lazy::Lazy;
pub(crate) use lazy::Loader;
pub(crate) use meta::meta_tools;
pub use schemas::SchemaStats;
use schemas::Schemas;

use crate::BuildError;
use crate::registered::{Around, Change, Given, Next, Origin, Registered};

/// The tools of a [`Runtime`](crate::Runtime) by category, in the order of their names. Cheap to clone.
///
/// A lazy category's loader runs once, on first use; listing the categories never runs it. What is shown to a
/// principal is what it may call. Of a category that is not loaded nothing is known but its name: whether a principal sees
/// it, and may have it loaded, is asked of the host's rule as [`Target::Category`].
///
/// The loader of the category `web` runs when the category is first listed:
///
/// ```
/// use toolpost::Runtime;
/// use toolpost::tool::{AnyTool, NoArgs, Principal, tool_fn};
/// use toolpost_test::run;
///
/// run(async {
///     let runtime = Runtime::builder()
///         .lazy_category("web", || async {
///             // Reads a catalog, connects to a backend ...
///             let fetch = tool_fn("fetch", |_: NoArgs, _| async { Ok("fetched") });
///             Ok(vec![AnyTool::new(fetch)])
///         })
///         .build()
///         .unwrap();
///     let (categories, nobody) = (runtime.categories(), Principal::anonymous());
///     assert!(categories.list(&nobody)[0].lazy); // not loaded
///     assert!(runtime.call("fetch", &NoArgs {}).await.is_err());
///
///     assert_eq!(categories.tools("web", &nobody).await.unwrap()[0].name, "fetch"); // loads it
///     assert!(runtime.call("fetch", &NoArgs {}).await.is_ok());
/// });
/// ```
#[derive(Clone)]
pub struct Categories(Arc<Inner>);

struct Inner {
    dispatcher: Dispatcher,
    /// The dispatcher's.
    registry: Registry,
    around: Around,
    lazy: BTreeMap<String, Lazy>,
    /// What is registered by now. BreakerGuard while the registry is replaced, so that a reload and the load of a category
    /// follow each other.
    registered: Mutex<Registered>,
    schemas: Schemas,
}

/// The category of tools that name none.
const OTHER: &str = "other";

/// A category, as it is listed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Category {
    /// Its name.
    pub name: String,
    /// How many of its tools the principal may call; `None` while it is not loaded.
    pub tools: Option<usize>,
    /// Whether it is loaded only on first use, and has not been.
    pub lazy: bool,
}

/// A tool, as short as it can be listed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ShortTool {
    /// Its name.
    pub name: String,
    /// The first line of its description, at most 100 characters.
    pub description: String,
}

impl Categories {
    pub(crate) fn new(
        (registry, dispatcher): (Registry, Dispatcher),
        around: Around,
        registered: Registered,
        lazy: BTreeMap<String, Loader>,
    ) -> Self {
        Self(Arc::new(Inner {
            dispatcher,
            registry,
            around,
            lazy: lazy.into_iter().map(|(name, loader)| (name, Lazy::new(loader))).collect(),
            registered: Mutex::new(registered),
            schemas: Schemas::default(),
        }))
    }

    /// The categories that `principal` may see, in the order of their names. Loads none.
    #[must_use]
    pub fn list(&self, principal: &Principal) -> Vec<Category> {
        let loadable = |name: &str, lazy: &Lazy| !lazy.is_loaded() && self.may_load(name, principal);
        let unloaded = self.0.lazy.iter().filter(|(name, lazy)| loadable(name, lazy));
        let mut counts: BTreeMap<String, Option<usize>> =
            unloaded.map(|(name, _)| (name.clone(), None)).collect();
        for entry in self.visible(principal) {
            let count = counts.entry(category(&entry).to_owned()).or_default();
            *count = Some(count.unwrap_or(0) + 1);
        }
        let lazy = |name: &str| self.0.lazy.get(name).is_some_and(|lazy| loadable(name, lazy));
        counts.into_iter().map(|(name, tools)| Category { lazy: lazy(&name), name, tools }).collect()
    }

    /// The tools in one category, in the order of their names. Loads it if need be.
    ///
    /// # Errors
    ///
    /// If there is no such category with a tool that the principal may call, with those there are; or if loading it fails, and then the next use loads again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the loading to whoever else waits for it.
    pub async fn tools(&self, name: &str, principal: &Principal) -> Result<Vec<ShortTool>, ToolError> {
        self.load_known(name, principal).await?;
        Ok(self.visible(principal).iter().filter(|entry| category(entry) == name).map(short).collect())
    }

    /// The schemas of one tool, encoded: an object with `name`, `description`, `inputSchema` and, if there is one,
    /// `outputSchema`. Encoded once per tool.
    ///
    /// # Errors
    ///
    /// If there is no such tool that the principal may call.
    pub fn schema(&self, tool: &str, principal: &Principal) -> Result<Arc<str>, ToolError> {
        let catalog = self.0.dispatcher.catalog();
        match catalog.find(tool).filter(|entry| self.0.dispatcher.may(principal, entry.spec())) {
            Some(entry) => self.0.schemas.encoded(catalog.generation(), entry.spec()),
            None => Err(ToolError::invalid_arguments(format!(
                "there is no tool `{}` in the categories loaded so far; list a category's tools to see them",
                cut(tool, 80)
            ))),
        }
    }

    /// How the schema cache fares.
    #[must_use]
    pub fn schema_stats(&self) -> SchemaStats {
        self.0.schemas.stats()
    }

    /// Forgets encoded schemas; says how many.
    #[expect(clippy::must_use_candidate, reason = "called for its effect")]
    pub fn clear_schemas(&self) -> usize {
        self.0.schemas.clear()
    }

    /// Loads a category if it is lazy and not loaded yet; a name that is no lazy category needs nothing.
    ///
    /// # Errors
    ///
    /// If its loader fails; if its tools cannot be registered; or if it is the last category to be loaded, and the
    /// settings name a tool that no category has. The next use tries again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the loading to whoever else waits for it.
    pub async fn load(&self, name: &str) -> Result<(), ToolError> {
        match self.0.lazy.get(name) {
            Some(lazy) => lazy.load(|tools| self.register(name, tools)).await,
            None => Ok(()),
        }
    }

    /// Loads a category as [`load`](Self::load) does; one that is not there for `principal` is an error that names
    /// those that are.
    async fn load_known(&self, name: &str, principal: &Principal) -> Result<(), ToolError> {
        let known = || self.visible(principal).iter().any(|entry| category(entry) == name);
        if self.0.lazy.get(name).is_some_and(|lazy| !lazy.is_loaded()) && self.may_load(name, principal) {
            self.load(name).await?;
        }
        if known() {
            return Ok(());
        }
        let (name, known) = (cut(name, 80), self.names(principal));
        Err(ToolError::invalid_arguments(format!("there is no category `{name}`; there are: {known}")))
    }

    /// Whether `principal` may see a category that is not loaded, and so have it loaded.
    fn may_load(&self, name: &str, principal: &Principal) -> bool {
        self.0.dispatcher.allows(principal, Target::Category(name))
    }

    fn names(&self, principal: &Principal) -> String {
        let names: Vec<String> = self.list(principal).into_iter().map(|c| format!("`{}`", c.name)).collect();
        names.join(", ")
    }

    pub(crate) fn breaker(&self, tool: &str) -> Option<Arc<Breaker<CountWindow>>> {
        self.registered().pipeline(tool)?.breaker().map(Arc::clone)
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        let declared = self.registered().warnings().to_vec();
        [declared, self.0.dispatcher.catalog().warnings()].concat()
    }

    pub(crate) fn dispatcher(&self) -> &Dispatcher {
        &self.0.dispatcher
    }

    pub(crate) fn declare(&self, origin: Origin) {
        self.registered().declare(origin);
    }

    /// Makes `change` as a whole or not at all; the names of tools that are no more. Categories that are loaded stay
    /// loaded.
    pub(crate) fn change(&self, change: Change) -> Result<Vec<String>, BuildError> {
        let all = self.0.lazy.values().all(Lazy::is_loaded);
        self.change_among(&mut self.registered(), change, all)
    }

    fn change_among(
        &self,
        registered: &mut Registered,
        change: Change,
        all: bool,
    ) -> Result<Vec<String>, BuildError> {
        let Next { registered: next, catalog, is_new, gone } =
            registered.next(change, all, &self.0.around, Some(&self.0.registry.catalog()))?;
        if is_new {
            self.0.registry.replace(catalog);
        }
        *registered = next;
        Ok(gone)
    }

    /// Adds the tools of a category that has just been loaded.
    fn register(&self, name: &str, loaded: Vec<AnyTool>) -> Result<(), ToolError> {
        let mut registered = self.registered();
        let all = self.0.lazy.iter().all(|(other, lazy)| other == name || lazy.is_loaded());
        let change =
            Change { tools: Some((Origin::Category(name.to_owned()), Given::of(loaded))), settings: None };
        self.change_among(&mut registered, change, all)
            .map_err(|error| ToolError::new(format!("category `{name}` cannot be registered: {error}")))?;
        // Before the lock is given up: a reload that comes next knows that its tools are here.
        if let Some(lazy) = self.0.lazy.get(name) {
            lazy.set_loaded();
        }
        Ok(())
    }

    fn visible(&self, principal: &Principal) -> Vec<Arc<Entry>> {
        self.0.dispatcher.visible(&self.0.dispatcher.catalog(), principal)
    }

    /// Nothing panics while this is held; a poisoned lock holds what it held.
    fn registered(&self) -> std::sync::MutexGuard<'_, Registered> {
        self.0.registered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Categories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Categories").field("lazy", &self.0.lazy.keys()).finish_non_exhaustive()
    }
}

fn category(entry: &Entry) -> &str {
    entry.spec().category().unwrap_or(OTHER)
}

fn short(entry: &Arc<Entry>) -> ShortTool {
    let spec = entry.tool().spec();
    let line = spec.description().lines().next().unwrap_or("").trim();
    ShortTool { name: spec.name().to_owned(), description: cut(line, 100).to_owned() }
}

/// The first `most` characters.
fn cut(text: &str, most: usize) -> &str {
    text.char_indices().nth(most).map_or(text, |(end, _)| &text[..end])
}

//! The tools of a runtime, behind whatever its clients see of them.

mod lazy;

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use toolpost_breaker::{Breaker, CountWindow};
use toolpost_dispatch::{Dispatcher, Registry};
use toolpost_tool::{AnyTool, ToolError};

use lazy::Lazy;
pub(crate) use lazy::Loader;

use crate::pipeline::Pipeline;
use crate::registered::{Around, Change, Given, Next, Origin, Registered};
use crate::{BuildError, clock};

/// The tools, how they are called, and what replaces them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Behind(Arc<Inner>);

/// What is [behind](Behind), if anyone still holds it.
#[cfg(feature = "upstream")]
#[derive(Clone)]
pub(crate) struct WeakBehind(std::sync::Weak<Inner>);

#[cfg(feature = "upstream")]
impl WeakBehind {
    pub(crate) fn upgrade(&self) -> Option<Behind> {
        self.0.upgrade().map(Behind)
    }
}

struct Inner {
    dispatcher: Dispatcher,
    /// The dispatcher's.
    registry: Registry,
    around: Around,
    lazy: BTreeMap<String, Lazy>,
    /// How long whoever needs a category waits for its tools.
    load_limit: Duration,
    /// What is registered by now. Held for a clone or a swap alone: the host's code runs meanwhile nowhere.
    registered: Mutex<Arc<Registered>>,
    /// Held while a change is made, so that a reload and the load of a category follow each other.
    changing: Mutex<()>,
}

impl Behind {
    pub(crate) fn new(
        (registry, dispatcher): (Registry, Dispatcher),
        around: Around,
        registered: Registered,
        lazy: BTreeMap<String, Loader>,
        load_limit: Duration,
    ) -> Self {
        Self(Arc::new(Inner {
            dispatcher,
            registry,
            around,
            load_limit,
            lazy: lazy.into_iter().map(|(name, loader)| (name, Lazy::new(loader))).collect(),
            registered: Mutex::new(Arc::new(registered)),
            changing: Mutex::new(()),
        }))
    }

    pub(crate) fn dispatcher(&self) -> &Dispatcher {
        &self.0.dispatcher
    }

    /// Says that tools may come from `origin`.
    pub(crate) fn declare(&self, origin: Origin) {
        let _changing = self.changing();
        let mut next = Registered::clone(&self.registered());
        next.declare(origin);
        self.swap(next);
    }

    /// Makes `change` as a whole or not at all; the names of tools that are no more. Categories that are loaded stay
    /// loaded.
    ///
    /// What the cache holds in memory of those is dead by then; a slow store below it is the caller's to tell.
    pub(crate) fn change(&self, change: Change) -> Result<Vec<String>, BuildError> {
        let (gone, former) = {
            let _changing = self.changing();
            // Under the lock: a load that ends meanwhile has its say in whether all tools are there.
            let all = self.0.lazy.values().all(Lazy::is_loaded);
            self.change_among(change, all)?
        };
        dropped(former);
        Ok(gone)
    }

    /// Has `origin` give these tools, in place of those that it gave before; a slow store below the cache is told which are gone.
    pub(crate) async fn give(&self, origin: Origin, given: Given) -> Result<(), BuildError> {
        let gone = self.change(Change { tools: Some((origin, given)), settings: None })?;
        if let Some(cache) = self.0.around.shared.cache.get() {
            // In memory that is done, before anybody could take the names.
            join_all(gone.iter().map(|name| cache.invalidate_tool(name))).await;
        }
        Ok(())
    }

    /// The same, for whoever must not keep it.
    #[cfg(feature = "upstream")]
    pub(crate) fn downgrade(&self) -> WeakBehind {
        WeakBehind(Arc::downgrade(&self.0))
    }

    /// The lazy categories that are not loaded.
    pub(crate) fn unloaded(&self) -> impl Iterator<Item = &str> {
        self.0.lazy.iter().filter(|(_, lazy)| !lazy.is_loaded()).map(|(name, _)| name.as_str())
    }

    pub(crate) fn is_unloaded(&self, category: &str) -> bool {
        self.0.lazy.get(category).is_some_and(|lazy| !lazy.is_loaded())
    }

    /// Loads a category if it is lazy and not loaded yet. Cancel safe.
    pub(crate) async fn load(&self, category: &str) -> Result<(), ToolError> {
        let Some(lazy) = self.0.lazy.get(category).filter(|lazy| !lazy.is_loaded()) else { return Ok(()) };
        let limit = self.0.load_limit;
        let load = lazy.load(|tools| self.register(category, tools));
        tokio::time::timeout_at(clock::after(limit).into(), load).await.unwrap_or_else(|_elapsed| {
            let message = format!("category `{category}` took longer to load than {limit:?}");
            Err(ToolError::timed_out(limit).with_message(message))
        })
    }

    pub(crate) fn breaker(&self, tool: &str) -> Option<Arc<Breaker<CountWindow>>> {
        self.registered().pipeline(tool)?.breaker().map(Arc::clone)
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        let declared = self.registered().warnings().to_vec();
        let catalog = self.0.dispatcher.catalog();
        [declared, catalog.warnings(), self.0.around.rules.warnings(&catalog)].concat()
    }

    /// Adds the tools of a category that has just been loaded.
    fn register(&self, name: &str, loaded: Vec<AnyTool>) -> Result<(), ToolError> {
        let former = {
            let _changing = self.changing();
            let all = self.0.lazy.iter().all(|(other, lazy)| other == name || lazy.is_loaded());
            let tools = Some((Origin::Category(name.to_owned()), Given::of(loaded)));
            let (_none_gone, former) =
                self.change_among(Change { tools, settings: None }, all).map_err(|error| {
                    ToolError::new(format!("category `{name}` cannot be registered: {error}"))
                })?;
            // Before the lock is given up: a reload that comes next knows that its tools are here.
            if let Some(lazy) = self.0.lazy.get(name) {
                lazy.set_loaded();
            }
            former
        };
        dropped(former);
        Ok(())
    }

    /// The names that are gone, and what was registered before. Only for who holds [`changing`](Inner::changing).
    fn change_among(&self, change: Change, all: bool) -> Result<(Vec<String>, Arc<Registered>), BuildError> {
        let former = self.registered();
        let Next { registered: next, catalog, is_new, gone } =
            former.next(change, all, &self.0.around, Some(&self.0.registry.catalog()))?;
        if is_new {
            self.0.registry.replace(catalog);
        }
        // After that, and before others can take the names: nobody finds the tools by now, and nothing of them is found
        // by who takes their names.
        gone.iter().filter_map(|name| former.pipeline(name)).for_each(Pipeline::retire);
        if let Some(cache) = self.0.around.shared.cache.get() {
            gone.iter().for_each(|name| cache.invalidate_tool_in_memory(name));
        }
        self.swap(next);
        Ok((gone, former))
    }

    fn swap(&self, next: Registered) {
        let mut registered = self.0.registered.lock().unwrap_or_else(PoisonError::into_inner);
        let former = mem::replace(&mut *registered, Arc::new(next));
        drop(registered);
        drop(former);
    }

    fn registered(&self) -> Arc<Registered> {
        Arc::clone(&self.0.registered.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The host's layers may panic while this is held; what is registered is whole all the same.
    fn changing(&self) -> MutexGuard<'_, ()> {
        self.0.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops the tools that are no more, without a lock: their `drop` is the host's, which may ask the runtime, or panic.
fn dropped(former: Arc<Registered>) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(former))) {
        // It may panic as well.
        mem::forget(panic);
    }
}

impl fmt::Debug for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behind").field("lazy", &self.0.lazy.keys()).finish_non_exhaustive()
    }
}

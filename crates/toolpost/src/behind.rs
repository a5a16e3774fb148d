//! The tools of a runtime, behind whatever its clients see of them.

mod lazy;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use toolpost_breaker::{Breaker, CountWindow};
use toolpost_dispatch::{Dispatcher, Registry};
use toolpost_tool::{AnyTool, ToolError};

use lazy::Lazy;
pub(crate) use lazy::Loader;

use crate::BuildError;
use crate::registered::{Around, Change, Given, Next, Origin, Registered};

/// The tools, how they are called, and what replaces them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Behind(Arc<Inner>);

struct Inner {
    dispatcher: Dispatcher,
    /// The dispatcher's.
    registry: Registry,
    around: Around,
    lazy: BTreeMap<String, Lazy>,
    /// What is registered by now. Held while the registry is replaced, so that a reload and the load of a category
    /// follow each other.
    registered: Mutex<Registered>,
}

impl Behind {
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
        }))
    }

    pub(crate) fn dispatcher(&self) -> &Dispatcher {
        &self.0.dispatcher
    }

    /// Says that tools may come from `origin`.
    pub(crate) fn declare(&self, origin: Origin) {
        self.registered().declare(origin);
    }

    /// Makes `change` as a whole or not at all; the names of tools that are no more. Categories that are loaded stay
    /// loaded.
    pub(crate) fn change(&self, change: Change) -> Result<Vec<String>, BuildError> {
        let all = self.0.lazy.values().all(Lazy::is_loaded);
        self.change_among(&mut self.registered(), change, all)
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
        match self.0.lazy.get(category) {
            Some(lazy) => lazy.load(|tools| self.register(category, tools)).await,
            None => Ok(()),
        }
    }

    pub(crate) fn breaker(&self, tool: &str) -> Option<Arc<Breaker<CountWindow>>> {
        self.registered().pipeline(tool)?.breaker().map(Arc::clone)
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        let declared = self.registered().warnings().to_vec();
        [declared, self.0.dispatcher.catalog().warnings()].concat()
    }

    /// Adds the tools of a category that has just been loaded.
    fn register(&self, name: &str, loaded: Vec<AnyTool>) -> Result<(), ToolError> {
        let mut registered = self.registered();
        let all = self.0.lazy.iter().all(|(other, lazy)| other == name || lazy.is_loaded());
        let tools = Some((Origin::Category(name.to_owned()), Given::of(loaded)));
        self.change_among(&mut registered, Change { tools, settings: None }, all)
            .map_err(|error| ToolError::new(format!("category `{name}` cannot be registered: {error}")))?;
        // Before the lock is given up: a reload that comes next knows that its tools are here.
        if let Some(lazy) = self.0.lazy.get(name) {
            lazy.set_loaded();
        }
        Ok(())
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

    /// Nothing panics while this is held; a poisoned lock holds what it held.
    fn registered(&self) -> MutexGuard<'_, Registered> {
        self.0.registered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behind").field("lazy", &self.0.lazy.keys()).finish_non_exhaustive()
    }
}

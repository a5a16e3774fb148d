//! The tools there are, behind an atomic pointer.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use toolpost_tool::{AnyTool, Tool};

use crate::{Catalog, RegistrationError};

/// The tools there are. Cheap to clone; clones share the tools.
///
/// Reading takes no lock. [`replace`](Self::replace) swaps the whole catalog at once: a call that
/// has already found its tool finishes with it.
///
/// ```
/// use toolpost_dispatch::{Catalog, Registry};
/// use toolpost_tool::{AnyTool, NoArgs, tool_fn};
///
/// let tool = |name| AnyTool::new(tool_fn(name, |_: NoArgs, _| async { Ok("done") }));
/// let registry = Registry::builder().any(tool("b")).any(tool("a")).build().unwrap();
/// let names = |r: &Registry| r.catalog().iter().map(|e| e.spec().name().to_owned()).collect::<Vec<_>>();
/// assert_eq!(names(&registry), ["a", "b"], "in the order of their names, whatever the order of registration");
///
/// let mut changed = registry.changes();
/// registry.replace(Catalog::new([tool("c")]).unwrap());
/// assert!(changed.has_changed().unwrap());
/// assert_eq!(names(&registry), ["c"]);
/// ```
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    current: ArcSwap<Catalog>,
    generation: watch::Sender<u64>,
}

impl Registry {
    /// Collects tools.
    #[must_use]
    pub const fn builder() -> RegistryBuilder {
        RegistryBuilder { tools: Vec::new() }
    }

    /// A registry that starts with `catalog`.
    #[must_use]
    pub fn new(catalog: Catalog) -> Self {
        let generation = watch::Sender::new(catalog.generation());
        Self(Arc::new(Inner { current: ArcSwap::from_pointee(catalog), generation }))
    }

    /// The tools as they are now.
    #[must_use]
    pub fn catalog(&self) -> Arc<Catalog> {
        self.0.current.load_full()
    }

    /// Replaces all tools at once and signals the change.
    pub fn replace(&self, catalog: Catalog) {
        // The sender's lock orders two replacements, so that generations never run backwards.
        self.0.generation.send_modify(|generation| {
            *generation += 1;
            self.0.current.store(Arc::new(catalog.at(*generation)));
        });
    }

    /// Signals changes: holds the generation, which grows by one with each.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.generation.subscribe()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registry").field(&self.catalog()).finish()
    }
}

/// Collects the tools of a [`Registry`].
#[derive(Debug, Default)]
pub struct RegistryBuilder {
    tools: Vec<AnyTool>,
}

impl RegistryBuilder {
    /// Adds a tool.
    #[must_use]
    pub fn tool(self, tool: impl Tool) -> Self {
        self.any(AnyTool::new(tool))
    }

    /// Adds a tool whose type is already erased.
    #[must_use]
    pub fn any(mut self, tool: AnyTool) -> Self {
        self.tools.push(tool);
        self
    }

    /// Checks all tools together.
    ///
    /// # Errors
    ///
    /// If a name or alias is taken, or a schema is not one. Every fault is reported, not just the first.
    pub fn build(self) -> Result<Registry, RegistrationError> {
        Catalog::new(self.tools).map(Registry::new)
    }
}

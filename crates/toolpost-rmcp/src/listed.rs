//! The tools as rmcp lists them, made once per generation of the registry.

use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::Tool;
use toolpost_dispatch::{Catalog, Dispatcher};
use toolpost_tool::Principal;

use crate::describe;
use toolpost_protocol::Era;

/// The list of the current generation, for each era.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    modern: Mutex<Option<Arc<Generation>>>,
    legacy: Mutex<Option<Arc<Generation>>>,
}

#[derive(Debug)]
struct Generation {
    catalog: Arc<Catalog>,
    /// In the catalog's order.
    tools: Vec<Tool>,
}

impl Listed {
    /// The tools that `principal` may use.
    pub(crate) fn visible(&self, dispatcher: &Dispatcher, principal: &Principal, era: Era) -> Vec<Tool> {
        if dispatcher.is_open() {
            return self.all(dispatcher, era);
        }
        let generation = self.generation(dispatcher, era);
        let listed = generation.catalog.iter().zip(&generation.tools);
        let visible = listed.filter(|(entry, _)| dispatcher.may(principal, entry.spec()));
        visible.map(|(_, tool)| tool.clone()).collect()
    }

    /// The tools, whoever may use them.
    pub(crate) fn all(&self, dispatcher: &Dispatcher, era: Era) -> Vec<Tool> {
        self.generation(dispatcher, era).tools.clone()
    }

    pub(crate) fn find(&self, dispatcher: &Dispatcher, name: &str) -> Option<Tool> {
        let generation = self.generation(dispatcher, Era::Modern);
        let at = generation.tools.binary_search_by(|tool| tool.name.as_ref().cmp(name)).ok()?;
        Some(generation.tools[at].clone())
    }

    fn generation(&self, dispatcher: &Dispatcher, era: Era) -> Arc<Generation> {
        let catalog = dispatcher.catalog();
        let slot = match era {
            Era::Modern => &self.modern,
            Era::Legacy => &self.legacy,
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        match &*slot {
            Some(known) if Arc::ptr_eq(&known.catalog, &catalog) => Arc::clone(known),
            _ => {
                let tools = catalog.iter().map(|entry| describe::listed(entry.spec(), era)).collect();
                Arc::clone(slot.insert(Arc::new(Generation { catalog, tools })))
            }
        }
    }
}

//! Encoded schemas, each encoded once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;
use toolpost_tool::{ToolError, ToolSpec};

/// How the schema cache fares.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct SchemaStats {
    /// Schemas that were there.
    pub hits: u64,
    /// Schemas that had to be encoded.
    pub misses: u64,
    /// Schemas held.
    pub size: usize,
}

#[derive(Debug, Default)]
pub(super) struct Schemas(Mutex<BreakerGuard>);

#[derive(Debug, Default)]
struct BreakerGuard {
    /// Of which generation of the registry the schemas are.
    generation: u64,
    encoded: HashMap<String, Arc<str>>,
    hits: u64,
    misses: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a, S> {
    name: &'a str,
    description: &'a str,
    input_schema: S,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_schema: Option<&'a Value>,
}

impl Schemas {
    pub(super) fn encoded(&self, generation: u64, spec: &ToolSpec) -> Result<Arc<str>, ToolError> {
        let mut held = self.held();
        if held.generation != generation {
            held.generation = generation;
            held.encoded.clear();
        }
        if let Some(encoded) = held.encoded.get(spec.name()).map(Arc::clone) {
            held.hits += 1;
            return Ok(encoded);
        }
        held.misses += 1;
        let shown = Shown {
            name: spec.name(),
            description: spec.description(),
            input_schema: spec.listed_input_schema(),
            output_schema: spec.output_schema(),
        };
        let encoded: Arc<str> = serde_json::to_string(&shown)?.into();
        held.encoded.insert(spec.name().to_owned(), Arc::clone(&encoded));
        Ok(encoded)
    }

    pub(super) fn stats(&self) -> SchemaStats {
        let held = self.held();
        SchemaStats { hits: held.hits, misses: held.misses, size: held.encoded.len() }
    }

    pub(super) fn clear(&self) -> usize {
        let mut held = self.held();
        let size = held.encoded.len();
        held.encoded.clear();
        size
    }

    /// Nothing panics while this is held; a poisoned lock holds what it held.
    fn held(&self) -> std::sync::MutexGuard<'_, BreakerGuard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

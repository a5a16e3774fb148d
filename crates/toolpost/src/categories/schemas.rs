//! Encoded schemas, each encoded once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;
use toolpost_dispatch::Dispatcher;
use toolpost_tool::{Principal, ToolError, ToolSpec};

use super::cut;

#[derive(Debug, Default)]
pub(super) struct Schemas(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    /// Of which generation of the registry the schemas are.
    generation: u64,
    encoded: HashMap<String, Arc<str>>,
}

/// What a model needs to call a tool, and no more: what a list has beside it ([`ToolSpec::listed`]: hints, pictures, `_meta`)
/// would cost its tokens.
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
    /// The schemas of one tool, encoded: an object with `name`, `description`, `inputSchema` and, if there is one,
    /// `outputSchema`. Encoded once per tool; an error if there is no such tool that the principal may call.
    pub(super) fn of(&self, all: &Dispatcher, tool: &str, by: &Principal) -> Result<Arc<str>, ToolError> {
        let catalog = all.catalog();
        match catalog.find(tool).filter(|entry| all.may(by, entry.spec())) {
            Some(entry) => self.encoded(catalog.generation(), entry.spec()),
            None => Err(ToolError::invalid_arguments(format!(
                "there is no tool `{}` in the categories loaded so far; list a category's tools to see them",
                cut(tool, 80)
            ))),
        }
    }

    fn encoded(&self, generation: u64, spec: &ToolSpec) -> Result<Arc<str>, ToolError> {
        // Nothing panics while this is held; a poisoned lock holds what it held.
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.generation != generation {
            held.generation = generation;
            held.encoded.clear();
        }
        if let Some(encoded) = held.encoded.get(spec.name()) {
            return Ok(Arc::clone(encoded));
        }
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
}

#[cfg(test)]
mod tests {
    use toolpost_dispatch::{Catalog, Registry};
    use toolpost_tool::{AnyTool, Call, NoArgs, tool_fn};

    use super::*;

    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Zoned {
        zone: String,
        area: u32,
    }

    #[test]
    fn schemas_are_encoded_once_and_anew_when_tools_change() {
        let add = || AnyTool::new(tool_fn("add", |_: NoArgs, _: Call| async { Ok("") }));
        let zoned =
            tool_fn(
                "zoned",
                |args: Zoned, _: Call| async move { Ok(format!("{} {}", args.zone, args.area)) },
            );
        let registry = Registry::builder().any(add()).tool(zoned).build().unwrap();
        let (all, schemas, by) =
            (Dispatcher::builder(registry.clone()).build(), Schemas::default(), Principal::anonymous());
        let first = schemas.of(&all, "add", &by).unwrap();
        assert!(Arc::ptr_eq(&first, &schemas.of(&all, "add", &by).unwrap()), "the same object");
        assert!(schemas.of(&all, "ad", &by).is_err());
        assert_eq!(schemas.0.lock().unwrap().encoded.len(), 1, "an unknown tool is not remembered");
        // As the server lists it: what a type declares first is first.
        let zoned = schemas.of(&all, "zoned", &by).unwrap();
        assert!(zoned.find(r#""zone":{"#) < zoned.find(r#""area":{"#), "{zoned}");
        registry.replace(Catalog::new([add()]).unwrap());
        assert!(!Arc::ptr_eq(&first, &schemas.of(&all, "add", &by).unwrap()));
        assert!(schemas.of(&all, "zoned", &by).is_err());
    }
}

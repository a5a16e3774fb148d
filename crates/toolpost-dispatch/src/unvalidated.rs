//! Schemas that are listed and not enforced: what stands in for `validate.rs` without the feature `validate`.

use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use toolpost_json::Node;

use crate::schema::{InvalidSchema, Reading, Unfit};

/// A schema, of which only its origin matters here.
#[derive(Clone)]
pub(crate) struct Schema(Reading);

impl Schema {
    /// Every value fits.
    pub(crate) fn check_until(
        &self,
        _node: Node<'_>,
        _name: &str,
        _deadline: Option<Instant>,
    ) -> Result<(), Unfit> {
        Ok(())
    }

    pub(crate) fn compiled(&self) -> Result<(), &InvalidSchema> {
        Ok(())
    }

    /// What nobody enforces: a type decides what it reads, and nothing decides for a schema that was written by hand.
    pub(crate) fn warnings(&self) -> Vec<String> {
        match self.0 {
            Reading::AsItIs => vec!["is not enforced: the feature `validate` is off".to_owned()],
            Reading::Result | Reading::Arguments => Vec::new(),
        }
    }
}

/// Makes schemas.
#[derive(Default)]
pub(crate) struct Compiler {}

impl Compiler {
    pub(crate) fn compile(
        &mut self,
        _source: &Arc<Value>,
        reading: Reading,
    ) -> Result<Schema, InvalidSchema> {
        Ok(Schema(reading))
    }
}

//! Arguments against a compiled schema, in place.
//!
//! On success nothing is built and nothing allocated: the validator walks the index that the guard
//! left behind. Only a failure is described, from a schema that was compiled for it. Either costs a bounded number of
//! steps, whatever the schema and whatever came.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use jsonschema::Validator;
use serde_json::Value;
use toolpost_json::Node;

use crate::RegistrationError;
use crate::schema::{InvalidSchema, Reading, Unfit};

mod describe;
mod determined;
mod indexed;
mod meter;
mod multiplied;
mod nullable;

use describe::Telling;
use indexed::{At, Indexed};
use meter::{Meter, Over};

/// A JSON Schema, compiled when it is first needed. Cheap to clone; clones are the same compilation.
///
/// To hold a value against a schema takes a bounded number of steps: 100,000, and 16 for each byte of the value. What
/// would take more is refused as too intricate; [`warnings`](Self::warnings) tells which schemas can come to that.
///
/// ```
/// use serde_json::json;
/// use toolpost_dispatch::Schema;
/// use toolpost_json::Frame;
///
/// let schema = Schema::compile(&json!({
///     "type": "object",
///     "properties": {"limit": {"type": "integer", "minimum": 1}},
///     "additionalProperties": false,
/// })).unwrap();
///
/// let frame = Frame::from_serialize(&json!({"limit": 0, "page": 2})).unwrap();
/// assert_eq!(
///     schema.check(frame.root(), "arguments").unwrap_err(),
///     "arguments.limit: expected at least 1, got 0; \
///      arguments: unknown argument `page` (it takes `limit`)",
/// );
/// ```
#[derive(Clone)]
pub struct Schema(Arc<Inner>);

struct Inner {
    source: Arc<Value>,
    reading: Reading,
    compiled: OnceLock<Result<Validator<Indexed>, InvalidSchema>>,
    /// What faults are described by: most schemas never meet one.
    described: OnceLock<Described>,
}

struct Described {
    schema: Value,
    /// `None` if it cannot be compiled though the source can: the source stands in.
    compiled: Option<Validator<Indexed>>,
}

impl Schema {
    /// Compiles a JSON Schema of draft 2020-12, or of the older draft its `$schema` names.
    ///
    /// A `$ref` to anything outside the schema is refused: nothing is ever fetched. Patterns run on
    /// an engine of linear time.
    ///
    /// # Errors
    ///
    /// If `schema` is not a JSON Schema, refers to something outside itself, or asks the same value for so much that it
    /// could not be checked (thousands of schemas in one place, or a schema that refers to itself in its own place).
    pub fn compile(schema: &Value) -> Result<Self, RegistrationError> {
        let schema = Self::uncompiled(Arc::new(schema.clone()), Reading::AsItIs);
        schema.compiled().map_err(|error| RegistrationError::of_schema(error.clone()))?;
        Ok(schema)
    }

    /// A schema that is compiled when a value is first held against it.
    pub(crate) fn uncompiled(source: Arc<Value>, reading: Reading) -> Self {
        Self(Arc::new(Inner { source, reading, compiled: OnceLock::new(), described: OnceLock::new() }))
    }

    /// Whether `node` fits. What cannot be checked does not.
    #[must_use]
    pub fn fits(&self, node: Node<'_>) -> bool {
        let meter = Meter::new(node, None);
        self.compiled().is_ok_and(|validator| validator.is_valid(At::node(node, &meter)))
            && meter.over().is_none()
    }

    /// Checks `node`, called `name` in the answer.
    ///
    /// # Errors
    ///
    /// What does not fit, written so that whoever sent it can repair it: which argument, what was
    /// expected, and what came. It is a few thousand characters long at most. Also if the value is too intricate to be
    /// checked, or the schema could not be compiled.
    pub fn check(&self, node: Node<'_>, name: &str) -> Result<(), String> {
        self.check_until(node, name, None).map_err(|unfit| match unfit {
            Unfit::Told(text) => text,
            Unfit::Overdue => format!("{name}: took too long to be checked"),
        })
    }

    /// Checks `node` until `deadline`.
    pub(crate) fn check_until(
        &self,
        node: Node<'_>,
        name: &str,
        deadline: Option<Instant>,
    ) -> Result<(), Unfit> {
        let validator = match self.compiled() {
            Ok(validator) => validator,
            Err(invalid) => {
                return Err(Unfit::Told(format!("{name}: cannot be checked, as the schema {invalid}")));
            }
        };
        let meter = Meter::new(node, deadline);
        match (validator.is_valid(At::node(node, &meter)), meter.over()) {
            (true, None) => Ok(()),
            (_, over) => Err(self.describe(validator, node, name, over, &meter)),
        }
    }

    /// Whether the schema compiles.
    ///
    /// # Errors
    ///
    /// Why it does not.
    pub(crate) fn compiled(&self) -> Result<&Validator<Indexed>, &InvalidSchema> {
        self.0.compiled.get_or_init(|| compiled(&self.0.read())).as_ref()
    }

    /// What may become of the schema under a value that is nested deeply: one line for each place, none for most schemas.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        // Asked of every tool when a server starts, and of use to few: the rest is not rewritten for it.
        match multiplied::may_recur(&self.0.source) {
            true => multiplied::unions(&determined::determined(&self.0.source)),
            false => Vec::new(),
        }
    }

    #[cold]
    fn describe(
        &self,
        validator: &Validator<Indexed>,
        node: Node<'_>,
        name: &str,
        over: Option<Over>,
        spent: &Meter,
    ) -> Unfit {
        let intricate =
            || Unfit::Told(format!("{name}: too intricate to be checked; send less, or nest it less deeply"));
        match over {
            Some(Over::Deadline) => return Unfit::Overdue,
            Some(_) => return intricate(),
            None => {}
        }
        let described = self.0.described.get_or_init(|| Described::of(&self.0.read()));
        let (schema, validator) = match &described.compiled {
            Some(compiled) => (&described.schema, compiled),
            None => (&*self.0.source, validator),
        };
        let meter = spent.rest();
        let telling = Telling { schema, node, name };
        let told = telling.faults(validator.iter_errors(At::node(node, &meter)), || meter.over().is_some());
        match (told, meter.over()) {
            (Some(text), _) => Unfit::Told(text),
            (None, Some(Over::Deadline)) => Unfit::Overdue,
            (None, Some(_)) => {
                Unfit::Told(format!("{name}: does not fit the schema, in a way too intricate to be told"))
            }
            (None, None) => Unfit::Told(format!("{name}: does not fit the schema")),
        }
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Schema")
    }
}

impl Inner {
    /// What is compiled.
    fn read(&self) -> Cow<'_, Value> {
        match self.reading {
            Reading::AsItIs | Reading::Result => Cow::Borrowed(&self.source),
            Reading::Arguments => Cow::Owned(nullable::nullable(&self.source)),
        }
    }
}

impl Described {
    fn of(source: &Value) -> Self {
        let schema = determined::determined(source);
        let compiled = compiled(&schema).ok();
        Self { schema, compiled }
    }
}

/// Compiles a schema. A panic on the way is a schema that cannot be compiled.
fn compiled(schema: &Value) -> Result<Validator<Indexed>, InvalidSchema> {
    let build = || {
        if multiplied::in_place(schema) {
            return Err(InvalidSchema::new(
                "asks too much of one value: it refers to itself in one place, or thousandfold",
            ));
        }
        jsonschema::options_for::<Indexed>()
            .with_pattern_options(jsonschema::PatternOptions::regex())
            .build(schema)
            .map_err(|error| InvalidSchema::new(format!("is not valid: {error}")))
    };
    catch_unwind(AssertUnwindSafe(build)).unwrap_or_else(|_| Err(InvalidSchema::new("cannot be compiled")))
}

/// The schemas known so far: equal ones are compiled once, and share what was compiled.
///
/// Thousands of tools often have a handful of schemas between them. What all of them share stays in the
/// processor's cache, whichever is called.
#[derive(Default)]
pub(crate) struct Compiler {
    /// Schemas are long, and each is hashed when a server starts: by a hash that is quick with long text.
    known: HashMap<(Arc<Value>, Reading), Schema, foldhash::quality::RandomState>,
}

impl Compiler {
    /// The schema, compiled now if it may be wrong.
    pub(crate) fn compile(&mut self, source: &Arc<Value>, reading: Reading) -> Result<Schema, InvalidSchema> {
        let known = self.known.entry((Arc::clone(source), reading));
        let schema = known.or_insert_with(|| Schema::uncompiled(Arc::clone(source), reading)).clone();
        if reading == Reading::AsItIs {
            schema.compiled().map_err(Clone::clone)?;
        }
        Ok(schema)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use toolpost_json::Frame;

    use super::*;

    #[test]
    fn equal_schemas_share_one_compilation_and_others_do_not() {
        let mut compiler = Compiler::default();
        let mut compile = |least: Value| {
            let schema = json!({ "properties": { "n": { "minimum": least } }, "type": "object" });
            compiler.compile(&Arc::new(schema), Reading::AsItIs).unwrap()
        };
        let (one, same, other) = (compile(json!(1)), compile(json!(1)), compile(json!(2)));
        assert!(Arc::ptr_eq(&one.0, &same.0));
        assert!(!Arc::ptr_eq(&one.0, &other.0));
        let wrong = Arc::new(json!({ "type": 1 }));
        assert!(compiler.compile(&wrong, Reading::AsItIs).is_err());
        assert!(compiler.compile(&wrong, Reading::AsItIs).is_err());
    }

    #[test]
    fn what_is_trusted_is_compiled_when_it_is_used() {
        let mut compiler = Compiler::default();
        let schema = compiler.compile(&Arc::new(json!({ "type": "object" })), Reading::Arguments).unwrap();
        assert!(schema.0.compiled.get().is_none());
        let frame = Frame::from_serialize(&json!({})).unwrap();
        assert!(schema.fits(frame.root()));
        assert!(schema.0.compiled.get().is_some() && schema.0.described.get().is_none());
        let wrong = compiler.compile(&Arc::new(json!({ "type": 1 })), Reading::Result).unwrap();
        let said = wrong.check(frame.root(), "arguments").unwrap_err();
        assert!(said.starts_with("arguments: cannot be checked, as the schema is not valid"), "{said}");
    }

    /// `Expr` as schemars describes an enum with `#[serde(tag = "op")]`.
    fn tagged() -> Value {
        let unary = |op| {
            json!({ "type": "object", "required": ["op", "arg"],
                "properties": { "op": { "type": "string", "const": op }, "arg": { "$ref": "#/$defs/Expr" } } })
        };
        let value = json!({ "type": "object", "required": ["op", "value"],
            "properties": { "op": { "type": "string", "const": "value" }, "value": { "type": "number" } } });
        json!({ "type": "object", "required": ["x"], "properties": { "x": { "$ref": "#/$defs/Expr" } },
            "$defs": { "Expr": { "oneOf": [unary("not"), unary("neg"), unary("abs"), value] } } })
    }

    /// Two forms that nothing tells apart, each of which recurs.
    fn alike() -> Value {
        let form =
            json!({ "type": "object", "properties": { "a": { "$ref": "#/$defs/N" } }, "required": ["a"] });
        json!({ "type": "object", "properties": { "x": { "$ref": "#/$defs/N" } },
            "$defs": { "N": { "anyOf": [form, form, { "type": "null" }] } } })
    }

    fn nested(depth: usize, head: &str, innermost: &str, tail: &str) -> Frame {
        Frame::from_text(
            format!(r#"{{"x":{}{innermost}{}}}"#, head.repeat(depth), tail.repeat(depth)),
            &Default::default(),
        )
        .unwrap()
    }

    /// Checks, and says how many steps that took beside the answer.
    fn told(schema: &Schema, frame: &Frame) -> (Result<(), String>, u64, u64) {
        let validator = schema.compiled().unwrap();
        let meter = Meter::new(frame.root(), None);
        let all = meter.left();
        let fits = validator.is_valid(At::node(frame.root(), &meter));
        assert_eq!(fits, schema.fits(frame.root()));
        let checked = all - meter.left();
        let described = schema.0.described.get_or_init(|| Described::of(&schema.0.read()));
        let errors = described.compiled.as_ref().unwrap().iter_errors(At::node(frame.root(), &meter)).count();
        assert!(fits || 0 < errors || meter.over().is_some());
        (schema.check(frame.root(), "arguments"), checked, all - checked - meter.left())
    }

    #[test]
    fn a_tagged_union_that_recurs_is_checked_and_told_in_steps_that_grow_with_its_depth() {
        let schema = Schema::compile(&tagged()).unwrap();
        assert_eq!(schema.warnings(), Vec::<String>::new());
        for depth in [6, 12, 18, 22, 50] {
            let head = r#"{"op":"neg","arg":"#;
            let right = nested(depth, head, r#"{"op":"value","value":1}"#, "}");
            assert_eq!(told(&schema, &right).0, Ok(()));
            let wrong = nested(depth, head, r#"{"op":"value","value":"x"}"#, "}");
            let (said, checked, described) = told(&schema, &wrong);
            let at = ".arg".repeat(depth);
            assert_eq!(
                said.unwrap_err(),
                describe::place("arguments", &format!("/x{}", at.replace('.', "/")))
                    + if depth < 45 { ".value" } else { "" }
                    + r#": expected number, got string "x""#
            );
            let most = 200 * (depth as u64 + 2);
            assert!(checked < most && described < most, "{depth}: {checked} and {described} steps");
        }
    }

    #[test]
    fn forms_alike_cost_no_more_than_they_may() {
        let schema = Schema::compile(&alike()).unwrap();
        assert_eq!(schema.warnings().len(), 1, "{:?}", schema.warnings());
        assert!(!multiplied::may_recur(&json!({ "properties": { "$ref": { "anyOf": [true, true] } } })));
        for depth in [12, 16, 18, 22, 60] {
            let right = nested(depth, r#"{"a":"#, "null", "}");
            assert_eq!(told(&schema, &right).0, Ok(()));
            let (said, checked, described) = told(&schema, &nested(depth, r#"{"a":"#, "1", "}"));
            assert!(said.unwrap_err().contains("fits none of the allowed forms: an object with `a`"));
            assert!(checked < 20_000 && described < 40_000, "{depth}: {checked} and {described} steps");
        }
    }

    #[test]
    fn what_takes_too_many_steps_is_refused_without_more_of_them() {
        // Nothing recurs here, so that the validator remembers nothing: each level doubles the work.
        let form = |at: usize| {
            json!({ "type": "object", "required": ["a"],
                "properties": { "a": { "$ref": format!("#/$defs/{}", at + 1) } } })
        };
        let level = |at: usize| (at.to_string(), json!({ "anyOf": [form(at), form(at)] }));
        let mut levels: serde_json::Map<String, Value> = (0..20).map(level).collect();
        levels.insert("20".to_owned(), json!({ "type": "null" }));
        let schema =
            json!({ "type": "object", "properties": { "x": { "$ref": "#/$defs/0" } }, "$defs": levels });
        let schema = Schema::compile(&schema).unwrap();
        let frame = nested(20, r#"{"a":"#, "1", "}");
        let (said, checked, _) = told(&schema, &frame);
        assert_eq!(
            said.unwrap_err(),
            "arguments: too intricate to be checked; send less, or nest it less deeply"
        );
        assert!(checked <= 100_000 + 16 * frame.text().len() as u64);
        assert!(!schema.fits(frame.root()));
    }

    #[test]
    fn a_schema_that_asks_too_much_of_one_value_is_refused() {
        let doubled = |at: usize| json!({ "anyOf": [{ "$ref": format!("#/$defs/{at}") }, { "$ref": format!("#/$defs/{at}") }] });
        let mut definitions: serde_json::Map<String, Value> =
            (0..20).map(|at| (at.to_string(), doubled(at + 1))).collect();
        definitions.insert("20".to_owned(), json!({ "type": "string" }));
        for schema in [
            json!({ "type": "object", "properties": { "x": { "$ref": "#/$defs/0" } }, "$defs": definitions }),
            json!({ "type": "object", "allOf": [{ "$ref": "#" }] }),
        ] {
            let error = Schema::compile(&schema).unwrap_err().to_string();
            assert!(error.starts_with("the schema asks too much of one value"), "{error}");
        }
    }

    #[test]
    fn ten_thousand_faults_are_told_by_the_first_of_them() {
        let schema = json!({ "type": "object", "properties": { "x": { "type": "array", "items": { "type": "integer" } } } });
        let schema = Schema::compile(&schema).unwrap();
        let frame = Frame::from_serialize(&json!({ "x": vec!["a"; 10_000] })).unwrap();
        let said = schema.check(frame.root(), "arguments").unwrap_err();
        assert!(
            said.starts_with(r#"arguments.x[0]: expected integer, got string "a"; arguments.x[1]: "#),
            "{said}"
        );
        assert!(said.ends_with("; and more") && said.len() < 500, "{said}");
    }

    #[test]
    fn a_deadline_ends_the_checking() {
        let schema = json!({ "type": "object", "properties": { "x": { "type": "array", "items": { "type": "integer" } } } });
        let schema = Schema::compile(&schema).unwrap();
        let frame = Frame::from_serialize(&json!({ "x": vec![1; 100_000] })).unwrap();
        let now = crate::clock::now();
        assert_eq!(schema.check_until(frame.root(), "arguments", Some(now)), Err(Unfit::Overdue));
        assert_eq!(schema.check_until(frame.root(), "arguments", None), Ok(()));
        let (small, later) = (Frame::from_serialize(&json!({ "x": [1] })).unwrap(), now);
        assert_eq!(
            schema.check_until(small.root(), "arguments", Some(later)),
            Ok(()),
            "no clock is read for it"
        );
    }
}

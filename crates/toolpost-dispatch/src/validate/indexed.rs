//! The index that the guard leaves behind, as the JSON type of the validator.

use std::borrow::Cow;
use std::ptr;

use jsonschema::json::{Array, Json, JsonNumber, Node as JsonNode, NodeIdentity, Object, cmp, unique};
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;
use toolpost_json::{Items, Kind, Members, Node, Number};

use super::meter::Meter;

/// JSON as an index over its own text.
pub(crate) struct Indexed;

/// A place in it, or a property name being checked. Each look at a place is a step that its meter counts.
#[derive(Clone, Copy)]
pub(crate) struct At<'a>(Place<'a>);

#[derive(Clone, Copy)]
enum Place<'a> {
    Node(Node<'a>, &'a Meter),
    Name(&'a str),
}

/// Stands in errors for the value they are about: their path leads to it, and it need not be built.
static UNBUILT: Value = Value::Null;

/// Stands in errors that were made after the meter had run out, and say nothing.
static VOID: Value = Value::Bool(false);

/// Whether an error was made before the meter ran out.
pub(crate) fn is_meant(error: &ValidationError<'_>) -> bool {
    !ptr::eq(&raw const **error.instance(), &raw const VOID)
}

impl<'a> At<'a> {
    pub(crate) const fn node(node: Node<'a>, meter: &'a Meter) -> Self {
        Self(Place::Node(node, meter))
    }

    /// The value, if it may be built.
    fn built(&self) -> Option<Value> {
        match self.0 {
            Place::Name(name) => Some(Value::String(name.to_owned())),
            Place::Node(node, _) => self.seen(1 + node.raw().len() as u64)?.decode().ok(),
        }
    }

    /// The node, if there are as many steps left.
    #[inline]
    fn seen(&self, steps: u64) -> Option<Node<'a>> {
        match self.0 {
            Place::Node(node, meter) => meter.spend(steps).then_some(node),
            Place::Name(_) => None,
        }
    }
}

/// The steps it takes to read so much text.
const fn reading(text: &str) -> u64 {
    text.len() as u64 / 8
}

impl Json for Indexed {
    type Node<'a> = At<'a>;
    type PreparedKey = Box<str>;
    type StringBuffer = ();

    // A lookup walks the members: checking all properties in one pass over them is cheaper.
    const KEYS_PER_LOOKUP: usize = 2;

    fn prepare_key(key: &str) -> Box<str> {
        key.into()
    }

    fn with_string_node<T>((): &mut (), string: &str, f: impl FnOnce(At<'_>) -> T) -> T {
        f(At(Place::Name(string)))
    }
}

impl<'a> JsonNode<'a, Indexed> for At<'a> {
    type Object = InObject<'a>;
    type Array = InArray<'a>;
    type Number = InNumber<'a>;

    fn as_object(&self) -> Option<InObject<'a>> {
        match self.0 {
            Place::Node(node, meter) if node.kind() == Kind::Object && meter.spend(1) => {
                Some(InObject(node, meter))
            }
            _ => None,
        }
    }

    fn as_array(&self) -> Option<InArray<'a>> {
        match self.0 {
            Place::Node(node, meter) if node.kind() == Kind::Array && meter.spend(1) => {
                Some(InArray(node, meter))
            }
            _ => None,
        }
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        match self.0 {
            Place::Node(node, meter) if node.kind() == Kind::String => {
                meter.spend(1 + reading(node.raw())).then(|| node.as_str()).flatten()
            }
            Place::Node(..) => None,
            Place::Name(name) => Some(Cow::Borrowed(name)),
        }
    }

    fn as_number(&self) -> Option<InNumber<'a>> {
        self.seen(1)?.as_number().map(InNumber)
    }

    fn is_number(&self) -> bool {
        self.json_type() == JsonType::Number
    }

    fn as_boolean(&self) -> Option<bool> {
        self.seen(1)?.as_bool()
    }

    fn is_null(&self) -> bool {
        self.seen(1).is_some_and(|node| node.kind() == Kind::Null)
    }

    fn json_type(&self) -> JsonType {
        match self.0 {
            Place::Name(_) => JsonType::String,
            Place::Node(node, meter) => match node.kind() {
                _ if !meter.spend(1) => JsonType::Null,
                Kind::Null => JsonType::Null,
                Kind::Bool => JsonType::Boolean,
                Kind::Number => JsonType::Number,
                Kind::String => JsonType::String,
                Kind::Array => JsonType::Array,
                Kind::Object => JsonType::Object,
            },
        }
    }

    fn equals_value(&self, expected: &Value) -> bool {
        let equal = || self.built().is_some_and(|own| cmp::equal(&own, expected));
        match expected {
            Value::String(expected) => self.as_string().is_some_and(|s| s == *expected),
            Value::Bool(expected) => self.as_boolean() == Some(*expected),
            Value::Null => self.is_null(),
            Value::Number(_) => self.is_number() && equal(),
            Value::Array(items) => self.as_array().is_some_and(|own| own.len() == items.len()) && equal(),
            Value::Object(members) => {
                self.as_object().is_some_and(|own| own.len() == members.len()) && equal()
            }
        }
    }

    /// For errors alone.
    fn to_value(&self) -> Cow<'a, Value> {
        match self.0 {
            Place::Name(name) => Cow::Owned(Value::String(name.to_owned())),
            Place::Node(_, meter) => Cow::Borrowed(if meter.fault() { &UNBUILT } else { &VOID }),
        }
    }

    fn identity(&self) -> Option<NodeIdentity> {
        match self.0 {
            Place::Node(node, _) => Some(NodeIdentity::new(node.raw().as_ptr() as usize)),
            // A name has no children, so no cycle runs through it.
            Place::Name(_) => None,
        }
    }
}

pub(crate) struct InObject<'a>(Node<'a>, &'a Meter);

impl<'a> Object<'a, Indexed> for InObject<'a> {
    type Node = At<'a>;
    type MemberName = Cow<'a, str>;
    type MembersIter = InMembers<'a>;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, key: &Box<str>) -> Option<At<'a>> {
        // A lookup walks the members.
        let found = self.1.spend(1 + self.0.len() as u64 / 4).then(|| self.0.member(key));
        found.flatten().map(|node| At::node(node, self.1))
    }

    fn members(&self) -> InMembers<'a> {
        InMembers(self.0.members(), self.1)
    }
}

pub(crate) struct InMembers<'a>(Members<'a>, &'a Meter);

impl<'a> Iterator for InMembers<'a> {
    type Item = (Cow<'a, str>, At<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, node) = self.1.spend(1).then(|| self.0.next()).flatten()?;
        Some((name.name(), At::node(node, self.1)))
    }
}

pub(crate) struct InArray<'a>(Node<'a>, &'a Meter);

impl<'a> Array<'a, Indexed> for InArray<'a> {
    type Node = At<'a>;
    type ElementsIter = InItems<'a>;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn elements(&self) -> InItems<'a> {
        InItems(self.0.items(), self.1)
    }

    fn is_unique(&self) -> bool {
        let values: Option<Vec<Value>> = self.elements().map(|element| element.built()).collect();
        values.is_some_and(|values| unique::is_unique(&values))
    }
}

pub(crate) struct InItems<'a>(Items<'a>, &'a Meter);

impl<'a> Iterator for InItems<'a> {
    type Item = At<'a>;

    fn next(&mut self) -> Option<At<'a>> {
        let node = self.1.spend(1).then(|| self.0.next()).flatten()?;
        Some(At::node(node, self.1))
    }
}

pub(crate) struct InNumber<'a>(Number<'a>);

impl JsonNumber for InNumber<'_> {
    fn as_u64(&self) -> Option<u64> {
        self.0.as_u64()
    }

    fn as_i64(&self) -> Option<i64> {
        self.0.as_i64()
    }

    fn as_f64(&self) -> Option<f64> {
        Some(self.0.as_f64())
    }

    fn as_str(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.0.lexeme())
    }

    fn to_number(&self) -> Cow<'_, serde_json::Number> {
        // The guard has checked that it is a number within range.
        Cow::Owned(serde_json::from_str(self.0.lexeme()).unwrap_or_else(|_| 0.into()))
    }

    fn is_integer(&self) -> bool {
        self.0.is_integer() || self.0.as_f64().fract() == 0.0
    }
}

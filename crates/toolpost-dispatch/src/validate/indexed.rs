//! The index that the guard leaves behind, as the JSON type of the validator.

use std::borrow::Cow;

use jsonschema::JsonType;
use jsonschema::json::{Array, Json, JsonNumber, Node as JsonNode, NodeIdentity, Object, cmp};
use serde_json::Value;
use toolpost_protocol::{Items, Kind, Members, Node, Number};

/// JSON as an index over its own text.
pub(crate) struct Indexed;

/// A place in it, or a property name being checked.
#[derive(Clone, Copy)]
pub(crate) struct At<'a>(pub(crate) Place<'a>);

#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    Node(Node<'a>),
    Name(&'a str),
}

impl<'a> At<'a> {
    pub(crate) const fn node(node: Node<'a>) -> Self {
        Self(Place::Node(node))
    }
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
            Place::Node(node) if node.kind() == Kind::Object => Some(InObject(node)),
            _ => None,
        }
    }

    fn as_array(&self) -> Option<InArray<'a>> {
        match self.0 {
            Place::Node(node) if node.kind() == Kind::Array => Some(InArray(node)),
            _ => None,
        }
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        match self.0 {
            Place::Node(node) => node.as_str(),
            Place::Name(name) => Some(Cow::Borrowed(name)),
        }
    }

    fn as_number(&self) -> Option<InNumber<'a>> {
        match self.0 {
            Place::Node(node) => node.as_number().map(InNumber),
            Place::Name(_) => None,
        }
    }

    fn is_number(&self) -> bool {
        self.json_type() == JsonType::Number
    }

    fn as_boolean(&self) -> Option<bool> {
        match self.0 {
            Place::Node(node) => node.as_bool(),
            Place::Name(_) => None,
        }
    }

    fn is_null(&self) -> bool {
        matches!(self.0, Place::Node(node) if node.kind() == Kind::Null)
    }

    fn json_type(&self) -> JsonType {
        match self.0 {
            Place::Name(_) => JsonType::String,
            Place::Node(node) => match node.kind() {
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
        match expected {
            Value::String(expected) => self.as_string().is_some_and(|s| s == *expected),
            Value::Bool(expected) => self.as_boolean() == Some(*expected),
            Value::Null => self.is_null(),
            _ => cmp::equal(&self.to_value(), expected),
        }
    }

    fn to_value(&self) -> Cow<'a, Value> {
        Cow::Owned(match self.0 {
            Place::Name(name) => Value::String(name.to_owned()),
            Place::Node(node) => node.decode().unwrap_or_default(),
        })
    }

    fn identity(&self) -> Option<NodeIdentity> {
        match self.0 {
            Place::Node(node) => Some(NodeIdentity::new(node.raw().as_ptr() as usize)),
            // A name has no children, so no cycle runs through it.
            Place::Name(_) => None,
        }
    }
}

pub(crate) struct InObject<'a>(Node<'a>);

impl<'a> Object<'a, Indexed> for InObject<'a> {
    type Node = At<'a>;
    type MemberName = Cow<'a, str>;
    type MembersIter = InMembers<'a>;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, key: &Box<str>) -> Option<At<'a>> {
        self.0.member(key).map(At::node)
    }

    fn members(&self) -> InMembers<'a> {
        InMembers(self.0.members())
    }
}

pub(crate) struct InMembers<'a>(Members<'a>);

impl<'a> Iterator for InMembers<'a> {
    type Item = (Cow<'a, str>, At<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(name, node)| (name.name(), At::node(node)))
    }
}

pub(crate) struct InArray<'a>(Node<'a>);

impl<'a> Array<'a, Indexed> for InArray<'a> {
    type Node = At<'a>;
    type ElementsIter = InItems<'a>;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn elements(&self) -> InItems<'a> {
        InItems(self.0.items())
    }
}

pub(crate) struct InItems<'a>(Items<'a>);

impl<'a> Iterator for InItems<'a> {
    type Item = At<'a>;

    fn next(&mut self) -> Option<At<'a>> {
        self.0.next().map(At::node)
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

//! What expressions come to on the way.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::rc::Rc;

use toolpost_json::{Kind, Node};

/// A value: of JSON that stays where it is, or computed.
#[derive(Clone)]
pub(super) enum Val<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Cow<'a, str>),
    /// An array or an object.
    Json(Node<'a>),
    List(Rc<[Self]>),
    Map(Rc<[(Cow<'a, str>, Self)]>),
}

impl<'a> Val<'a> {
    pub(super) fn of(node: Node<'a>) -> Self {
        match node.kind() {
            Kind::Null => Self::Null,
            Kind::Bool => Self::Bool(node.as_bool() == Some(true)),
            Kind::Number => match node.as_number() {
                Some(number) => number.as_i64().map_or_else(|| Self::Double(number.as_f64()), Self::Int),
                None => Self::Null,
            },
            Kind::String => Self::Text(node.as_str().unwrap_or_default()),
            Kind::Array | Kind::Object => Self::Json(node),
        }
    }

    /// What it is, for errors.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Double(_) => "a number",
            Self::Text(_) => "a string",
            Self::Json(node) if node.kind() == Kind::Array => "a list",
            Self::List(_) => "a list",
            Self::Json(_) | Self::Map(_) => "a map",
        }
    }

    /// How many items or members there are; none for what has neither.
    pub(super) fn len(&self) -> Option<usize> {
        match self {
            Self::Json(node) => Some(node.len()),
            Self::List(items) => Some(items.len()),
            Self::Map(members) => Some(members.len()),
            _ => None,
        }
    }

    /// The items of a list, or the keys of a map, as loops see them.
    pub(super) fn items(&self) -> Option<Box<dyn Iterator<Item = Self> + '_>> {
        Some(match self {
            Self::Json(node) if node.kind() == Kind::Array => Box::new(node.items().map(Self::of)),
            Self::Json(node) => Box::new(node.members().map(|(key, _)| Self::Text(key.name()))),
            Self::List(items) => Box::new(items.iter().cloned()),
            Self::Map(members) => Box::new(members.iter().map(|(key, _)| Self::Text(key.clone()))),
            _ => return None,
        })
    }

    /// The member of that name; `None` where there is none, or what it would be of has no members.
    pub(super) fn member(&self, name: &str) -> Option<Self> {
        match self {
            Self::Json(node) => node.member(name).map(Self::of),
            Self::Map(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()),
            _ => None,
        }
    }

    pub(super) fn is_map(&self) -> bool {
        match self {
            Self::Json(node) => node.kind() == Kind::Object,
            Self::Map(_) => true,
            _ => false,
        }
    }

    /// The order of two numbers, two strings or two booleans.
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(b),
            (Self::Int(a), Self::Double(b)) => beside(*a, *b),
            (Self::Double(a), Self::Int(b)) => beside(*b, *a).map(Ordering::reverse),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

/// The order of a whole number and any other, exactly.
fn beside(a: i64, b: f64) -> Option<Ordering> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if b.is_nan() {
        return None;
    }
    if BEYOND <= b {
        return Some(Ordering::Less);
    }
    if b < -BEYOND {
        return Some(Ordering::Greater);
    }
    let whole = b.trunc();
    Some(a.cmp(&(whole as i64)).then(0.0.partial_cmp(&(b - whole)).unwrap_or(Ordering::Equal)))
}

//! Strategies for the JSON texts of every type of the model, written from the specification and not from the model.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test uses its own part of the shapes"
)]

mod messages;
mod nouns;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// A strategy for JSON texts.
pub type Text = BoxedStrategy<String>;

/// What the texts are like.
#[derive(Clone, Copy, Debug)]
pub struct Shapes {
    /// With fields that no revision names, numbers that no machine type holds, and whitespace between tokens.
    pub wild: bool,
}

/// Everything that JSON allows.
pub const WILD: Shapes = Shapes { wild: true };

/// What a model with machine numbers and closed structs can hold.
pub const TAME: Shapes = Shapes { wild: false };

/// A field of an object: always there, or not.
pub enum Field {
    Required(&'static str, Text),
    Optional(&'static str, Text),
}

pub fn req(key: &'static str, value: Text) -> Field {
    Field::Required(key, value)
}

pub fn opt(key: &'static str, value: Text) -> Field {
    Field::Optional(key, value)
}

/// Runs `test` on some texts; the environment variable `TOOLPOST_CASES` says on how many.
pub fn each(strategy: &Text, test: impl Fn(&str) -> Result<(), String>) {
    let cases = std::env::var("TOOLPOST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(24);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    runner
        .run(strategy, |text| test(&text).map_err(TestCaseError::fail))
        .unwrap_or_else(|error| panic!("{error}"));
}

pub fn literal(text: &str) -> Text {
    Just(text.to_owned()).boxed()
}

pub fn word(word: &str) -> Text {
    literal(&format!("{word:?}"))
}

pub fn string() -> Text {
    prop_oneof![4 => "[a-z/:.-]{0,8}", 1 => "\\PC{0,5}", 1 => "[\u{0}-\u{1f}\"\\\\é😀]{1,3}"]
        .prop_map(|text| serde_json::to_string(&text).unwrap())
        .boxed()
}

pub fn boolean() -> Text {
    any::<bool>().prop_map(|flag| flag.to_string()).boxed()
}

pub fn one_of(texts: Vec<Text>) -> Text {
    proptest::strategy::Union::new(texts).boxed()
}

fn joined(open: char, items: &[String], close: char, loose: bool) -> String {
    let separator = if loose { " ,\n " } else { "," };
    format!("{open}{}{close}", items.join(separator))
}

impl Shapes {
    fn loose(self) -> BoxedStrategy<bool> {
        if self.wild { any::<bool>().boxed() } else { Just(false).boxed() }
    }

    /// A number: an integer or not.
    pub fn number(self) -> Text {
        if !self.wild {
            return prop_oneof![(0..1000_u16).prop_map(|n| n.to_string()), literal("0.25"), literal("2.5")]
                .boxed();
        }
        prop_oneof![
            any::<i64>().prop_map(|n| n.to_string()),
            "-?[1-9][0-9]{20,30}",
            "-?0\\.[0-9]{1,25}",
            "[1-9]\\.[0-9]{1,3}[eE][+-]?[1-9][0-9]{0,3}",
        ]
        .boxed()
    }

    /// An integer that is not negative, and in a tame text small.
    pub fn count(self) -> Text {
        if self.wild { self.number() } else { (0..1000_u16).prop_map(|n| n.to_string()).boxed() }
    }

    /// An id of a request, or a token of its progress.
    pub fn id(self) -> Text {
        let large = if self.wild { "-?[1-9][0-9]{17,25}" } else { "[1-9][0-9]{9}" };
        prop_oneof![string(), any::<i32>().prop_map(|n| n.to_string()), large].boxed()
    }

    /// A name out of a list, or in a wild text one that no revision names.
    pub fn name(self, known: &'static [&'static str]) -> Text {
        let known = proptest::sample::select(known).prop_map(|name| format!("{name:?}"));
        if self.wild { prop_oneof![4 => known, 1 => word("x-unheard-of")].boxed() } else { known.boxed() }
    }

    /// Any JSON value.
    pub fn any(self) -> Text {
        let leaf = prop_oneof![literal("null"), boolean(), string(), self.number()];
        leaf.prop_recursive(2, 8, 3, move |inner| {
            prop_oneof![
                (vec(inner.clone(), 0..3), self.loose())
                    .prop_map(|(items, loose)| joined('[', &items, ']', loose)),
                (btree_map("[a-z]{1,3}", inner, 0..3), self.loose()).prop_map(|(fields, loose)| {
                    let fields: Vec<_> =
                        fields.iter().map(|(key, value)| format!("{key:?}:{value}")).collect();
                    joined('{', &fields, '}', loose)
                }),
            ]
        })
        .boxed()
    }

    /// An object with any fields.
    pub fn any_object(self) -> Text {
        self.map(self.any())
    }

    /// An object whose fields have any names and one kind of value.
    pub fn map(self, value: Text) -> Text {
        (btree_map("[a-z]{1,3}", value, 0..3), self.loose())
            .prop_map(|(fields, loose)| {
                let fields: Vec<_> = fields.iter().map(|(key, value)| format!("{key:?}:{value}")).collect();
                joined('{', &fields, '}', loose)
            })
            .boxed()
    }

    pub fn list(self, item: Text) -> Text {
        (vec(item, 0..3), self.loose()).prop_map(|(items, loose)| joined('[', &items, ']', loose)).boxed()
    }

    /// An object with these fields, in any order, and in a wild text with fields that no revision names.
    pub fn object(self, fields: Vec<Field>) -> Text {
        let fields: Vec<BoxedStrategy<Option<String>>> = fields
            .into_iter()
            .map(|field| match field {
                Field::Required(key, value) => {
                    value.prop_map(move |value| Some(format!("{key:?}:{value}"))).boxed()
                }
                Field::Optional(key, value) => proptest::option::of(value)
                    .prop_map(move |value| value.map(|value| format!("{key:?}:{value}")))
                    .boxed(),
            })
            .collect();
        let extra = btree_map("x-[a-zé\"]{1,4}", self.any(), 0..=usize::from(self.wild));
        (fields, extra, self.loose())
            .prop_flat_map(|(fields, extra, loose)| {
                let mut all: Vec<String> = fields.into_iter().flatten().collect();
                all.extend(
                    extra
                        .iter()
                        .map(|(key, value)| format!("{}:{value}", serde_json::to_string(key).unwrap())),
                );
                (Just(all).prop_shuffle(), Just(loose))
            })
            .prop_map(|(fields, loose)| joined('{', &fields, '}', loose))
            .boxed()
    }
}

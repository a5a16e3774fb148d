//! The guard and the decoder beside `serde_json`, over random JSON and random damage to it.
//!
//! `TOOLPOST_CASES` raises the number of cases.

#![expect(clippy::unwrap_used, reason = "a test ends there")]

use crate::alike;

use std::collections::BTreeMap;

use alike::alike;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use toolpost_json::{Frame, Kind, Limits, Node, NodeId, Violation, ViolationKind, write};

fn cases() -> ProptestConfig {
    let cases = std::env::var("TOOLPOST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(400);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// JSON text in every spelling: blanks, escapes, odd numbers, names that may repeat.
fn json() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| n.to_string()),
        (-999..999_i32).prop_map(|n| n.to_string()),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| format!("{n:e}")),
        (any::<i32>(), 0..400_i32).prop_map(|(n, e)| format!("{n}e-{e}")),
        (any::<i32>(), 0_u32..99_999).prop_map(|(n, f)| format!("{n}.{f:05}")),
        prop::sample::select(vec!["-0", "0.0", "-0.0", "1E5", "1e+5", "18446744073709551616", "1e400"])
            .prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        prop::sample::select(vec!["null", "true", "false", "[]", "{}", " [ ] "]).prop_map(str::to_owned),
        number,
        text(),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..8), blank())
                .prop_map(|(items, blank)| format!("[{}]", items.join(&format!("{blank},")))),
            (prop::collection::vec((name(), inner), 0..8), blank()).prop_map(|(members, blank)| {
                let members: Vec<_> = members.iter().map(|(k, v)| format!("{blank}{k}{blank}:{v}")).collect();
                format!("{{{}{blank}}}", members.join(","))
            }),
        ]
    })
}

fn blank() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "", " ", "\n  ", "\t\r\n"])
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![text(), "\"[a-h]{1,9}\"", Just("\"\\u0061\"".to_owned())]
}

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-zA-Z0-9 ,:{}]{0,12}",
        1 => "[\u{80}-\u{10ffff}]{0,4}",
        1 => prop::sample::select(vec!["\\n", "\\\"", "\\\\", "\\/", "\\u00e9", "\\ud83d\\ude00", "\\u0000"])
            .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

/// One small damage: where, what to do, with which byte.
fn damage() -> impl Strategy<Value = Vec<(prop::sample::Index, u8, u8)>> {
    let byte =
        prop_oneof![any::<u8>(), prop::sample::select(b"{}[]\",:\\u019.eE+-tfn \n\x00\x1f\xc3".to_vec())];
    prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, byte), 1..4)
}

fn agrees(bytes: &[u8]) {
    reads_ahead_without_effect(bytes);
    let theirs = serde_json::from_slice::<Value>(bytes);
    match Frame::parse(bytes.to_vec().into(), &Limits::new()) {
        Ok(frame) => {
            let theirs = theirs.unwrap_or_else(|error| panic!("only we accept {frame:?}: {error}"));
            let ours: Value = frame.root().decode().unwrap();
            assert!(alike(&ours, &theirs), "{ours} != {theirs}");
            assert_eq!(walked(frame.root()), ours);
            let raw: &RawValue = frame.root().decode().unwrap();
            assert_eq!(raw.get(), std::str::from_utf8(bytes).unwrap().trim_matches([' ', '\t', '\r', '\n']));
        }
        Err(violation) if violation.is_syntax_error() => {
            assert!(theirs.is_err(), "only we refuse {:?}: {violation}", String::from_utf8_lossy(bytes));
        }
        // Stricter by intention.
        Err(_) => {}
    }
}

/// Holds when blanks behind the text, which give the guard room to take it in larger pieces, change nothing.
fn reads_ahead_without_effect(bytes: &[u8]) {
    let outcome = |bytes: Vec<u8>| {
        let frame = Frame::parse(bytes.into(), &Limits::new())?;
        let mut entries = Vec::new();
        places(frame.root(), &mut entries);
        Ok::<_, Violation>(entries)
    };
    match (outcome(bytes.to_vec()), outcome([bytes, &[b' '; 16]].concat())) {
        // There the text may go on.
        (Err(violation), longer) if violation.kind() == ViolationKind::UnexpectedEnd => {
            assert!(longer.is_err(), "{:?}", String::from_utf8_lossy(bytes));
        }
        (alone, longer) => assert_eq!(alone, longer, "{:?}", String::from_utf8_lossy(bytes)),
    }
}

/// The place and the text of each value below `node`, and its canonical text.
fn places(node: Node<'_>, out: &mut Vec<(NodeId, String, Vec<u8>)>) {
    let mut canonical = Vec::new();
    node.write_canonical(&mut canonical);
    out.push((node.id(), node.raw().to_owned(), canonical));
    node.items().for_each(|item| places(item, out));
    node.members().for_each(|(_, value)| places(value, out));
}

/// The value, through the walker alone.
fn walked(node: Node<'_>) -> Value {
    match node.kind() {
        Kind::Null => Value::Null,
        Kind::Bool => node.as_bool().unwrap().into(),
        Kind::Number => {
            let number = node.as_number().unwrap();
            match (number.as_u64(), number.as_i64()) {
                (Some(n), _) => n.into(),
                // A float has a negative zero, an integer has not.
                (_, Some(n)) if n != 0 => n.into(),
                _ => number.as_f64().into(),
            }
        }
        Kind::String => node.as_str().unwrap().into(),
        Kind::Array => {
            assert_eq!(node.items().count(), node.len());
            node.items().map(walked).collect()
        }
        Kind::Object => {
            assert_eq!(node.members().count(), node.len());
            node.members()
                .map(|(key, value)| {
                    assert_eq!(node.member(&key.name()), Some(value));
                    assert_eq!(node.frame().node(value.id()), value);
                    (key.name().into_owned(), walked(value))
                })
                .collect()
        }
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn random_json_is_read_alike(text in json()) {
        agrees(text.as_bytes());
    }

    #[test]
    fn damaged_json_is_refused_alike(text in json(), damage in damage()) {
        let mut bytes = text.into_bytes();
        for (at, how, byte) in damage {
            match how {
                0 => bytes.insert(at.index(bytes.len() + 1), byte),
                1 if !bytes.is_empty() => drop(bytes.remove(at.index(bytes.len()))),
                _ if !bytes.is_empty() => { let at = at.index(bytes.len()); bytes[at] = byte; }
                _ => {}
            }
        }
        agrees(&bytes);
    }

    #[test]
    fn any_bytes_are_read_alike(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        agrees(&bytes);
    }

    #[test]
    fn strings_are_escaped_alike(text in any::<String>()) {
        let mut out = Vec::new();
        write::string(&mut out, &text);
        prop_assert_eq!(&out, &serde_json::to_vec(&text).unwrap());
        let frame = Frame::parse(out.into(), &Limits::new()).unwrap();
        prop_assert_eq!(&*frame.root().as_str().unwrap(), &*text);
    }

    #[test]
    fn floats_are_correctly_rounded(bits in any::<u64>(), digits in 0..99_999_999_999_999_u64, places in 0..14_usize) {
        let short = digits as f64 / 10_f64.powi(places as i32);
        for lexeme in [format!("{:e}", f64::from_bits(bits)), format!("{short:.places$}")] {
            let Ok(frame) = Frame::from_text(&*lexeme, &Limits::new()) else { continue };
            let value = frame.root().as_number().unwrap().as_f64();
            prop_assert_eq!(value.to_bits(), lexeme.parse::<f64>().unwrap().to_bits());
        }
    }

    #[test]
    fn what_was_encoded_decodes_to_itself(sample in sample()) {
        let frame = Frame::from_serialize(&sample).unwrap();
        prop_assert_eq!(&frame.root().decode::<Sample>().unwrap(), &sample);
        let mut out = Vec::new();
        write::value(&mut out, &frame.root().decode::<Sample>().unwrap()).unwrap();
        prop_assert_eq!(&out[..], frame.text().as_bytes());
    }

    #[test]
    fn any_json_decodes_alike_into_any_type(text in json(), sample in sample(), cut in any::<prop::sample::Index>()) {
        typed_alike::<Sample>(&text);
        typed_alike::<BTreeMap<String, Option<Shape>>>(&text);
        typed_alike::<Vec<Tagged>>(&text);
        // A real sample with one value replaced by something else.
        let whole = serde_json::to_string(&sample).unwrap();
        typed_alike::<Sample>(&whole);
        let values: Vec<_> = whole.match_indices(':').map(|(at, _)| at + 1).collect();
        let at = values[cut.index(values.len())];
        let end = whole[at..].find([',', '}']).map_or(whole.len(), |end| at + end);
        typed_alike::<Sample>(&format!("{}{text}{}", &whole[..at], &whole[end..]));
    }
}

fn typed_alike<T: DeserializeOwned + Serialize>(text: &str) {
    let Ok(frame) = Frame::from_text(text, &Limits::new()) else { return };
    let ours = frame.root().decode::<T>();
    let theirs = serde_json::from_str::<T>(text);
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => {
            let [ours, theirs] = [ours, theirs].map(|value| {
                let text = serde_json::to_string(&value).unwrap();
                serde_json::from_str::<Value>(&text).unwrap()
            });
            assert!(alike(&ours, &theirs), "{ours} != {theirs}");
        }
        (Err(_), Err(_)) => {}
        (Ok(_), Err(error)) => panic!("only we decode {text}: {error}"),
        (Err(error), Ok(_)) => panic!("only they decode {text}: {error}"),
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sample {
    flag: bool,
    small: i8,
    large: u64,
    signed: i64,
    wide: i128,
    float: f64,
    single: f32,
    letter: char,
    text: String,
    maybe: Option<Box<Self>>,
    #[serde(default)]
    absent: Option<u8>,
    list: Vec<(u16, String)>,
    by_number: BTreeMap<i32, Newtype>,
    by_name: BTreeMap<String, Value>,
    by_shape: BTreeMap<Unit, ()>,
    shape: Shape,
    tagged: Tagged,
    untagged: Untagged,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Newtype(u32);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Unit {
    One,
    #[serde(rename = "t\"wo")]
    Two,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Dot,
    Circle(f64),
    Line(i32, i32),
    Box { w: u8, h: Option<u8> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum Tagged {
    Plain,
    Full { n: i64, s: String },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(i64),
    Text(String),
    List(Vec<u8>),
    Unit { unit: Unit },
}

fn sample() -> impl Strategy<Value = Sample> {
    let unit = || prop::sample::select(vec![Unit::One, Unit::Two]);
    let shape = prop_oneof![
        Just(Shape::Dot),
        (-1e9..1e9).prop_map(Shape::Circle),
        any::<(i32, i32)>().prop_map(|(a, b)| Shape::Line(a, b)),
        any::<(u8, Option<u8>)>().prop_map(|(w, h)| Shape::Box { w, h }),
    ];
    let tagged =
        prop_oneof![Just(Tagged::Plain), any::<(i64, String)>().prop_map(|(n, s)| Tagged::Full { n, s })];
    let untagged = prop_oneof![
        any::<i64>().prop_map(Untagged::Number),
        any::<String>().prop_map(Untagged::Text),
        any::<Vec<u8>>().prop_map(Untagged::List),
        unit().prop_map(|unit| Untagged::Unit { unit }),
    ];
    let scalars =
        (any::<(bool, i8, u64, i64)>(), any::<i64>(), -1e6..1e6_f64, any::<i16>(), any::<(char, String)>());
    let maps = (
        prop::collection::vec(any::<(u16, String)>(), 0..4),
        prop::collection::btree_map(any::<i32>(), any::<u32>().prop_map(Newtype), 0..4),
        prop::collection::btree_map(any::<String>(), any::<i64>().prop_map(Value::from), 0..4),
        prop::collection::btree_map(unit(), Just(()), 0..3),
        prop::collection::btree_map("x-[a-z]{1,12}", any::<String>().prop_map(Value::from), 0..3),
    );
    let base =
        (scalars, maps, shape, tagged, untagged).prop_map(|(scalars, maps, shape, tagged, untagged)| {
            let ((flag, small, large, signed), wide, float, single, (letter, text)) = scalars;
            let (list, by_number, by_name, by_shape, rest) = maps;
            Sample {
                flag,
                small,
                large,
                signed,
                wide: i128::from(wide) << 40,
                float: f64::round(float * 1e3) / 1e3,
                single: f32::from(single) / 8.0,
                letter,
                text,
                maybe: None,
                absent: None,
                list,
                by_number,
                by_name,
                by_shape,
                shape,
                tagged,
                untagged,
                rest,
            }
        });
    (base.clone(), prop::option::of(base)).prop_map(|(mut outer, inner)| {
        outer.maybe = inner.map(Box::new);
        outer
    })
}

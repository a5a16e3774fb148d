//! The guard beside `serde_json`: what it accepts they accept, and both read the same value; what
//! it calls a syntax error they refuse.

use serde_json::Value;
use toolpost_json::{Frame, Kind, Limits, Node};

pub(crate) fn run(bytes: &[u8]) {
    let theirs = serde_json::from_slice::<Value>(bytes);
    match Frame::parse(bytes.to_vec().into(), &Limits::new()) {
        Ok(frame) => {
            let theirs = theirs.expect("only the guard accepts it");
            same(frame.root(), &theirs);
            let decoded: Value = frame.root().decode().expect("checked text decodes");
            same(frame.root(), &decoded);
        }
        Err(violation) if violation.is_syntax_error() => {
            assert!(theirs.is_err(), "only the guard refuses it: {violation}");
            assert!(violation.offset() <= bytes.len());
        }
        // Valid JSON beyond a limit, or with duplicate names: stricter by intention.
        Err(_) => {}
    }
}

/// Holds when `node` reads as `value`; floats may differ in the last digit, where `serde_json` does
/// not always round correctly.
fn same(node: Node<'_>, value: &Value) {
    match value {
        Value::Null => assert!(node.is_null()),
        Value::Bool(value) => assert_eq!(node.as_bool(), Some(*value)),
        Value::Number(value) => {
            let number = node.as_number().expect("a number");
            match (value.as_u64(), value.as_i64(), value.as_f64()) {
                (Some(value), ..) => assert_eq!(number.as_u64(), Some(value)),
                (_, Some(value), _) => assert_eq!(number.as_i64(), Some(value)),
                (.., Some(value)) => {
                    let ours = number.as_f64();
                    assert!((ours - value).abs() <= value.abs() * 1e-15, "{ours} != {value}");
                }
                _ => panic!("{value}"),
            }
        }
        Value::String(value) => assert_eq!(node.as_str().as_deref(), Some(&**value)),
        Value::Array(values) => {
            assert_eq!((node.kind(), node.len()), (Kind::Array, values.len()));
            node.items().zip(values).for_each(|(item, value)| same(item, value));
        }
        Value::Object(values) => {
            assert_eq!((node.kind(), node.len()), (Kind::Object, values.len()));
            for (key, member) in node.members() {
                same(member, values.get(&*key.name()).expect("a name in both"));
            }
        }
    }
}

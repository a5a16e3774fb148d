//! From any bytes to two values, and to keys that are equal exactly when the values are.

use toolpost_cache::{CacheKey, KeyWriter};

#[path = "value.rs"]
mod value;

use value::{Leaf, Value, byte, bytes, int, text, word};

/// What is neither an array nor an object.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// A number that is no integer, by its bits.
    Float(u64),
    Text(String),
    Blob(Vec<u8>),
}

const SCALARS: &[Leaf<Scalar>] = &[
    |_| Scalar::Null,
    |rest| Scalar::Bool(byte(rest) & 1 == 1),
    |rest| Scalar::Int(int(rest)),
    |rest| match f64::from_bits(u64::from_le_bytes(word(rest))) {
        float if float.is_finite() => Scalar::Float(float.to_bits()),
        _ => Scalar::Float(0.5_f64.to_bits()),
    },
    |rest| Scalar::Text(text(rest)),
    |rest| Scalar::Blob(bytes(rest).to_vec()),
];

pub(crate) fn run(bytes: &[u8]) {
    let mut rest = bytes;
    let (a, b) = (values(&mut rest), values(&mut rest));
    let (key_a, key_b) = (key(&a, false), key(&b, false));
    assert_eq!(a == b, key_a == key_b, "{a:?} and {b:?}");
    assert_eq!(key_a, key(&a, true), "{a:?} in another order and spelling");
    literal(rest);
}

/// Any text may be offered as a number; what is one equals its own value, and no text.
fn literal(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let number = one(|writer| drop(writer.number(&text)));
    assert_ne!(number, one(|writer| drop(writer.text(&text))));
    if let Ok(int) = text.parse::<i64>()
        && int.to_string() == text
    {
        assert_eq!(number, one(|writer| drop(writer.int(int))));
    }
}

fn one(write: impl FnOnce(&mut KeyWriter)) -> CacheKey {
    let mut writer = KeyWriter::new();
    write(&mut writer);
    writer.key()
}

fn drop<T>(_: T) {}

fn key(values: &[Value<Scalar>], anew: bool) -> CacheKey {
    one(|writer| values.iter().for_each(|value| write(writer, value, anew)))
}

fn write(writer: &mut KeyWriter, value: &Value<Scalar>, anew: bool) {
    match value {
        Value::Leaf(scalar) => write_scalar(writer, scalar, anew),
        Value::Array(values) => {
            writer.open_array();
            values.iter().for_each(|value| write(writer, value, anew));
            writer.close();
        }
        Value::Object(members) => {
            writer.open_object();
            let mut member = |(name, value): &(String, Value<Scalar>)| write(writer.name(name), value, anew);
            if anew {
                members.iter().rev().for_each(&mut member);
            } else {
                members.iter().for_each(&mut member);
            }
            writer.close();
        }
    }
}

fn write_scalar(writer: &mut KeyWriter, scalar: &Scalar, anew: bool) {
    match scalar {
        Scalar::Null => drop(writer.null()),
        Scalar::Bool(value) => drop(writer.bool(*value)),
        Scalar::Int(value) if anew => drop(writer.number(&value.to_string())),
        Scalar::Int(value) => drop(writer.int(*value)),
        Scalar::Float(bits) if anew => drop(writer.number(&format!("{:?}", f64::from_bits(*bits)))),
        Scalar::Float(bits) => drop(writer.float(f64::from_bits(*bits))),
        Scalar::Text(text) => drop(writer.text(text)),
        Scalar::Blob(bytes) => drop(writer.blob(bytes)),
    }
}

fn values(rest: &mut &[u8]) -> Vec<Value<Scalar>> {
    let many = byte(rest) % 4;
    (0..many).map(|_| value::value(rest, SCALARS, 3)).collect()
}

//! From any bytes to two values, and to keys that are equal exactly when the values are.

use toolpost_cache::{Key, KeyWriter};

/// A value whose equality nobody has to think about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Null,
    Bool(bool),
    Int(i64),
    /// A number that is no integer, by its bits.
    Float(u64),
    Text(String),
    Blob(Vec<u8>),
    Array(Vec<Self>),
    /// Sorted by name, no name twice.
    Object(Vec<(String, Self)>),
}

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

fn one(write: impl FnOnce(&mut KeyWriter)) -> Key {
    let mut writer = KeyWriter::new();
    write(&mut writer);
    writer.key()
}

fn drop<T>(_: T) {}

fn key(values: &[Value], anew: bool) -> Key {
    one(|writer| values.iter().for_each(|value| write(writer, value, anew)))
}

fn write(writer: &mut KeyWriter, value: &Value, anew: bool) {
    match value {
        Value::Null => drop(writer.null()),
        Value::Bool(value) => drop(writer.bool(*value)),
        Value::Int(value) if anew => drop(writer.number(&value.to_string())),
        Value::Int(value) => drop(writer.int(*value)),
        Value::Float(bits) if anew => drop(writer.number(&format!("{:?}", f64::from_bits(*bits)))),
        Value::Float(bits) => drop(writer.float(f64::from_bits(*bits))),
        Value::Text(text) if anew => {
            let mut pieces = writer.open_text();
            text.chars().for_each(|piece| pieces.push(piece.encode_utf8(&mut [0; 4])));
        }
        Value::Text(text) => drop(writer.text(text)),
        Value::Blob(bytes) => drop(writer.blob(bytes)),
        Value::Array(values) => {
            writer.open_array();
            values.iter().for_each(|value| write(writer, value, anew));
            writer.close();
        }
        Value::Object(members) => {
            writer.open_object();
            let mut member = |(name, value): &(String, Value)| write(writer.name(name), value, anew);
            if anew {
                members.iter().rev().for_each(&mut member);
            } else {
                members.iter().for_each(&mut member);
            }
            writer.close();
        }
    }
}

fn values(rest: &mut &[u8]) -> Vec<Value> {
    let many = byte(rest) % 4;
    (0..many).map(|_| value(rest, 0)).collect()
}

fn value(rest: &mut &[u8], depth: u32) -> Value {
    let kinds = if depth < 8 { 9 } else { 6 };
    match byte(rest) % kinds {
        0 => Value::Null,
        1 => Value::Bool(byte(rest) & 1 == 1),
        2 => Value::Int(i64::from_le_bytes(word(rest)) >> (8 * (byte(rest) % 8))),
        3 => match f64::from_bits(u64::from_le_bytes(word(rest))) {
            float if float.is_finite() => Value::Float(float.to_bits()),
            _ => Value::Float(0.5_f64.to_bits()),
        },
        4 => Value::Text(text(rest)),
        5 => Value::Blob(bytes(rest).to_vec()),
        6 => Value::Array((0..byte(rest) % 5).map(|_| value(rest, depth + 1)).collect()),
        _ => {
            // Enough members for either way of sorting.
            let mut members: Vec<_> =
                (0..byte(rest) % 40).map(|_| (text(rest), value(rest, depth + 1))).collect();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            members.dedup_by(|(a, _), (b, _)| a == b);
            Value::Object(members)
        }
    }
}

fn text(rest: &mut &[u8]) -> String {
    String::from_utf8_lossy(bytes(rest)).into_owned()
}

fn bytes<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let length = usize::from(byte(rest) % 8).min(rest.len());
    let (bytes, after) = rest.split_at(length);
    *rest = after;
    bytes
}

fn byte(rest: &mut &[u8]) -> u8 {
    let (byte, after) = rest.split_first().map_or((0, *rest), |(byte, after)| (*byte, after));
    *rest = after;
    byte
}

fn word(rest: &mut &[u8]) -> [u8; 8] {
    std::array::from_fn(|_| byte(rest))
}

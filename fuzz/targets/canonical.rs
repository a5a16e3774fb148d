//! From any bytes to two values, each in two spellings, and to canonical texts that are equal exactly when the values are.

use std::fmt::Write as _;

use toolpost_protocol::{Frame, Limits};

/// A value whose equality nobody has to think about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Word(&'static str),
    Int(i64),
    /// A number that is not written as an integer, its digits without zeros at the end.
    Decimal(i64, i32),
    Text(String),
    Array(Vec<Self>),
    /// Sorted by name, no name twice.
    Object(Vec<(String, Self)>),
}

pub(crate) fn run(bytes: &[u8]) {
    let mut rest = bytes;
    let (a, b) = (value(&mut rest, 0), value(&mut rest, 0));
    let (canonical_a, canonical_b) = (canonical(&a, false), canonical(&b, false));
    assert_eq!(a == b, canonical_a == canonical_b, "{a:?} and {b:?}");
    assert_eq!(canonical_a, canonical(&a, true), "{a:?} in another order and spelling");
    // It is JSON, and its own canonical text.
    assert_eq!(canonical_a, of_text(canonical_a.clone()));
    // Whatever else is JSON has a canonical text too.
    if let Ok(frame) = Frame::parse(bytes.to_vec().into(), &Limits::new()) {
        let mut out = Vec::new();
        frame.root().write_canonical(&mut out);
        let text = String::from_utf8(out).expect("text");
        assert_eq!(text, of_text(text.clone()));
    }
}

fn canonical(value: &Value, anew: bool) -> String {
    let mut text = String::new();
    write(&mut text, value, anew);
    of_text(text)
}

fn of_text(text: String) -> String {
    let frame = Frame::from_text(text, &Limits::new()).expect("JSON");
    let mut out = Vec::new();
    frame.root().write_canonical(&mut out);
    String::from_utf8(out).expect("text")
}

fn write(out: &mut String, value: &Value, anew: bool) {
    if anew {
        out.push_str(" \t");
    }
    match value {
        Value::Word(word) => out.push_str(word),
        Value::Int(value) => {
            let _ = write!(out, "{value}");
        }
        Value::Decimal(0, _) if anew => out.push_str("0.00E+7"),
        Value::Decimal(digits, exponent) if anew => {
            let _ = write!(out, "{digits}0.0E{}", exponent - 1);
        }
        Value::Decimal(digits, exponent) if (-18..0).contains(exponent) => {
            let places = exponent.unsigned_abs() as usize;
            let all = format!("{:0>width$}", digits.unsigned_abs(), width = places + 1);
            let (whole, fraction) = all.split_at(all.len() - places);
            let _ = write!(out, "{}{whole}.{fraction}", if *digits < 0 { "-" } else { "" });
        }
        Value::Decimal(digits, exponent) => {
            let _ = write!(out, "{digits}e{exponent:+}");
        }
        Value::Text(value) => string(out, value, anew),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                write(out, item, anew);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            let mut first = true;
            let mut member = |(name, value): &(String, Value)| {
                out.push_str(if std::mem::take(&mut first) { "" } else { "," });
                string(out, name, anew);
                out.push(':');
                write(out, value, anew);
            };
            match anew {
                true => members.iter().rev().for_each(&mut member),
                false => members.iter().for_each(&mut member),
            }
            out.push('}');
        }
    }
    if anew {
        out.push('\n');
    }
}

fn string(out: &mut String, text: &str, anew: bool) {
    out.push('"');
    for c in text.chars() {
        if anew || c < ' ' || c == '"' || c == '\\' {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04X}");
            }
        } else {
            out.push(c);
        }
    }
    out.push('"');
}

fn value(rest: &mut &[u8], depth: u32) -> Value {
    let kinds = if depth < 8 { 8 } else { 4 };
    match byte(rest) % kinds {
        0 => Value::Word(["null", "true", "false", "-0"][usize::from(byte(rest) % 4)]),
        1 => Value::Int(i64::from_le_bytes(word(rest)) >> (8 * (byte(rest) % 8))),
        2 => {
            let mut digits = i64::from_le_bytes(word(rest)) >> (8 * (byte(rest) % 8));
            let mut exponent = i32::from(byte(rest) as i8) / 2;
            while digits != 0 && digits % 10 == 0 {
                digits /= 10;
                exponent += 1;
            }
            // A nought has no exponent, and no sign that an integer could carry.
            Value::Decimal(digits, if digits == 0 { 0 } else { exponent })
        }
        3 => Value::Text(text(rest)),
        4 => Value::Array((0..byte(rest) % 5).map(|_| value(rest, depth + 1)).collect()),
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
    let length = usize::from(byte(rest) % 12).min(rest.len());
    let (bytes, after) = rest.split_at(length);
    *rest = after;
    String::from_utf8_lossy(bytes).into_owned()
}

fn byte(rest: &mut &[u8]) -> u8 {
    let (byte, after) = rest.split_first().map_or((0, *rest), |(byte, after)| (*byte, after));
    *rest = after;
    byte
}

fn word(rest: &mut &[u8]) -> [u8; 8] {
    std::array::from_fn(|_| byte(rest))
}

//! From any bytes to two values, each in two spellings, and to canonical texts that are equal exactly when the values are.

use std::fmt::Write as _;

use toolpost_json::{Frame, Limits};

#[path = "value.rs"]
mod value;

use value::{Leaf, Value, byte, int, text};

/// What is neither an array nor an object.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Scalar {
    Word(&'static str),
    Int(i64),
    /// A number that is not written as an integer, its digits without zeros at the end.
    Decimal(i64, i32),
    Text(String),
}

const SCALARS: &[Leaf<Scalar>] = &[
    |rest| Scalar::Word(["null", "true", "false", "-0"][usize::from(byte(rest) % 4)]),
    |rest| Scalar::Int(int(rest)),
    decimal,
    |rest| Scalar::Text(text(rest)),
];

pub(crate) fn run(bytes: &[u8]) {
    let mut rest = bytes;
    let mut value = || value::value(&mut rest, SCALARS, 4);
    let (a, b) = (value(), value());
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

fn canonical(value: &Value<Scalar>, anew: bool) -> String {
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

fn write(out: &mut String, value: &Value<Scalar>, anew: bool) {
    if anew {
        out.push_str(" \t");
    }
    match value {
        Value::Leaf(scalar) => write_scalar(out, scalar, anew),
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
            let mut member = |(name, value): &(String, Value<Scalar>)| {
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

fn write_scalar(out: &mut String, scalar: &Scalar, anew: bool) {
    match scalar {
        Scalar::Word(word) => out.push_str(word),
        Scalar::Int(value) => {
            let _ = write!(out, "{value}");
        }
        Scalar::Decimal(0, _) if anew => out.push_str("0.00E+7"),
        Scalar::Decimal(digits, exponent) if anew => {
            let _ = write!(out, "{digits}0.0E{}", exponent - 1);
        }
        Scalar::Decimal(digits, exponent) if (-18..0).contains(exponent) => {
            let places = exponent.unsigned_abs() as usize;
            let all = format!("{:0>width$}", digits.unsigned_abs(), width = places + 1);
            let (whole, fraction) = all.split_at(all.len() - places);
            let _ = write!(out, "{}{whole}.{fraction}", if *digits < 0 { "-" } else { "" });
        }
        Scalar::Decimal(digits, exponent) => {
            let _ = write!(out, "{digits}e{exponent:+}");
        }
        Scalar::Text(value) => string(out, value, anew),
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

fn decimal(rest: &mut &[u8]) -> Scalar {
    let mut digits = int(rest);
    let mut exponent = i32::from(byte(rest) as i8) / 2;
    while digits != 0 && digits % 10 == 0 {
        digits /= 10;
        exponent += 1;
    }
    // A nought has no exponent, and no sign that an integer could carry.
    Scalar::Decimal(digits, if digits == 0 { 0 } else { exponent })
}

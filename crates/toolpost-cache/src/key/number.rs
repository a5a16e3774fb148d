//! Reads a number literal into the one form its value has.
//!
//! An integer is kept apart from a number with a fraction or an exponent: `1` and `1.0` differ (a miss
//! is safe, a false hit is not), `1.50` and `15e-1` do not. Values are compared as decimals, never
//! through `f64`, so two literals that round to the same double stay apart.

/// What a literal turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Number<'a> {
    /// An integer that fits.
    Int(i64),
    /// An integer that does not: its sign and its digits, without leading zeros.
    BigInt { negative: bool, digits: &'a [u8] },
    /// `mantissa * 10^exponent`; the mantissa is not divisible by ten, or both are zero.
    Decimal { negative: bool, mantissa: u64, exponent: i64 },
    /// As `Decimal`, with more digits than a `u64` is sure to hold.
    BigDecimal { negative: bool, whole: &'a [u8], fraction: &'a [u8], exponent: i64 },
    /// Not a JSON number, or one whose exponent is absurd: it stands for its own text.
    Literal,
}

/// The most decimal digits that always fit a `u64`.
const DIGITS: usize = 19;

pub(super) fn read(text: &[u8]) -> Number<'_> {
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let whole = digits(rest);
    if whole.is_empty() || (whole[0] == b'0' && 1 < whole.len()) {
        return Number::Literal;
    }
    let rest = &rest[whole.len()..];
    if rest.is_empty() {
        return integer(negative, whole);
    }
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => {
            let fraction = digits(rest);
            if fraction.is_empty() {
                return Number::Literal;
            }
            (fraction, &rest[fraction.len()..])
        }
        _ => (&rest[..0], rest),
    };
    match exponent(rest) {
        Some(exponent) => decimal(negative, whole, fraction, exponent),
        None => Number::Literal,
    }
}

fn digits(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    &text[..end]
}

fn integer(negative: bool, digits: &[u8]) -> Number<'_> {
    if digits == b"0" {
        // Some readers turn `-0` into a float: it keeps a key of its own.
        return if negative { Number::Literal } else { Number::Int(0) };
    }
    if DIGITS < digits.len() {
        return Number::BigInt { negative, digits };
    }
    let value = i128::from(value(0, digits));
    match i64::try_from(if negative { -value } else { value }) {
        Ok(value) => Number::Int(value),
        Err(_) => Number::BigInt { negative, digits },
    }
}

/// The exponent after the digits; zero for none, `None` for what is not JSON or does not fit.
fn exponent(text: &[u8]) -> Option<i64> {
    let rest = match text {
        [] => return Some(0),
        [b'e' | b'E', rest @ ..] => rest,
        _ => return None,
    };
    let (negative, rest) = match rest {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, rest),
    };
    let all = digits(rest);
    if all.is_empty() || all.len() != rest.len() {
        return None;
    }
    let significant = all.iter().position(|b| *b != b'0').map_or(&all[..0], |at| &all[at..]);
    // Eighteen digits leave room for the shift by the length of the mantissa.
    if 18 < significant.len() {
        return None;
    }
    let value = value(0, significant) as i64;
    Some(if negative { -value } else { value })
}

fn decimal<'a>(negative: bool, whole: &'a [u8], fraction: &'a [u8], exponent: i64) -> Number<'a> {
    let fraction = trim_end(fraction);
    let whole = if whole == b"0" { &whole[..0] } else { whole };
    let shifted = exponent - fraction.len() as i64;
    if whole.len() + fraction.len() <= DIGITS {
        let mut mantissa = value(value(0, whole), fraction);
        let mut exponent = shifted;
        if mantissa == 0 {
            return Number::Decimal { negative, mantissa: 0, exponent: 0 };
        }
        while mantissa.is_multiple_of(10) {
            mantissa /= 10;
            exponent += 1;
        }
        return Number::Decimal { negative, mantissa, exponent };
    }
    big(negative, whole, fraction, shifted)
}

/// Strips zeros at both ends of a long mantissa, and asks again whether it fits.
fn big<'a>(negative: bool, whole: &'a [u8], fraction: &'a [u8], exponent: i64) -> Number<'a> {
    let mut exponent = exponent;
    let mut whole = whole;
    let mut fraction = fraction;
    if fraction.is_empty() {
        let kept = trim_end(whole);
        exponent += (whole.len() - kept.len()) as i64;
        whole = kept;
    } else if whole.is_empty() {
        fraction = trim_start(fraction);
    }
    if whole.len() + fraction.len() <= DIGITS {
        let mantissa = value(value(0, whole), fraction);
        return Number::Decimal { negative, mantissa, exponent };
    }
    Number::BigDecimal { negative, whole, fraction, exponent }
}

fn value(start: u64, digits: &[u8]) -> u64 {
    digits.iter().fold(start, |n, b| n * 10 + u64::from(b - b'0'))
}

fn trim_end(digits: &[u8]) -> &[u8] {
    let end = digits.iter().rposition(|b| *b != b'0').map_or(0, |at| at + 1);
    &digits[..end]
}

fn trim_start(digits: &[u8]) -> &[u8] {
    let start = digits.iter().position(|b| *b != b'0').unwrap_or(digits.len());
    &digits[start..]
}

#[cfg(test)]
mod tests {
    #[test]
    fn one_value_one_form() {
        for (a, b) in [
            ("1.0", "1e0"),
            ("1.50", "15e-1"),
            ("100.0", "1e2"),
            ("0.0", "0e7"),
            ("0.001", "1E-3"),
            ("12345678901234567890123.0", "12345678901234567890123000.00e-3"),
            ("0.00000000000000000000000012", "1.2e-25"),
            ("1000000000000000000000000.0", "1e+24"),
        ] {
            assert_eq!(canonical(a), canonical(b), "{a} and {b}");
        }
    }

    #[test]
    fn other_values_other_forms() {
        let all = [
            "0",
            "-0",
            "0.0",
            "-0.0",
            "1",
            "1.0",
            "-1",
            "-1.0",
            "10",
            "1e1",
            "01",
            "1.",
            ".5",
            "1e",
            "1e+",
            "0.1",
            "0.10000000000000000000000000000001",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "1e999999999999999999999",
            "1e999999999999999999998",
            "12345678901234567890123.0",
            "12345678901234567890124.0",
            "12345678901234567890123.5",
        ];
        for (i, a) in all.iter().enumerate() {
            for b in &all[i + 1..] {
                // 10 and 1e1 are of two kinds; everything else differs by value or by text.
                assert!(canonical(a) != canonical(b) || a == b, "{a} and {b}");
            }
        }
    }

    fn canonical(text: &str) -> Vec<u8> {
        let mut writer = crate::KeyWriter::new();
        writer.number(text);
        writer.bytes().to_vec()
    }
}

//! Numbers that are not integers, each value in one form.
//!
//! With at most [`PLAIN`] digits of which some are a fraction, it is those digits and the point, as people write
//! them; otherwise the digits without zeros at either end, and an exponent.

/// The most digits, and the most places behind the point, of a number without an exponent.
pub(crate) const PLAIN: usize = 17;

/// The most digits that a `u64` always holds.
const EXACT: usize = 19;

/// So far below any integer that an exponent could overflow.
const FAR: u64 = 1 << 60;

/// Appends the canonical form of a number with a fraction, an exponent or both.
pub(super) fn write(lexeme: &[u8], out: &mut Vec<u8>) {
    let mut value = 0_u64;
    let mut digits = 0;
    let mut exponent = 0;
    let mut fraction = 0;
    let mut mantissa = lexeme;
    for (at, byte) in lexeme.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                exponent -= fraction;
                // Wraps if there are more digits than it holds, and is not used then.
                value = value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
                digits += usize::from(*byte != b'0' || 0 < digits);
            }
            b'-' => {}
            b'.' => fraction = 1,
            _ => {
                let Some(written) = self::exponent(&lexeme[at + 1..]) else {
                    // It stands as it is: still a text of no other value, though this value may have several.
                    return out.extend_from_slice(lexeme);
                };
                exponent += written;
                mantissa = &lexeme[..at];
                break;
            }
        }
    }
    if lexeme[0] == b'-' {
        out.push(b'-');
    }
    if EXACT < digits {
        let mut all: Vec<u8> = mantissa.iter().copied().filter(u8::is_ascii_digit).collect();
        let significant = all.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
        exponent += (all.len() - significant) as i64;
        all.truncate(significant);
        let first = significant.min(all.iter().position(|digit| *digit != b'0').unwrap_or(0));
        if EXACT < significant - first {
            out.extend_from_slice(&all[first..]);
            out.push(b'e');
            return integer(exponent, out);
        }
        value = all[first..].iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    }
    short(value, exponent, out);
}

/// Writes `value * 10^exponent`.
fn short(mut value: u64, mut exponent: i64, out: &mut Vec<u8>) {
    if value == 0 {
        return out.extend_from_slice(b"0e0");
    }
    while value.is_multiple_of(10) {
        value /= 10;
        exponent += 1;
    }
    let mut buffer = [0; 20];
    let digits = digits(value, &mut buffer);
    let places = usize::try_from(-exponent).unwrap_or(0);
    if places == 0 || PLAIN < places || PLAIN < digits.len() {
        out.extend_from_slice(digits);
        out.push(b'e');
        return integer(exponent, out);
    }
    match digits.len().checked_sub(places) {
        Some(whole @ 1..) => {
            out.extend_from_slice(&digits[..whole]);
            out.push(b'.');
            out.extend_from_slice(&digits[whole..]);
        }
        _ => {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + places - digits.len(), b'0');
            out.extend_from_slice(digits);
        }
    }
}

/// The exponent after the `e`; `None` if it is far off.
fn exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    let value = digits.iter().try_fold(0_u64, |value, digit| {
        value.checked_mul(10)?.checked_add(u64::from(digit - b'0')).filter(|value| *value < FAR)
    })?;
    Some(if negative { -(value as i64) } else { value as i64 })
}

/// Writes an integer in decimal.
fn integer(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(digits(value.unsigned_abs(), &mut [0; 20]));
}

fn digits(mut value: u64, buffer: &mut [u8; 20]) -> &[u8] {
    let mut at = buffer.len();
    loop {
        at -= 1;
        buffer[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            return &buffer[at..];
        }
    }
}

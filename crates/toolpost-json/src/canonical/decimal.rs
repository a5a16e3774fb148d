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

/// The least number of more digits than [`PLAIN`].
const LONG: u64 = 10_u64.pow(PLAIN as u32);

/// Hands to `put`, piece by piece, the canonical form of a number with a fraction, an exponent or both.
pub(super) fn write(lexeme: &[u8], mut put: impl FnMut(&[u8])) {
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
                    return put(lexeme);
                };
                exponent += written;
                mantissa = &lexeme[..at];
                break;
            }
        }
    }
    let negative = lexeme[0] == b'-';
    if EXACT < digits {
        return long(negative, mantissa, exponent, put);
    }
    put(Short::new(negative, value, exponent).bytes());
}

/// Writes a number of more digits than are counted with.
#[cold]
fn long(negative: bool, mantissa: &[u8], mut exponent: i64, mut put: impl FnMut(&[u8])) {
    let mut all: Vec<u8> = mantissa.iter().copied().filter(u8::is_ascii_digit).collect();
    let significant = all.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
    exponent += (all.len() - significant) as i64;
    all.truncate(significant);
    let first = significant.min(all.iter().position(|digit| *digit != b'0').unwrap_or(0));
    if significant - first <= EXACT {
        let value = all[first..].iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
        return put(Short::new(negative, value, exponent).bytes());
    }
    if negative {
        put(b"-");
    }
    put(&all[first..]);
    put(Short::exponent(exponent).bytes());
}

/// The text of a number, from its end to its beginning.
struct Short {
    bytes: [u8; 48],
    at: usize,
}

impl Short {
    /// The text of `value * 10^exponent`.
    #[inline(always)]
    fn new(negative: bool, mut value: u64, mut exponent: i64) -> Self {
        if value == 0 {
            exponent = 0;
        } else {
            while value.is_multiple_of(10) {
                value /= 10;
                exponent += 1;
            }
        }
        let places = usize::try_from(-exponent).unwrap_or(0);
        let mut short = if places == 0 || PLAIN < places || LONG <= value {
            Self::exponent(exponent)
        } else {
            let mut short = Self::empty();
            for _ in 0..places {
                short.prepend(b'0' + (value % 10) as u8);
                value /= 10;
            }
            short.prepend(b'.');
            short
        };
        short.integer(value);
        if negative {
            short.prepend(b'-');
        }
        short
    }

    /// The text of an exponent, with the `e`.
    fn exponent(exponent: i64) -> Self {
        let mut short = Self::empty();
        short.integer(exponent.unsigned_abs());
        if exponent < 0 {
            short.prepend(b'-');
        }
        short.prepend(b'e');
        short
    }

    const fn empty() -> Self {
        let bytes = [0; 48];
        Self { at: bytes.len(), bytes }
    }

    #[inline(always)]
    fn integer(&mut self, mut value: u64) {
        loop {
            self.prepend(b'0' + (value % 10) as u8);
            value /= 10;
            if value == 0 {
                return;
            }
        }
    }

    #[inline(always)]
    const fn prepend(&mut self, byte: u8) {
        self.at -= 1;
        self.bytes[self.at] = byte;
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[self.at..]
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

//! Numbers, read from their text when asked for.

use std::fmt;

/// Powers of ten that a 64-bit float holds exactly.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// A number, as written.
///
/// No digit is lost: [`lexeme`](Self::lexeme) is the received text, and [`as_f64`](Self::as_f64) is
/// the float nearest to it, correctly rounded.
#[derive(Clone, Copy, Debug)]
pub struct Number<'a> {
    lexeme: &'a str,
    integer: bool,
}

impl<'a> Number<'a> {
    #[inline]
    pub(crate) const fn new(lexeme: &'a str, integer: bool) -> Self {
        Self { lexeme, integer }
    }

    /// The number's text.
    #[must_use]
    pub const fn lexeme(self) -> &'a str {
        self.lexeme
    }

    /// Whether it is written without fraction and exponent. (`1.0` and `1e2` are not.)
    #[must_use]
    pub const fn is_integer(self) -> bool {
        self.integer
    }

    /// Whether it starts with a minus sign.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.lexeme.as_bytes()[0] == b'-'
    }

    /// The value, if it is written as an integer and fits.
    #[must_use]
    #[inline]
    pub fn as_u64(self) -> Option<u64> {
        match self.lexeme.as_bytes() {
            digits if self.integer && digits.len() < 20 && digits[0] != b'-' => Some(decimal(digits)),
            _ if self.integer => self.lexeme.parse().ok(),
            _ => None,
        }
    }

    /// The value, if it is written as an integer and fits.
    #[must_use]
    #[inline]
    pub fn as_i64(self) -> Option<i64> {
        match self.lexeme.as_bytes() {
            [b'-', digits @ ..] if self.integer && digits.len() < 19 => Some(-(decimal(digits) as i64)),
            digits if self.integer && digits.len() < 19 && digits[0] != b'-' => Some(decimal(digits) as i64),
            _ if self.integer => self.lexeme.parse().ok(),
            _ => None,
        }
    }

    /// The value, if it is written as an integer and fits.
    #[must_use]
    pub fn as_i128(self) -> Option<i128> {
        if self.integer { self.lexeme.parse().ok() } else { None }
    }

    /// The value, if it is written as an integer and fits.
    #[must_use]
    pub fn as_u128(self) -> Option<u128> {
        if self.integer { self.lexeme.parse().ok() } else { None }
    }

    /// The nearest 64-bit float, correctly rounded.
    #[must_use]
    #[inline]
    pub fn as_f64(self) -> f64 {
        match exact(self.lexeme.as_bytes()) {
            Some(value) => value,
            // The guard admitted only what a 64-bit float can hold.
            None => self.lexeme.parse().unwrap_or(f64::NAN),
        }
    }
}

impl fmt::Display for Number<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.lexeme)
    }
}

/// The value of fewer than 20 digits.
#[inline]
fn decimal(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'))
}

/// The value where digits and power of ten are both exact floats, so that one operation rounds
/// once (Clinger, "How to Read Floating Point Numbers Accurately", 1990).
#[inline]
fn exact(lexeme: &[u8]) -> Option<f64> {
    let (negative, digits) = match lexeme {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    // 15 digits are below 2^53.
    if 16 < digits.len() {
        return None;
    }
    let mut mantissa = 0;
    let mut places = 0;
    let mut fraction = false;
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                mantissa = mantissa * 10 + u64::from(byte - b'0');
                places += usize::from(fraction);
            }
            b'.' => fraction = true,
            _ => return None,
        }
    }
    if 1 << 53 < mantissa {
        return None;
    }
    let value = mantissa as f64 / EXACT_POWERS[places];
    Some(if negative { -value } else { value })
}

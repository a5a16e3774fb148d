//! The tokens of JSON: each function checks one at the start of what is left, and says what is
//! left after it.

use crate::canonical::PLAIN;
use crate::index::{ESCAPED, INTEGER, VARIANT};
use crate::limits::Limits;
use crate::names::{self, RESERVED_START};
use crate::text::{self, finish, hash, mix, specials};
use crate::violation::{Violation, ViolationKind};

pub(crate) type Checked<T> = Result<T, Violation>;

pub(crate) const fn fault<T>(kind: ViolationKind, at: usize) -> Checked<T> {
    Err(Violation::new(kind, at))
}

/// Something else than `expected` is there, or nothing.
#[cold]
pub(crate) fn fault_at<T>(rest: &[u8], len: usize, expected: &'static str) -> Checked<T> {
    let kind = if rest.is_empty() { ViolationKind::UnexpectedEnd } else { ViolationKind::Expected(expected) };
    fault(kind, len - rest.len())
}

/// Skips white space.
#[inline(always)]
pub(crate) fn blank(rest: &[u8]) -> &[u8] {
    match rest.first() {
        Some(0..=b' ') => long_blank(rest),
        _ => rest,
    }
}

#[inline(never)]
fn long_blank(mut rest: &[u8]) -> &[u8] {
    loop {
        match rest {
            // Indentation.
            [b' ', b' ', b' ', b' ', b' ', b' ', b' ', b' ', tail @ ..] => rest = tail,
            [b' ' | b'\n' | b'\r' | b'\t', tail @ ..] => rest = tail,
            _ => return rest,
        }
    }
}

/// How much of a string is read eight bytes at a time.
const SHORT: usize = 64;

/// A string, its closing quote included.
pub(crate) struct Scanned<'a> {
    pub(crate) rest: &'a [u8],
    pub(crate) flags: u32,
    /// Of a name.
    pub(crate) hash: u32,
}

/// Checks a string whose opening quote is just before `rest`; hashes it if it is a `NAME`.
#[inline(always)]
pub(crate) fn string<'a, const NAME: bool>(bytes: &'a [u8], mut rest: &'a [u8]) -> Checked<Scanned<'a>> {
    let start = bytes.len() - rest.len();
    // Long strings go faster elsewhere.
    let floor = if NAME { 8 } else { rest.len().saturating_sub(SHORT).max(8) };
    let mut sum = 0;
    while floor <= rest.len()
        && let Some((chunk, tail)) = rest.split_first_chunk::<8>()
    {
        let word = u64::from_le_bytes(*chunk);
        let marks = specials(word);
        if marks == 0 {
            if NAME {
                if word == RESERVED_START {
                    break;
                }
                sum = mix(sum, word);
            }
            rest = tail;
            continue;
        }
        // The bits below the lowest mark's byte.
        let bits = marks.trailing_zeros() - 7;
        if (word >> bits) as u8 != b'"' {
            break;
        }
        let hash = if NAME { finish(mix(sum, word & !(u64::MAX << bits))) } else { 0 };
        return Ok(Scanned { rest: &rest[bits as usize / 8 + 1..], flags: 0, hash });
    }
    rough_string::<NAME>(bytes, start, bytes.len() - rest.len())
}

/// Checks the rest of a string that is long, may be reserved, or has an escape, a fault, or the end
/// of the text near `at`.
#[inline(never)]
fn rough_string<const NAME: bool>(bytes: &[u8], start: usize, mut at: usize) -> Checked<Scanned<'_>> {
    let mut flags = 0;
    // How much plain text came in a row.
    let mut plain = at - start;
    loop {
        if SHORT <= plain {
            at = skip_plain(bytes, at);
            plain = 0;
        }
        if let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
            let marks = specials(u64::from_le_bytes(*chunk));
            if marks == 0 {
                at += 8;
                plain += 8;
                continue;
            }
            plain = 0;
            at += marks.trailing_zeros() as usize / 8;
        }
        match bytes.get(at) {
            Some(b'"') => {
                let inner = &bytes[start..at];
                let hash = if NAME { name(inner, flags != 0, start)? } else { 0 };
                return Ok(Scanned { rest: &bytes[at + 1..], flags, hash });
            }
            Some(b'\\') => {
                flags = ESCAPED;
                at = escape(bytes, at)?;
            }
            Some(0..0x20) => return fault(ViolationKind::ControlCharacter, at),
            Some(_) => at += 1,
            None => return fault(ViolationKind::UnexpectedEnd, at),
        }
    }
}

/// The hash of a name that may be reserved, or have escapes.
fn name(inner: &[u8], escaped: bool, start: usize) -> Checked<u32> {
    let inner = str::from_utf8(inner).unwrap_or_default();
    let name = text::value(inner, escaped);
    if names::is_reserved(&name) {
        return fault(ViolationKind::ReservedName, start - 1);
    }
    Ok(hash(name.as_bytes()))
}

/// Skips blocks of text in which nothing is special. Written so that compilers vectorize it.
#[inline(always)]
fn skip_plain(bytes: &[u8], mut at: usize) -> usize {
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk::<32>) {
        let special = |byte: &u8| (*byte < 0x20) | (*byte == b'"') | (*byte == b'\\');
        if block.iter().fold(false, |any, byte| any | special(byte)) {
            break;
        }
        at += 32;
    }
    at
}

/// Checks the escape whose backslash is at `at`; says where it ends.
#[inline]
fn escape(bytes: &[u8], at: usize) -> Checked<usize> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => code_units(bytes, at),
        Some(_) => fault(ViolationKind::Expected("an escape"), at + 1),
        None => fault(ViolationKind::UnexpectedEnd, at + 1),
    }
}

/// Checks `\uXXXX`, or a pair of them that make up one character.
fn code_units(bytes: &[u8], at: usize) -> Checked<usize> {
    match hex(bytes, at + 2)? {
        0xd800..0xdc00 => {
            if bytes.get(at + 6..at + 8) != Some(b"\\u") {
                return fault(ViolationKind::LoneSurrogate, at);
            }
            match hex(bytes, at + 8)? {
                0xdc00..0xe000 => Ok(at + 12),
                _ => fault(ViolationKind::LoneSurrogate, at),
            }
        }
        0xdc00..0xe000 => fault(ViolationKind::LoneSurrogate, at),
        _ => Ok(at + 6),
    }
}

/// Reads four hexadecimal digits.
fn hex(bytes: &[u8], at: usize) -> Checked<u32> {
    let mut unit = 0;
    for at in at..at + 4 {
        let Some(&byte) = bytes.get(at) else { return fault(ViolationKind::UnexpectedEnd, at) };
        let Some(digit) = char::from(byte).to_digit(16) else {
            return fault(ViolationKind::Expected("four hexadecimal digits"), at);
        };
        unit = unit << 4 | digit;
    }
    Ok(unit)
}

/// Checks the number that `rest` starts with; says what the index keeps of its form.
#[inline(never)]
pub(crate) fn number<'a>(bytes: &[u8], rest: &'a [u8], limits: &Limits) -> Checked<(&'a [u8], u32)> {
    let whole = match rest {
        [b'-', tail @ ..] => tail,
        _ => rest,
    };
    let mut tail = match whole {
        [b'0', tail @ ..] => tail,
        [b'1'..=b'9', tail @ ..] => digits(tail),
        _ => return no_digit(bytes, whole),
    };
    let integer = !matches!(tail, [b'.' | b'e' | b'E', ..]);
    let mut exponent = false;
    if !integer {
        (tail, exponent) = fraction(bytes, tail)?;
    }
    let len = rest.len() - tail.len();
    if usize::from(limits.number_len) < len {
        return fault(ViolationKind::NumberTooLong { limit: limits.number_len }, bytes.len() - rest.len());
    }
    // Without an exponent it takes more than 308 digits to leave the range of a float.
    if exponent || 308 < len {
        finite(bytes, rest, len)?;
    }
    let flags = match rest[len - 1] {
        _ if integer => INTEGER,
        // Few digits, and no zero at their end: there is no other way to write this without an exponent.
        b'1'..=b'9' if !exponent && whole.len() - tail.len() <= PLAIN => 0,
        _ => VARIANT,
    };
    Ok((tail, flags))
}

/// Checks a fraction or an exponent or both; says whether there is an exponent.
fn fraction<'a>(bytes: &[u8], mut rest: &'a [u8]) -> Checked<(&'a [u8], bool)> {
    if let [b'.', tail @ ..] = rest {
        rest = some_digits(bytes, tail)?;
    }
    match rest {
        [b'e' | b'E', b'+' | b'-', tail @ ..] | [b'e' | b'E', tail @ ..] => {
            Ok((some_digits(bytes, tail)?, true))
        }
        _ => Ok((rest, false)),
    }
}

#[inline(always)]
fn some_digits<'a>(bytes: &[u8], rest: &'a [u8]) -> Checked<&'a [u8]> {
    match rest {
        [b'0'..=b'9', tail @ ..] => Ok(digits(tail)),
        _ => no_digit(bytes, rest),
    }
}

#[inline(always)]
fn digits(mut rest: &[u8]) -> &[u8] {
    while let Some((chunk, tail)) = rest.split_first_chunk::<8>() {
        let digits = text::leading_digits(u64::from_le_bytes(*chunk));
        if digits < 8 {
            return &rest[digits..];
        }
        rest = tail;
    }
    while let [b'0'..=b'9', tail @ ..] = rest {
        rest = tail;
    }
    rest
}

#[cold]
fn no_digit<T>(bytes: &[u8], rest: &[u8]) -> Checked<T> {
    let kind =
        if rest.is_empty() { ViolationKind::UnexpectedEnd } else { ViolationKind::Expected("a digit") };
    fault(kind, bytes.len() - rest.len())
}

/// Refuses a numeral, the first `len` bytes of `rest`, that a 64-bit float cannot hold.
#[cold]
fn finite(bytes: &[u8], rest: &[u8], len: usize) -> Checked<()> {
    let value = str::from_utf8(&rest[..len]).ok().and_then(|numeral| numeral.parse::<f64>().ok());
    match value {
        Some(value) if value.is_finite() => Ok(()),
        _ => fault(ViolationKind::NumberNotFinite, bytes.len() - rest.len()),
    }
}

/// Checks that `rest` starts with `word`.
#[inline(always)]
pub(crate) fn literal<'a, const N: usize>(bytes: &[u8], rest: &'a [u8], word: &[u8; N]) -> Checked<&'a [u8]> {
    match rest.split_first_chunk::<N>() {
        Some((found, tail)) if found == word => Ok(tail),
        _ => fault(ViolationKind::Expected("a value"), bytes.len() - rest.len()),
    }
}

//! Strings of a checked text: unescaping, and the hash that member names are compared by.

use std::borrow::Cow;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Marks, by the high bit of the byte, where `word` (little-endian text) may hold a quote, a
/// backslash or a control character. The lowest mark is exact; marks above it may be false.
#[inline]
pub(crate) const fn specials(word: u64) -> u64 {
    // Flipping bit 1 moves the quote to 0x20, just above the control characters, which stay below.
    let control_or_quote = (word ^ (ONES * 2)).wrapping_sub(ONES * 0x21);
    let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    (control_or_quote | backslash) & !word & HIGH
}

/// How many of the bytes of `word` (little-endian text) are digits before the first that is none.
#[inline]
pub(crate) const fn leading_digits(word: u64) -> usize {
    // 0x30 to 0x39 become 0 to 9, and whatever else is above, in the byte itself or in those after it.
    let values = word ^ (ONES * b'0' as u64);
    let others = (values | values.wrapping_add(ONES * 0x76)) & HIGH;
    others.trailing_zeros() as usize / 8
}

/// Adds eight bytes of a name to its hash.
#[inline]
pub(crate) const fn mix(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Takes the well-mixed half of a hash.
#[inline]
pub(crate) const fn finish(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// The hash of an unescaped name. It only filters: equal hashes are followed by a comparison.
pub(crate) fn hash(name: &[u8]) -> u32 {
    let (words, tail) = name.as_chunks::<8>();
    let hash = words.iter().fold(0, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..tail.len()].copy_from_slice(tail);
    finish(mix(hash, u64::from_le_bytes(last)))
}

/// Resolves the escapes of `inner`, the checked text between a string's quotes.
pub(crate) fn unescape(inner: &str) -> String {
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = backslash(rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let escape = &rest[at + 1..];
        rest = match escape.as_bytes() {
            [b'u', ..] => {
                let (c, after) = code_point(escape);
                out.push(c);
                after
            }
            [byte, ..] => {
                out.push(char::from(match byte {
                    b'b' => 8,
                    b'f' => 12,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    // A quote, a backslash or a slash stands for itself; the guard let nothing else by.
                    byte => *byte,
                }));
                &escape[1..]
            }
            [] => "",
        };
    }
    out.push_str(rest);
    out
}

/// Where the first backslash is.
#[inline]
fn backslash(text: &[u8]) -> Option<usize> {
    let (words, tail) = text.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word) ^ (ONES * b'\\' as u64);
        let marks = word.wrapping_sub(ONES) & !word & HIGH;
        if marks != 0 {
            return Some(at * 8 + marks.trailing_zeros() as usize / 8);
        }
    }
    tail.iter().position(|byte| *byte == b'\\').map(|at| words.len() * 8 + at)
}

/// Reads `uXXXX` or `uXXXX\uXXXX` at the start of `escape`; says what follows.
fn code_point(escape: &str) -> (char, &str) {
    let unit = |at: usize| escape.get(at..at + 4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    match unit(1) {
        Some(high @ 0xd800..0xdc00) => {
            let low = unit(7).unwrap_or(0xdc00);
            let scalar = 0x1_0000 + ((high - 0xd800) << 10) + (low & 0x3ff);
            (char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER), escape.get(11..).unwrap_or(""))
        }
        Some(scalar) => (char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER), &escape[5..]),
        None => (char::REPLACEMENT_CHARACTER, ""),
    }
}

/// The value of a string's `inner` text, the text between its quotes.
#[inline]
pub(crate) fn value(inner: &str, escaped: bool) -> Cow<'_, str> {
    if escaped { Cow::Owned(unescape(inner)) } else { Cow::Borrowed(inner) }
}

/// The text with each escape of half a surrogate pair replaced by that of U+FFFD, which is as long. Nothing else
/// changes, whatever the text is.
pub(crate) fn whole_surrogates(text: &[u8]) -> Vec<u8> {
    let mut out = text.to_vec();
    let unit = |at: usize| {
        let [b'\\', b'u', digits @ ..] = text.get(at..at + 6)? else { return None };
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == b'\\')) {
        at += found;
        match (unit(at), unit(at + 6)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => at += 12,
            (Some(0xd800..0xe000), _) => {
                out[at..at + 6].copy_from_slice(br"\ufffd");
                at += 6;
            }
            // Two bytes of any other escape; the digits after a `u` hold no backslash.
            _ => at += 2,
        }
    }
    out
}

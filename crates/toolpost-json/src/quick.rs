//! What programs write, taken in straight pieces: short names, short strings, short numbers and literals.
//!
//! A piece takes what is surely right, and `None` says nothing about the text: the [tokens](crate::scan) decide.
//! So each holds little enough to stay in registers, which is most of what makes the guard fast.

use crate::index::{INTEGER, Kind, TRUE, VARIANT};
use crate::names;
use crate::scan;
use crate::text::{self, finish, mix, specials};

const TRUTH: u32 = u32::from_le_bytes(*b"true");
const FALSEHOOD: u32 = u32::from_le_bytes(*b"fals");
const NULL: u32 = u32::from_le_bytes(*b"null");

/// Takes a piece, from behind white space if there is any.
#[inline(always)]
pub(crate) fn after_blanks<'t, T>(rest: &mut &'t [u8], take: impl Fn(&'t [u8]) -> Option<T>) -> Option<T> {
    loop {
        let piece = take(rest);
        if piece.is_some() {
            return piece;
        }
        let tail = scan::blank(rest);
        if tail.len() == rest.len() {
            return None;
        }
        *rest = tail;
    }
}

/// The name of a member and the colon after it: where they end, what is left after them, and the hash of the name.
#[inline(always)]
pub(crate) fn name(rest: &[u8]) -> Option<(usize, &[u8], u32)> {
    let start = rest.first_chunk::<11>()?;
    if start[0] != b'"' {
        return None;
    }
    let word = u64::from_le_bytes(*start[1..].first_chunk()?);
    let marks = specials(word);
    if marks == 0 {
        let long = long_name(rest, word);
        let end = (long >> 32) as usize;
        return if long == 0 { None } else { Some((end, rest.get(end..)?, long as u32)) };
    }
    let len = marks.trailing_zeros() as usize / 8;
    if start[len + 1..len + 3] != *b"\":" {
        return None;
    }
    Some((len + 3, &rest[len + 3..], finish(mix(0, before(marks, word)))))
}

/// The bytes of `word` before the first of `marks`.
#[inline(always)]
const fn before(marks: u64, word: u64) -> u64 {
    word & (marks ^ (marks - 1)) >> 8
}

/// The same for a name that starts with the eight bytes of `word`: where it ends, above its hash; zero for `None`.
///
/// One number, for a result that goes through memory costs the short names too.
#[inline(never)]
fn long_name(text: &[u8], mut word: u64) -> u64 {
    let mut rest = &text[1..];
    let mut sum = 0;
    while word != names::RESERVED_START {
        sum = mix(sum, word);
        rest = &rest[8..];
        let Some(start) = rest.first_chunk::<10>() else { break };
        word = u64::from_le_bytes(*start.first_chunk().unwrap_or(&[0; 8]));
        let marks = specials(word);
        if marks == 0 {
            continue;
        }
        let len = marks.trailing_zeros() as usize / 8;
        if start[len..len + 2] != *b"\":" {
            break;
        }
        let end = text.len() - rest.len() + len + 2;
        return (end as u64) << 32 | u64::from(finish(mix(sum, before(marks, word))));
    }
    0
}

/// A string, a number of up to `number_len` bytes, or a literal: where it ends, and what the index keeps of it.
#[inline(always)]
pub(crate) fn scalar(rest: &[u8], number_len: usize) -> Option<(usize, u32)> {
    let start = rest.first_chunk::<9>()?;
    let word = u64::from_le_bytes(*start.first_chunk()?);
    if word as u8 == b'"' {
        let marks = specials(u64::from_le_bytes(*start.last_chunk()?));
        if marks == 0 {
            return Some((long_string(rest)?, Kind::String as u32));
        }
        let len = marks.trailing_zeros() as usize / 8;
        return if start[len + 1] == b'"' { Some((len + 2, Kind::String as u32)) } else { None };
    }
    if (word as u8).is_ascii_digit() {
        let digits = text::leading_digits(word);
        // A zero stands first only alone.
        if number_len < digits || word as u8 == b'0' && digits != 1 {
            return None;
        }
        return match start[digits] {
            b',' | b'}' | b']' => Some((digits, Kind::Number as u32 | INTEGER)),
            b'.' => fraction(rest, digits + 1, number_len),
            _ => None,
        };
    }
    match word as u32 {
        TRUTH => Some((4, Kind::Bool as u32 | TRUE)),
        FALSEHOOD if start[4] == b'e' => Some((5, Kind::Bool as u32)),
        NULL => Some((4, Kind::Null as u32)),
        _ => None,
    }
}

/// The rest of a number whose point ends at `start`.
#[inline(always)]
fn fraction(rest: &[u8], start: usize, number_len: usize) -> Option<(usize, u32)> {
    let chunk = rest.get(start..)?.first_chunk::<8>()?;
    let digits = text::leading_digits(u64::from_le_bytes(*chunk));
    let last = *chunk.get(digits.checked_sub(1)?)?;
    if !matches!(chunk.get(digits), Some(b',' | b'}' | b']')) || number_len < start + digits {
        return None;
    }
    Some((start + digits, Kind::Number as u32 | if last == b'0' { VARIANT } else { 0 }))
}

/// Where the string ends of which nine bytes are read.
#[inline(always)]
fn long_string(rest: &[u8]) -> Option<usize> {
    let mut end = 9;
    // Longer ones go faster elsewhere.
    for chunk in rest.get(end..)?.as_chunks::<8>().0.iter().take(7) {
        let marks = specials(u64::from_le_bytes(*chunk));
        if marks != 0 {
            let len = marks.trailing_zeros() as usize / 8;
            return if *rest.get(end + len)? == b'"' { Some(end + len + 1) } else { None };
        }
        end += 8;
    }
    None
}

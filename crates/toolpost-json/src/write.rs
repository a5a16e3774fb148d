//! Writing JSON into a buffer: strings and encoded values, without a document in between.

use serde::Serialize;

use crate::text::specials;

/// Writes `text` as a JSON string.
#[inline]
pub fn string(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let plain = plain(rest);
        out.extend_from_slice(&rest[..plain]);
        let Some((&special, after)) = rest[plain..].split_first() else { break };
        escape(out, special);
        rest = after;
    }
    out.push(b'"');
}

/// Writes `value` as JSON.
///
/// # Errors
///
/// When `value` refuses to be encoded; `out` is then as it was.
pub fn value(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> Result<(), serde_json::Error> {
    let before = out.len();
    serde_json::to_writer(&mut *out, value).inspect_err(|_| out.truncate(before))
}

/// How many bytes stand before the first that needs an escape.
#[inline]
fn plain(text: &[u8]) -> usize {
    let (words, tail) = text.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let marks = specials(u64::from_le_bytes(*word));
        if marks != 0 {
            return at * 8 + marks.trailing_zeros() as usize / 8;
        }
    }
    let special = tail.iter().position(|byte| matches!(byte, 0..0x20 | b'"' | b'\\'));
    text.len() - tail.len() + special.unwrap_or(tail.len())
}

#[cold]
fn escape(out: &mut Vec<u8>, special: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match special {
        b'"' | b'\\' => special,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[usize::from(special >> 4)], HEX[usize::from(special & 15)]]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

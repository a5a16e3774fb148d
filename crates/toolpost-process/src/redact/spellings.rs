//! The spellings of a value that are looked for as they are; what else there is, is decoded (see `decode`).

use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// How a value is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Alphabet {
    Base64,
    Hex,
    Plain,
}

/// Every spelling of `value`, as long ones and none twice.
pub(super) fn of(value: &str) -> Vec<(Vec<u8>, Alphabet)> {
    let mut all = vec![(value.as_bytes().to_vec(), Alphabet::Plain)];
    // Read by lines, a value of several lines is never seen as a whole; and joined, it has none.
    if value.contains('\n') {
        let lines = value.lines().map(str::trim).filter(|line| crate::Redactor::SHORTEST <= line.len());
        all.extend(lines.map(|line| (line.as_bytes().to_vec(), Alphabet::Plain)));
        let joined: Vec<u8> = value.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
        all.push((joined, Alphabet::Plain));
    }
    // As a form has it.
    if value.contains(' ') {
        all.push((value.replace(' ', "+").into_bytes(), Alphabet::Plain));
    }
    // A mask is never looked into, so what stands around one in the value has to do.
    if value.contains(super::MASK) {
        let parts = value.split(super::MASK).filter(|part| 4 <= part.len());
        all.extend(parts.map(|part| (part.as_bytes().to_vec(), Alphabet::Plain)));
    }
    for shift in 0..3 {
        all.push((base64(value, shift, &STANDARD_NO_PAD), Alphabet::Base64));
        all.push((base64(value, shift, &URL_SAFE_NO_PAD), Alphabet::Base64));
    }
    let hex = |digits: &[u8; 16]| {
        let nibbles = value.bytes().flat_map(|byte| [byte >> 4, byte & 15]);
        nibbles.map(|nibble| digits[usize::from(nibble)]).collect::<Vec<u8>>()
    };
    all.push((hex(b"0123456789abcdef"), Alphabet::Hex));
    all.push((hex(b"0123456789ABCDEF"), Alphabet::Hex));
    let mut seen = std::collections::HashSet::new();
    all.retain(|(spelling, _)| 4 <= spelling.len() && seen.insert(spelling.clone()));
    all
}

/// The characters of base64 that depend on the value alone, if it stands `shift` bytes after a multiple of three.
fn base64(value: &str, shift: usize, engine: &impl base64::Engine) -> Vec<u8> {
    let mut bytes = vec![0; shift];
    bytes.extend_from_slice(value.as_bytes());
    let whole = bytes.len() / 3 * 4 + bytes.len() % 3;
    let encoded = engine.encode(&bytes);
    // The characters that bits of what stands before are in: none, 2, 3.
    let before = [0, 2, 3][shift];
    encoded.as_bytes()[before..whole.min(encoded.len())].to_vec()
}

//! Reads a text as it would be after decoding, byte by byte, without holding more than a few of them.

use std::collections::VecDeque;

use super::MASK;

/// One decoded byte, and the part of the text that it comes from; or a place that nothing goes over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unit {
    Byte { byte: u8, start: usize, end: usize },
    Wall,
}

/// The bytes of a text as they are. A mask is a wall.
pub(super) fn plain(text: &str) -> impl Iterator<Item = Unit> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let byte = *bytes.get(at)?;
        if byte == MASK.as_bytes()[0] && bytes[at..].starts_with(MASK.as_bytes()) {
            at += MASK.len();
            return Some(Unit::Wall);
        }
        at += 1;
        Some(Unit::Byte { byte, start: at - 1, end: at })
    })
}

/// What a byte, or several, stand for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    /// `\n`, `\"`, `\u00e9`, `\xe9`: JSON, C, Python.
    Escapes,
    /// A backslash is nothing, and what comes after it itself: a shell.
    Quoted,
    /// Line breaks are nothing.
    Joined,
    /// `%C3%A9`.
    Percent,
}

/// Decodes by `rule`.
pub(super) fn decoded<I: Iterator<Item = Unit>>(inner: I, rule: Rule) -> Decoded<I> {
    Decoded { inner, rule, ahead: VecDeque::new(), ready: VecDeque::new() }
}

pub(super) struct Decoded<I> {
    inner: I,
    rule: Rule,
    ahead: VecDeque<Unit>,
    ready: VecDeque<Unit>,
}

impl<I: Iterator<Item = Unit>> Decoded<I> {
    fn peek(&mut self, at: usize) -> Option<Unit> {
        while self.ahead.len() <= at {
            let next = self.inner.next()?;
            self.ahead.push_back(next);
        }
        self.ahead.get(at).copied()
    }

    fn byte(&mut self, at: usize) -> Option<u8> {
        match self.peek(at)? {
            Unit::Byte { byte, .. } => Some(byte),
            Unit::Wall => None,
        }
    }

    /// The number that `digits` bytes from `at` on spell in hexadecimal.
    fn hex(&mut self, at: usize, digits: usize) -> Option<u32> {
        let mut number = 0;
        for at in at..at + digits {
            number = number * 16 + char::from(self.byte(at)?).to_digit(16)?;
        }
        Some(number)
    }

    /// Puts `bytes` in place of the next `units`.
    fn take(&mut self, units: usize, bytes: &[u8]) {
        let taken: Vec<Unit> = self.ahead.drain(..units).collect();
        let (Some(Unit::Byte { start, .. }), Some(Unit::Byte { end, .. })) = (taken.first(), taken.last())
        else {
            return;
        };
        self.ready.extend(bytes.iter().map(|&byte| Unit::Byte { byte, start: *start, end: *end }));
    }

    fn escape(&mut self) {
        let Some(kind) = self.byte(1) else { return self.take(1, b"\\") };
        let plain = match kind {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 8,
            b'f' => 12,
            b'u' => return self.unicode(),
            b'x' => match self.hex(2, 2) {
                Some(byte) => return self.take(4, &[byte as u8]),
                None => b'x',
            },
            other => other,
        };
        self.take(2, &[plain]);
    }

    fn unicode(&mut self) {
        let Some(first) = self.hex(2, 4) else { return self.take(2, b"u") };
        let mut utf8 = [0; 4];
        if let Some(one) = char::from_u32(first) {
            return self.take(6, one.encode_utf8(&mut utf8).as_bytes());
        }
        let second = match (self.byte(6), self.byte(7)) {
            (Some(b'\\'), Some(b'u')) => self.hex(8, 4),
            _ => None,
        };
        let pair = second.and_then(|second| {
            let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
            char::from_u32(0x1_0000 + (first.checked_sub(0xd800)? << 10) + low)
        });
        match pair {
            Some(one) => self.take(12, one.encode_utf8(&mut utf8).as_bytes()),
            None => self.take(6, b"?"),
        }
    }
}

impl<I: Iterator<Item = Unit>> Iterator for Decoded<I> {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Some(ready);
            }
            let next = self.peek(0)?;
            let Unit::Byte { byte, .. } = next else { return self.ahead.pop_front() };
            match (self.rule, byte) {
                (Rule::Escapes, b'\\') => self.escape(),
                (Rule::Quoted, b'\\') => match self.byte(1) {
                    Some(quoted) => self.take(2, &[quoted]),
                    None => return self.ahead.pop_front(),
                },
                (Rule::Percent, b'%') => match self.hex(1, 2) {
                    Some(byte) => self.take(3, &[byte as u8]),
                    None => return self.ahead.pop_front(),
                },
                (Rule::Joined, b'\n' | b'\r') => drop(self.ahead.pop_front()),
                _ => return self.ahead.pop_front(),
            }
        }
    }
}

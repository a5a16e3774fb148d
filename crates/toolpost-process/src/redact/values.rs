//! Finds known values, in every spelling, in one walk over a text for each way to read it.

use std::collections::HashSet;

use aho_corasick::Anchored;
use aho_corasick::automaton::Automaton as _;
use aho_corasick::nfa::contiguous::NFA;

use super::Span;
use super::decode::{Rule, Unit, decoded, plain};
use super::spellings::{self, Alphabet};

/// A spelling longer than this is also found by parts.
const WHOLE_MAX: usize = 32;

/// The length of a part, and from one part to the next.
const PART: usize = 16;
const STRIDE: usize = 8;

/// The shortest beginning of a value that is taken for it at the end of a text that was cut.
const BEGUN_MIN: usize = 4;

/// What stands for a character that was cut through.
const CUT: char = char::REPLACEMENT_CHARACTER;

/// What is looked for.
#[derive(Default)]
pub(super) struct Values {
    count: usize,
    spellings: Vec<(Vec<u8>, Alphabet)>,
    /// Of each pattern: its spelling, and where in it the pattern begins.
    patterns: Vec<(usize, usize)>,
    finder: Option<NFA>,
    longest: usize,
}

impl Values {
    pub(super) fn of(values: &[&str]) -> Self {
        let mut seen = HashSet::new();
        let spellings: Vec<(Vec<u8>, Alphabet)> = values
            .iter()
            .flat_map(|value| spellings::of(value))
            .filter(|(spelling, _)| seen.insert(spelling.clone()))
            .collect();
        let mut patterns = Vec::new();
        let mut texts: Vec<&[u8]> = Vec::new();
        let mut taken = HashSet::new();
        for (at, (spelling, _)) in spellings.iter().enumerate() {
            let parts = match spelling.len() {
                0..=WHOLE_MAX => 0..0,
                long => 0..long - PART + 1,
            };
            let parts = parts.step_by(STRIDE).map(|start| (start, &spelling[start..start + PART]));
            for (start, part) in std::iter::once((0, &**spelling)).chain(parts) {
                // One that repeats itself has the same part many times.
                if taken.insert(part) {
                    patterns.push((at, start));
                    texts.push(part);
                }
            }
        }
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        // Bounded by the bytes of the values, far below what an automaton can have.
        let finder = (!texts.is_empty()).then(|| NFA::new(&texts).ok()).flatten();
        Self { count: values.len(), spellings, patterns, finder, longest }
    }

    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// Where values are.
    pub(super) fn spans(&self, text: &str) -> Vec<Span> {
        let mut found = Vec::new();
        let Some(finder) = &self.finder else { return found };
        let mut look = |units: &mut dyn Iterator<Item = Unit>| self.look(finder, text, units, &mut found);
        let has = |byte: u8| memchr::memchr(byte, text.as_bytes()).is_some();
        look(&mut plain(text));
        if has(b'\n') || has(b'\r') {
            look(&mut decoded(plain(text), Rule::Joined));
        }
        if has(b'\\') {
            let once = || decoded(plain(text), Rule::Escapes);
            look(&mut once());
            look(&mut decoded(plain(text), Rule::Quoted));
            look(&mut decoded(once(), Rule::Joined));
            look(&mut decoded(once(), Rule::Escapes));
            if has(b'%') {
                look(&mut decoded(once(), Rule::Percent));
            }
        }
        if has(b'%') {
            let once = || decoded(plain(text), Rule::Percent);
            look(&mut once());
            look(&mut decoded(once(), Rule::Percent));
            look(&mut decoded(once(), Rule::Escapes));
        }
        found
    }

    fn look(&self, finder: &NFA, text: &str, units: &mut dyn Iterator<Item = Unit>, found: &mut Vec<Span>) {
        let Ok(start) = finder.start_state(Anchored::No) else { return };
        let mut state = start;
        // Where the last bytes began.
        let mut begins = vec![0; self.longest];
        let mut count = 0;
        for unit in units {
            let Unit::Byte { byte, start: began, end } = unit else {
                state = start;
                count = 0;
                continue;
            };
            begins[count % self.longest] = began;
            count += 1;
            state = finder.next_state(Anchored::No, state, byte);
            if !finder.is_match(state) {
                continue;
            }
            for at in 0..finder.match_len(state) {
                let pattern = finder.match_pattern(state, at);
                let length = finder.pattern_len(pattern);
                let from = begins[(count - length) % self.longest];
                if found.last().is_none_or(|last| from < last.start || last.end < end) {
                    found.push(self.widened(text, self.patterns[pattern.as_usize()], length, from, end));
                }
            }
        }
    }

    /// The part of the text that a match stands for: of a part of a value, as much of the value as is there; of base64,
    /// the characters at its ends that the value has a share in.
    fn widened(&self, text: &str, pattern: (usize, usize), length: usize, start: usize, end: usize) -> Span {
        let bytes = text.as_bytes();
        let (spelling, alphabet) = &self.spellings[pattern.0];
        let (mut start, mut end) = (start, end);
        if length < spelling.len() {
            let before = spelling[..pattern.1].iter().rev().take(STRIDE);
            let same =
                bytes[..start].iter().rev().zip(before).take_while(|(one, other)| one == other).count();
            start -= same;
            let after = &spelling[pattern.1 + length..];
            end += bytes[end..].iter().zip(after).take_while(|(one, other)| one == other).count();
        }
        if *alphabet == Alphabet::Base64 {
            let within = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(byte);
            start -= bytes[..start].iter().rev().take(2).take_while(within).count();
            end += bytes[end..].iter().take(4).take_while(within).count();
        }
        Span::plain(start, end)
    }

    /// The beginning of a value at the end of the text, and of the character that was cut through there.
    pub(super) fn begun(&self, text: &str) -> Option<Span> {
        let bytes = text.trim_end_matches(CUT).as_bytes();
        let longest = self.spellings.iter().map(|(spelling, _)| suffix_that_begins(bytes, spelling)).max()?;
        (BEGUN_MIN <= longest).then(|| Span::plain(bytes.len() - longest, text.len()))
    }

    /// The end of a value at the beginning of the text, and of the character that was cut through there.
    pub(super) fn ended(&self, text: &str) -> Option<Span> {
        let whole = text.trim_start_matches(CUT);
        let reversed = |bytes: &[u8]| bytes.iter().rev().copied().collect::<Vec<u8>>();
        let longest = self.spellings.iter().map(|(spelling, _)| {
            let begins = reversed(&whole.as_bytes()[..spelling.len().min(whole.len())]);
            suffix_that_begins(&begins, &reversed(spelling))
        });
        let longest = longest.max().filter(|longest| BEGUN_MIN <= *longest)?;
        Some(Span::plain(0, text.len() - whole.len() + longest))
    }
}

/// The length of the longest suffix of `text` that `pattern` begins with (Knuth, Morris and Pratt).
fn suffix_that_begins(text: &[u8], pattern: &[u8]) -> usize {
    let mut borders = vec![0; pattern.len()];
    let mut length = 0;
    for at in 1..pattern.len() {
        while 0 < length && pattern[at] != pattern[length] {
            length = borders[length - 1];
        }
        length += usize::from(pattern[at] == pattern[length]);
        borders[at] = length;
    }
    let mut length = 0;
    for &byte in &text[text.len().saturating_sub(pattern.len())..] {
        while 0 < length && (length == pattern.len() || byte != pattern[length]) {
            length = borders[length - 1];
        }
        length += usize::from(byte == pattern[length]);
    }
    length
}

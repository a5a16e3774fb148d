//! Finds what looks like a secret: by the name before it, or by the form around it. One walk over the text each.

use std::borrow::Cow;

use super::{MASK, Span};

/// What a name ends with, in lower case, or a part of one, if it names a secret.
const ENDINGS: [&str; 12] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "secretkey",
    "privatekey",
    "credential",
    "credentials",
];

/// Parts of a name that are whole words.
const WORDS: [&str; 9] =
    ["authorization", "connectionstring", "cookie", "dsn", "jwt", "passwords", "pwd", "secrets", "pgpass"];

/// What a `key` is of, if it is a secret.
const KEY_OF: [&str; 20] = [
    "access",
    "account",
    "api",
    "auth",
    "client",
    "deploy",
    "encryption",
    "function",
    "license",
    "master",
    "private",
    "secret",
    "service",
    "session",
    "shared",
    "signing",
    "ssh",
    "storage",
    "subscription",
    "webhook",
];

/// What a name says at its end if it names something about a secret, and no secret.
const ABOUT: [&str; 20] = [
    "budget", "count", "endpoint", "expires", "expiry", "file", "id", "length", "limit", "name", "path",
    "policy", "required", "size", "ttl", "type", "uri", "url", "usage", "version",
];

/// Names whose value is the rest of the line.
const LINES: [&str; 5] = ["authorization", "cookie", "passphrase", "proxy-authorization", "set-cookie"];

/// The longest name, in bytes: of a longer one the end is looked at.
const NAME_MAX: usize = 64;

/// The most spaces between a name, its separator and its value.
const SPACES_MAX: usize = 16;

/// The credentials of URLs: what stands between `://` and the last `@` of the authority.
pub(super) fn urls(text: &str) -> Vec<Span> {
    let bytes = text.as_bytes();
    let mut spans = Vec::new();
    let mut run_end = 0;
    let mut last_at = None;
    let mut from = 0;
    while let Some(found) = memchr::memmem::find(&bytes[from..], b"://") {
        let start = from + found + 3;
        from = start;
        if run_end < start {
            let run =
                bytes[start..].iter().position(|byte| byte.is_ascii_whitespace() || b"\"'`<>".contains(byte));
            run_end = run.map_or(bytes.len(), |run| start + run);
            last_at = memchr::memrchr(b'@', &bytes[start..run_end]).map(|at| start + at);
        }
        let end = bytes[start..run_end]
            .iter()
            .position(|byte| b"/?#".contains(byte))
            .map_or(run_end, |end| start + end);
        let authority = &bytes[start..end];
        let at = match memchr::memrchr(b'@', authority) {
            Some(at) => Some(start + at),
            // A password that has a `/`, and no port.
            None => match memchr::memchr(b':', authority) {
                Some(colon)
                    if !authority[colon + 1..].iter().all(u8::is_ascii_digit)
                        || colon + 1 == authority.len() =>
                {
                    last_at.filter(|at| start < *at)
                }
                _ => None,
            },
        };
        let Some(at) = at else { continue };
        if start < at && &text[start..at] != MASK && !is_reference(&text[start..at]) {
            spans.push(Span::plain(start, at));
        }
        from = at;
    }
    spans
}

/// What stands after `Bearer`.
pub(super) fn bearers(text: &str) -> Vec<Span> {
    const WORD: &[u8] = b"bearer";
    let bytes = text.as_bytes();
    let mut spans = Vec::new();
    let mut at = 0;
    while let Some(found) = memchr::memchr2(b'b', b'B', &bytes[at..]) {
        let start = at + found;
        at = start + 1;
        let alone = start == 0 || !bytes[start - 1].is_ascii_alphanumeric();
        if !alone || !bytes[start..].get(..WORD.len()).is_some_and(|word| word.eq_ignore_ascii_case(WORD)) {
            continue;
        }
        let after = start + WORD.len();
        let token = after + spaces(&bytes[after..]);
        let in_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
        let end = token + bytes[token..].iter().take_while(|byte| in_token(byte)).count();
        at = end.max(at);
        let prose = ["auth", "authentication", "authorization", "realm", "scheme", "token", "tokens"];
        let word = text[token..end].trim_end_matches(['.', '=']);
        if after < token && token < end && !prose.iter().any(|prose| word.eq_ignore_ascii_case(prose)) {
            spans.push(Span::plain(token, end));
        }
    }
    spans
}

/// The values of names that look like those of secrets.
pub(super) fn named(text: &str) -> Vec<Span> {
    let bytes = text.as_bytes();
    let mut spans = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !is_name(bytes[at]) {
            at += 1;
            continue;
        }
        let start = at;
        at += bytes[at..].iter().take_while(|byte| is_name(**byte)).count();
        let name = &text[start.max(at.saturating_sub(NAME_MAX))..at];
        let in_query = name == "key" && 0 < start && b"?&".contains(&bytes[start - 1]);
        if !in_query && !is_secret(name) {
            continue;
        }
        if let Some(span) = value(text, start, at) {
            at = span.end.max(at);
            let inner = &text[span.start..span.end];
            if span.start < span.end && inner != MASK && !is_reference(inner) {
                spans.push(span);
            }
        }
    }
    spans
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// `${DB_PASSWORD}`: where a secret comes from.
fn is_reference(value: &str) -> bool {
    let name = value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| !name.is_empty() && name.bytes().all(is_name))
}

/// Whether a value of this name is a secret, as far as the name says.
pub(in crate::redact) fn is_secret(name: &str) -> bool {
    let words = words(name);
    let Some(last) = words.last() else { return false };
    if ABOUT.contains(&&**last) {
        return false;
    }
    let pairs = words.windows(2).any(|pair| match [&*pair[0], &*pair[1]] {
        [of, "key" | "keys"] => KEY_OF.contains(&of),
        ["connection", "string"] => true,
        [_, "pass"] => true,
        _ => false,
    });
    pairs
        || words
            .iter()
            .any(|word| WORDS.contains(&&**word) || ENDINGS.iter().any(|ending| word.ends_with(ending)))
}

/// The words of a name, in lower case: `dbPassword`, `DB_PASSWORD` and `db.password` have the same.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        if !c.is_ascii_alphanumeric() || (was_lower && c.is_ascii_uppercase()) {
            words.push(String::new());
        }
        if c.is_ascii_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.push(c.to_ascii_lowercase());
        }
        was_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The value of the name from `start` to `end`; an empty span is none.
fn value(text: &str, start: usize, end: usize) -> Option<Span> {
    let bytes = text.as_bytes();
    let name = &text[start..end];
    if 0 < start && bytes[start - 1] == b'<' && bytes.get(end) == Some(&b'>') {
        let from = end + 1;
        let to = memchr::memchr(b'<', &bytes[from..]).map_or(bytes.len(), |to| from + to);
        return Some(Span::plain(from, to));
    }
    let name_quote = quote(&bytes[end..]);
    let mut at = end + name_quote.map_or(0, Quote::len);
    at += spaces(&bytes[at..]);
    let separator = match bytes.get(at..)? {
        [b':', b'=', ..] | [b'=', b'>' | b'=', ..] => 2,
        [b'=' | b':', ..] => 1,
        // `--password hunter2`
        [first, ..] if name.starts_with('-') && end < at && !b"-<[".contains(first) => 0,
        _ => return None,
    };
    at += separator;
    at += spaces(&bytes[at..]);
    let rest = &bytes[at..];
    // `b"..."`, as Python writes bytes.
    let prefix = rest.iter().take(2).take_while(|byte| byte.is_ascii_alphabetic()).count();
    if let Some(quote) = quote(&rest[prefix..]) {
        let from = at + prefix + quote.len();
        let to = from + quote.closing(&bytes[from..]);
        return Some(Span::plain(from, to));
    }
    if let (Some(quote), Some(first)) = (name_quote, rest.first()) {
        // A member of an object.
        let length = match first {
            b'[' if rest.starts_with(MASK.as_bytes()) => return None,
            b'{' | b'[' => nested(rest),
            _ => rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count(),
        };
        let to = at + length;
        let quote = if is_nothing(&text[at..to]) { return None } else { quote.text() };
        return Some(Span { start: at, end: to, quote });
    }
    let is_line = LINES.iter().any(|line| name.eq_ignore_ascii_case(line));
    let to = at + if is_line { line(rest) } else { unquoted(rest) };
    (!is_nothing(&text[at..to])).then(|| Span::plain(at, to))
}

fn is_nothing(value: &str) -> bool {
    ["", "null", "None", "nil", "undefined", "true", "false", "True", "False"].contains(&value)
}

fn spaces(bytes: &[u8]) -> usize {
    bytes.iter().take(SPACES_MAX).take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

/// A quote, after as many backslashes as it takes within strings within strings.
#[derive(Clone, Copy)]
struct Quote {
    backslashes: usize,
    mark: u8,
}

fn quote(bytes: &[u8]) -> Option<Quote> {
    let backslashes = bytes.iter().take(8).take_while(|byte| **byte == b'\\').count();
    match bytes.get(backslashes) {
        Some(mark @ (b'"' | b'\'')) => Some(Quote { backslashes, mark: *mark }),
        _ => None,
    }
}

impl Quote {
    const fn len(self) -> usize {
        self.backslashes + 1
    }

    fn text(self) -> Cow<'static, str> {
        let mut text = "\\".repeat(self.backslashes);
        text.push(char::from(self.mark));
        text.into()
    }

    /// How far it is to the quote that closes this one; to the end, if none does.
    fn closing(self, bytes: &[u8]) -> usize {
        let mut run = 0;
        for (at, byte) in bytes.iter().enumerate() {
            match *byte {
                b'\\' => run += 1,
                mark if mark == self.mark => {
                    // One more level of quoting doubles the backslashes, and adds one.
                    if run % (2 * (self.backslashes + 1)) == self.backslashes {
                        return at - self.backslashes;
                    }
                    run = 0;
                }
                _ => run = 0,
            }
        }
        bytes.len()
    }
}

/// The length of the list or object that `bytes` begin with.
fn nested(bytes: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            b'\\' | b'"' | b'\'' => {
                if let Some(quote) = quote(&bytes[at..]) {
                    let from = at + quote.len();
                    at = (from + quote.closing(&bytes[from..]) + quote.len()).min(bytes.len());
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// The rest of the line, or of the quotes that it stands in.
fn line(bytes: &[u8]) -> usize {
    let end = bytes.iter().take_while(|byte| !b"\r\n\"'`".contains(byte)).count();
    end - bytes[..end].iter().rev().take_while(|byte| **byte == b'\\').count()
}

/// The length of a value without quotes: to a space, or to what begins the next thing.
fn unquoted(bytes: &[u8]) -> usize {
    let mut at = 0;
    let mut opened = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'[' if bytes[at..].starts_with(MASK.as_bytes()) => {
                at += MASK.len();
                continue;
            }
            b'"' | b'\'' | b'`' | b'<' | b'>' => break,
            // What quotes the whole.
            b'\\' if quote(&bytes[at..]).is_some() => break,
            byte if byte.is_ascii_whitespace() => break,
            b',' | b';' | b'&' if begins_next(&bytes[at + 1..]) => break,
            b')' | b']' | b'}' if opened == 0 && ends_here(&bytes[at + 1..]) => break,
            b'(' | b'[' | b'{' => opened += 1,
            b')' | b']' | b'}' if 0 < opened => opened -= 1,
            _ => {}
        }
        at += 1;
    }
    at
}

/// Whether another `name=` follows, or nothing.
fn begins_next(bytes: &[u8]) -> bool {
    let name = bytes.iter().take(NAME_MAX).take_while(|byte| is_name(**byte)).count();
    match bytes.get(name) {
        None => name == 0,
        Some(b'=' | b':') => 0 < name,
        Some(next) => name == 0 && (next.is_ascii_whitespace() || b"\"'`".contains(next)),
    }
}

fn ends_here(bytes: &[u8]) -> bool {
    bytes.first().is_none_or(|next| next.is_ascii_whitespace() || b",;&\"'`<>)]}".contains(next))
}

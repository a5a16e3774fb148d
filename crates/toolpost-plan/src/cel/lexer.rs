//! From the text of an expression to its tokens.

use crate::path::shown;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'t> {
    Name(&'t str),
    /// Without its sign.
    Int(u64),
    Double(f64),
    Text(String),
    /// An operator or a bracket.
    Mark(&'static str),
    End,
}

impl Token<'_> {
    /// The token as it stands in an error.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Name(name) => format!("`{}`", shown(name)),
            Self::Int(number) => format!("`{number}`"),
            Self::Double(number) => format!("`{number}`"),
            Self::Text(_) => "a string".to_owned(),
            Self::Mark(mark) => format!("`{mark}`"),
            Self::End => "the end".to_owned(),
        }
    }
}

/// Longer marks first.
const MARKS: [&str; 24] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", ".", ",", "(", ")",
    "[", "]", "{", "}",
];

pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn next(&mut self) -> Result<Token<'t>, String> {
        let rest = self.text[self.at..].trim_start_matches([' ', '\t', '\n', '\r', '\u{c}']);
        self.at = self.text.len() - rest.len();
        let Some(&first) = rest.as_bytes().first() else { return Ok(Token::End) };
        match first {
            b'/' if rest.starts_with("//") => Err("comments cannot be read here".to_owned()),
            b'r' | b'R' if rest[1..].starts_with(['"', '\'']) => self.string(&rest[1..], 1, true),
            b'b' | b'B' if rest[1..].starts_with(['"', '\'']) => {
                Err("bytes cannot be read here: JSON has none".to_owned())
            }
            b'"' | b'\'' => self.string(rest, 0, false),
            b'0'..=b'9' => self.number(rest),
            b'.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => self.number(rest),
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                self.at += end;
                Ok(Token::Name(&rest[..end]))
            }
            _ => match MARKS.iter().find(|mark| rest.starts_with(**mark)) {
                Some(mark) => {
                    self.at += mark.len();
                    Ok(Token::Mark(mark))
                }
                None => Err(format!("`{}` is no part of an expression", rest.chars().next().unwrap_or(' '))),
            },
        }
    }

    fn number(&mut self, rest: &'t str) -> Result<Token<'t>, String> {
        let bytes = rest.as_bytes();
        let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
        let wrong = |end: usize| Err(format!("`{}` is no number that can be read", shown(&rest[..end])));
        if bytes[0] == b'0' && matches!(bytes.get(1), Some(b'x' | b'X')) {
            let end = 2 + bytes[2..].iter().take_while(|b| b.is_ascii_hexdigit()).count();
            self.at += end;
            return u64::from_str_radix(&rest[2..end], 16).map(Token::Int).or_else(|_| wrong(end));
        }
        let mut end = digits(0);
        let mut whole = true;
        if bytes.get(end) == Some(&b'.') && 0 < digits(end + 1) {
            end += 1 + digits(end + 1);
            whole = false;
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            if 0 < digits(end + 1 + sign) {
                end += 1 + sign + digits(end + 1 + sign);
                whole = false;
            }
        }
        if matches!(bytes.get(end), Some(b'u' | b'U')) {
            return Err("unsigned numbers cannot be read here: JSON has none".to_owned());
        }
        if bytes.get(end).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_') {
            return wrong(end + 1);
        }
        self.at += end;
        match whole {
            true => rest[..end].parse().map(Token::Int).or_else(|_| wrong(end)),
            false => match rest[..end].parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Token::Double(number)),
                _ => wrong(end),
            },
        }
    }

    /// A string that begins at `rest`, `before` bytes behind where the lexer stands.
    fn string(&mut self, rest: &'t str, before: usize, raw: bool) -> Result<Token<'t>, String> {
        let quote = rest.as_bytes()[0] as char;
        if rest[1..].starts_with([quote; 2].iter().collect::<String>().as_str()) {
            return Err("strings of three quotes cannot be read here".to_owned());
        }
        let mut text = String::new();
        let mut chars = rest[1..].char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.at += before + 1 + at + 1;
                    return Ok(Token::Text(text));
                }
                '\n' | '\r' => break,
                '\\' if !raw => text.push(escape(&mut chars)?),
                c => text.push(c),
            }
        }
        Err("a string has no end".to_owned())
    }
}

fn escape(chars: &mut std::str::CharIndices<'_>) -> Result<char, String> {
    let wrong = || "an escape in a string cannot be read".to_owned();
    let (_, c) = chars.next().ok_or_else(wrong)?;
    let digits = match c {
        'a' => return Ok('\u{7}'),
        'b' => return Ok('\u{8}'),
        'f' => return Ok('\u{c}'),
        'n' => return Ok('\n'),
        'r' => return Ok('\r'),
        't' => return Ok('\t'),
        'v' => return Ok('\u{b}'),
        '\\' | '\'' | '"' | '`' | '?' => return Ok(c),
        'x' | 'X' => 2,
        'u' => 4,
        'U' => 8,
        _ => return Err(wrong()),
    };
    let mut code = 0_u32;
    for _ in 0..digits {
        let digit = chars.next().and_then(|(_, c)| c.to_digit(16)).ok_or_else(wrong)?;
        code = code.checked_mul(16).ok_or_else(wrong)? + digit;
    }
    char::from_u32(code).ok_or_else(wrong)
}

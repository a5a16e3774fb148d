//! A JSON value with placeholders, found once.

use serde_json::Value;

/// A value, its placeholders apart from its text. Parameters are named by their own names.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    /// Without a placeholder.
    Plain(Value),
    /// A placeholder and nothing else: the value itself.
    Whole(String),
    /// Text around placeholders.
    Text(Text),
    List(Vec<Self>),
    /// The names of members may have placeholders too.
    Members(Vec<(Text, Self)>),
}

/// Text with placeholders.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Text {
    pub(super) pieces: Vec<Piece>,
    pub(super) within: Within,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    Literal(String),
    Parameter(String),
}

/// What a text is, which decides what a value becomes in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Within {
    /// For people or tools.
    Plain,
    /// An expression: a value is a literal.
    Expression,
    /// A JSON pointer: a value is one part, escaped.
    Pointer,
}

impl Text {
    /// Splits a text; `Err` says what is wrong with it.
    pub(super) fn parse(text: &str, within: Within) -> Result<Self, String> {
        let (mut pieces, mut literal, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find("${") {
            let (before, after) = (&rest[..at], &rest[at + 2..]);
            if let Some(before) = before.strip_suffix('$') {
                literal.push_str(before);
                literal.push_str("${");
                rest = after;
                continue;
            }
            literal.push_str(before);
            let name = after.find('}').map(|end| &after[..end]).filter(|name| is_name(name));
            let Some(name) = name else {
                let shown: String = after.chars().take(20).collect();
                return Err(format!(
                    "`${{{shown}` is no placeholder: write `${{name}}`, or `$${{` for the text itself"
                ));
            };
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Parameter(name.to_owned()));
            rest = &after[name.len() + 1..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        let text = Self { pieces, within };
        if within == Within::Expression {
            text.stands_outside_of_quotes()?;
        }
        Ok(text)
    }

    /// The one placeholder that it is.
    pub(super) fn whole(&self) -> Option<&str> {
        match &*self.pieces {
            [Piece::Parameter(name)] => Some(name),
            _ => None,
        }
    }

    /// The text itself, if it has no placeholder.
    pub(super) fn plain(&self) -> Option<&str> {
        match &*self.pieces {
            [] => Some(""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Parameter(name) => Some(name.as_str()),
            Piece::Literal(_) => None,
        })
    }

    /// In an expression a value brings its own quotes.
    fn stands_outside_of_quotes(&self) -> Result<(), String> {
        let mut quote = None;
        for piece in &self.pieces {
            match piece {
                Piece::Parameter(name) if quote.is_some() => {
                    return Err(format!(
                        "`${{{name}}}` stands within quotes; in an expression it is the value with its own, so leave them out"
                    ));
                }
                Piece::Parameter(_) => {}
                Piece::Literal(text) => {
                    let mut characters = text.chars();
                    while let Some(character) = characters.next() {
                        match (quote, character) {
                            (Some(_), '\\') => drop(characters.next()),
                            (Some(open), character) if open == character => quote = None,
                            (None, '\'' | '"') => quote = Some(character),
                            _ => {}
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether a parameter may be called so.
pub(super) fn is_name(name: &str) -> bool {
    let mut characters = name.bytes();
    let begins = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
    begins && name.len() <= 64 && characters.all(|other| other.is_ascii_alphanumeric() || other == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<Piece> {
        Text::parse(text, Within::Plain).unwrap().pieces
    }

    fn literal(text: &str) -> Piece {
        Piece::Literal(text.to_owned())
    }

    fn parameter(name: &str) -> Piece {
        Piece::Parameter(name.to_owned())
    }

    #[test]
    fn a_text_is_split_once() {
        assert_eq!(pieces("a ${b} c"), [literal("a "), parameter("b"), literal(" c")]);
        assert_eq!(pieces("${a}${b}"), [parameter("a"), parameter("b")]);
        assert_eq!(pieces("$${a} $5 {x} $"), [literal("${a} $5 {x} $")]);
        assert_eq!(pieces("$$${a}"), [literal("$${a}")]);
        assert_eq!(pieces(""), []);
    }

    #[test]
    fn what_is_no_placeholder_is_said() {
        for text in ["${", "${}", "${a", "${a b}", "${1}", "${a.b}"] {
            assert!(Text::parse(text, Within::Plain).unwrap_err().contains("$${"), "{text}");
        }
    }

    #[test]
    fn in_an_expression_a_placeholder_stands_outside_of_quotes() {
        assert!(Text::parse("a == ${b} && c == 'd'", Within::Expression).is_ok());
        assert!(Text::parse(r"a == 'it\'s' + ${b}", Within::Expression).is_ok());
        for text in ["a == '${b}'", "a == \"x ${b}\"", r"a == 'it\'s ${b}'"] {
            assert!(Text::parse(text, Within::Expression).unwrap_err().contains("quotes"), "{text}");
        }
    }
}

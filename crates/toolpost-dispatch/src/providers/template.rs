//! URI templates, as far as resources need them.

use std::collections::BTreeMap;

/// The variables of a template, by name, percent-decoded.
pub(crate) type Variables = BTreeMap<String, String>;

/// A URI template of level 1 of RFC 6570: literal text and `{name}`.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Literal(String),
    Variable(String),
}

impl Template {
    pub(crate) fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else { break };
            if !before.is_empty() {
                parts.push(Part::Literal(before.to_owned()));
            }
            parts.push(Part::Variable(name.to_owned()));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Self { parts }
    }

    /// The variables with which the template expands to `uri`, if it can. A variable is not empty and
    /// has no reserved character (RFC 3986) in it, as an expansion would have encoded them.
    pub(crate) fn matches(&self, uri: &str) -> Option<Variables> {
        let mut variables = Variables::default();
        let mut rest = uri;
        for part in &self.parts {
            match part {
                Part::Literal(text) => rest = rest.strip_prefix(text.as_str())?,
                Part::Variable(name) => {
                    let end = rest.find(|c| ":/?#[]@!$&'()*+,;=".contains(c)).unwrap_or(rest.len());
                    let (value, after) = rest.split_at(end);
                    if value.is_empty() {
                        return None;
                    }
                    variables.insert(name.clone(), decoded(value)?);
                    rest = after;
                }
            }
        }
        rest.is_empty().then_some(variables)
    }
}

fn decoded(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digit = |byte: Option<u8>| (byte? as char).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                bytes.push(u8::try_from(high * 16 + low).ok()?);
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_stop_at_reserved_characters() {
        let template = Template::parse("test://template/{id}/data");
        let id = |uri: &str| template.matches(uri).map(|v| v["id"].clone());
        assert_eq!(id("test://template/123/data").as_deref(), Some("123"));
        assert_eq!(id("test://template/a%2Fb/data").as_deref(), Some("a/b"));
        assert_eq!(id("test://template/a/b/data"), None);
        assert_eq!(id("test://template//data"), None);
        assert_eq!(id("test://template/1/data/more"), None);
        assert_eq!(id("test://template/%zz/data"), None);
        assert_eq!(id("test://template/%ff/data"), None, "not UTF-8");
    }
}

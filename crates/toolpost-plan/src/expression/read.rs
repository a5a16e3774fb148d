//! From the JSON of a document to an expression.

use std::borrow::Cow;

use toolpost_json::{Kind, Node};

use super::{Expression, Piece, Reference};
use crate::cel::Program;
use crate::path::Path;

/// What a value of a document is.
pub(crate) enum Special<'a> {
    /// Itself.
    Plain,
    Reference {
        pointer: Cow<'a, str>,
        default: Option<Node<'a>>,
    },
    Cel(Cow<'a, str>),
    Literal(Node<'a>),
    /// Something that looks like one of these, and is not; why.
    Wrong(String),
}

/// Resolves what stands in expressions, and keeps what is wrong with it.
pub(crate) trait Resolve {
    fn reference(&mut self, pointer: &str, default: Option<Node<'_>>, path: &Path<'_>) -> Option<Reference>;

    fn program(&mut self, text: &str, path: &Path<'_>) -> Option<Program>;

    fn wrong(&mut self, path: &Path<'_>, message: String);
}

/// Reads an expression. What is wrong in it is left out, and `resolve` knows of it.
pub(crate) fn read(node: Node<'_>, path: &Path<'_>, resolve: &mut dyn Resolve) -> Expression {
    let mut expression = Expression::default();
    if is_plain(node) {
        expression.pieces.push(Piece::Text(node.frame().text().slice_ref(node.raw())));
        return expression;
    }
    let mut text = Vec::with_capacity(64);
    piece(node, path, resolve, &mut expression, &mut text);
    expression.text(&mut text);
    expression
}

/// What kind of value this is.
pub(crate) fn special(node: Node<'_>) -> Special<'_> {
    let Some((key, value)) =
        node.members().find(|(key, _)| ["$ref", "$cel", "$literal"].iter().any(|k| key.is(k)))
    else {
        return Special::Plain;
    };
    let alone = |others: usize| node.len() == 1 + others;
    let name = key.name();
    match &*name {
        "$ref" => {
            let default = node.member("default");
            match value.as_str() {
                None => Special::Wrong("`$ref` takes a JSON Pointer, a string".to_owned()),
                Some(_) if !alone(usize::from(default.is_some())) => {
                    Special::Wrong("beside `$ref` there may be `default`, and nothing else".to_owned())
                }
                Some(pointer) => Special::Reference { pointer, default },
            }
        }
        "$cel" => match value.as_str() {
            Some(text) if alone(0) => Special::Cel(text),
            _ => Special::Wrong("`$cel` takes an expression, a string, and stands alone".to_owned()),
        },
        _ if alone(0) => Special::Literal(value),
        _ => Special::Wrong("`$literal` stands alone".to_owned()),
    }
}

/// Whether nothing in it can be special: nothing has a `$`, nor an escape that may be one.
fn is_plain(node: Node<'_>) -> bool {
    !node.raw().bytes().any(|byte| byte == b'$' || byte == b'\\')
}

fn piece(
    node: Node<'_>,
    path: &Path<'_>,
    resolve: &mut dyn Resolve,
    expression: &mut Expression,
    text: &mut Vec<u8>,
) {
    if is_plain(node) {
        return text.extend_from_slice(node.raw().as_bytes());
    }
    match special(node) {
        Special::Reference { pointer, default } => {
            if let Some(reference) = resolve.reference(&pointer, default, path) {
                expression.text(text);
                expression.pieces.push(Piece::Reference(reference));
            }
        }
        Special::Cel(source) => {
            if let Some(program) = resolve.program(&source, path) {
                expression.text(text);
                expression.pieces.push(Piece::Computed(program));
            }
        }
        Special::Literal(value) => text.extend_from_slice(value.raw().as_bytes()),
        Special::Wrong(why) => resolve.wrong(path, why),
        Special::Plain => match node.kind() {
            Kind::Object => {
                text.push(b'{');
                for (n, (key, value)) in node.members().enumerate() {
                    if 0 < n {
                        text.push(b',');
                    }
                    text.extend_from_slice(key.raw().as_bytes());
                    text.push(b':');
                    piece(value, &path.member(&key.name()), resolve, expression, text);
                }
                text.push(b'}');
            }
            Kind::Array => {
                text.push(b'[');
                for (n, item) in node.items().enumerate() {
                    if 0 < n {
                        text.push(b',');
                    }
                    piece(item, &path.item(n), resolve, expression, text);
                }
                text.push(b']');
            }
            _ => text.extend_from_slice(node.raw().as_bytes()),
        },
    }
}

impl Expression {
    /// Ends a piece of text, if there is any.
    fn text(&mut self, text: &mut Vec<u8>) {
        if !text.is_empty() {
            // Of pieces of text, joined by ASCII.
            let joined = std::str::from_utf8(text).unwrap_or_default();
            match self.pieces.is_empty() {
                true => self.pieces.push(Piece::Text(joined.into())),
                false => self.pieces.push(Piece::Between(joined.into())),
            }
            text.clear();
        }
    }
}

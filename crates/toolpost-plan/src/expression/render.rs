//! From an expression and what a run holds to a value.

use std::fmt;

use bytestring::ByteString;
use toolpost_json::Node;

use super::{Expression, Found, Lookup, Piece, Reference};
use crate::cel::Budget;
use crate::path::shown;
use crate::value::PlanValue;

/// What values that are put together may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) bytes: usize,
    pub(crate) cel_steps: u32,
}

/// Why a value cannot be put together.
#[derive(Clone, Debug)]
pub(crate) enum Unrendered {
    /// A reference leads to nothing.
    Missing(Box<str>),
    /// An expression has no value.
    Cel(String),
    TooLarge(usize),
}

impl fmt::Display for Unrendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(pointer) => write!(f, "`{}` leads to nothing", shown(pointer)),
            Self::Cel(why) => write!(f, "a CEL expression has no value: {why}"),
            Self::TooLarge(most) => write!(f, "a value is too large; the limit `value_bytes` is {most}"),
        }
    }
}

impl Expression {
    /// Puts the value together.
    pub(crate) fn render<'a>(
        &'a self,
        lookup: &'a dyn Lookup<'a>,
        room: &Room,
    ) -> Result<ByteString, Unrendered> {
        match &*self.pieces {
            // What is taken whole is shared.
            [Piece::Text(text)] => return Ok(text.clone()),
            [Piece::Reference(reference)] => return reference.share(lookup),
            _ => {}
        }
        let mut out = Vec::with_capacity(256);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Between(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Reference(reference) => reference.write(lookup, room, &mut out)?,
                Piece::Computed(program) => {
                    let budget = Budget { steps: room.cel_steps, bytes: room.bytes };
                    program
                        .write(lookup, &budget, &mut out)
                        .map_err(|failure| Unrendered::Cel(failure.to_string()))?;
                }
            }
            if room.bytes < out.len() {
                return Err(Unrendered::TooLarge(room.bytes));
            }
        }
        // Of pieces of text.
        String::from_utf8(out).map(ByteString::from).map_err(|_| Unrendered::Cel("no text".to_owned()))
    }
}

enum Part<'a> {
    Whole(&'a PlanValue),
    Node(Node<'a>),
    Index(usize),
    Default(&'a ByteString),
}

impl Reference {
    fn find<'a>(&'a self, lookup: &'a dyn Lookup<'a>) -> Result<Part<'a>, Unrendered> {
        let rest = &self.pointer[self.rest..];
        let found = match lookup.find(self.source) {
            Found::Value(value) if rest.is_empty() => Some(Part::Whole(value)),
            Found::Value(value) => value.node().and_then(|node| node.pointer(rest)).map(Part::Node),
            Found::Node(node) => node.pointer(rest).map(Part::Node),
            Found::Index(index) => Some(Part::Index(index)),
            Found::Nothing => None,
        };
        found
            .or_else(|| self.default.as_ref().map(Part::Default))
            .ok_or_else(|| Unrendered::Missing(self.pointer.clone()))
    }

    fn share<'a>(&'a self, lookup: &'a dyn Lookup<'a>) -> Result<ByteString, Unrendered> {
        Ok(match self.find(lookup)? {
            Part::Whole(value) => value.text().clone(),
            Part::Node(node) => node.frame().text().slice_ref(node.raw()),
            Part::Index(index) => index.to_string().into(),
            Part::Default(text) => text.clone(),
        })
    }

    fn write<'a>(
        &'a self,
        lookup: &'a dyn Lookup<'a>,
        room: &Room,
        out: &mut Vec<u8>,
    ) -> Result<(), Unrendered> {
        let index;
        let text: &str = match self.find(lookup)? {
            Part::Whole(value) => value.text(),
            Part::Node(node) => node.raw(),
            Part::Index(at) => {
                index = at.to_string();
                &index
            }
            Part::Default(text) => text,
        };
        if room.bytes < out.len() + text.len() {
            return Err(Unrendered::TooLarge(room.bytes));
        }
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

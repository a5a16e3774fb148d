//! Values with references in them: pieces of text that stay, and what is put between them when a step begins.

mod read;
mod render;

use bytestring::ByteString;
use toolpost_json::Node;

use crate::cel::Program;
use crate::value::PlanValue;

pub(crate) use read::{Resolve, Special, read, special};
pub(crate) use render::Room;

/// Where a run holds what a reference begins at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The dependency at this place.
    Dependency(usize),
    Input,
    Item,
    Index,
}

/// What a run holds, seen from one step.
pub(crate) trait Lookup<'a> {
    fn find(&self, source: Source) -> Found<'a>;
}

pub(crate) enum Found<'a> {
    Value(&'a PlanValue),
    Node(Node<'a>),
    Index(usize),
    /// It has no value: the step was skipped, or failed.
    Nothing,
}

/// A reference that was resolved.
#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) source: Source,
    /// The pointer as it was written.
    pub(crate) pointer: Box<str>,
    /// Where in it what follows the source begins.
    pub(crate) rest: usize,
    /// What stands in where there is nothing, as JSON.
    pub(crate) default: Option<ByteString>,
}

/// A value that is put together when a step begins.
#[derive(Debug, Default)]
pub(crate) struct Expression {
    pieces: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    /// JSON that stays as it was written: all of it, or the first of several pieces.
    Text(ByteString),
    /// JSON that stays as it was written, behind another piece.
    Between(Box<str>),
    Reference(Reference),
    Computed(Program),
}

impl Expression {
    /// The text of an expression that refers to nothing.
    pub(crate) fn as_literal(&self) -> Option<&ByteString> {
        match &*self.pieces {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }
}

/// The place that a token of a pointer names in an array.
pub(crate) fn place(token: &str) -> Option<usize> {
    (token == "0" || !token.starts_with(['0', '+'])).then(|| token.parse().ok()).flatten()
}

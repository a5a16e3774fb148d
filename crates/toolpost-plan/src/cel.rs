//! A subset of the Common Expression Language over JSON that was read once, with a budget.
//!
//! What there is: literals, lists and maps; `steps.NAME.output`, `input`, `item` and `index` with members and items of
//! them; `! - * / % + == != < <= > >= in && || ?:`; `has`, `size`, `contains`, `startsWith`, `endsWith`, `string`,
//! `int`, `double`; `all`, `exists`, `exists_one`, `filter` and `map`. A whole number of the JSON is an `int`, any other
//! a `double`; an `int` beside a `double` counts as one, since JSON has one kind of number.
//!
//! Reading an expression is bounded by its length and its depth, and evaluating it by steps. Nothing recurses deeper
//! than an expression's depth.

mod evaluate;
mod functions;
mod lexer;
mod parser;
mod value;

use std::fmt;

use crate::expression::{Lookup, Source};

use evaluate::Evaluation;
pub(crate) use evaluate::Failure;
use parser::Ast;
use value::Val;

/// An expression that was read.
pub(crate) struct Program {
    ast: Ast,
}

/// What the names in an expression stand for.
pub(crate) trait Names {
    /// Where the output of a step is found.
    fn step(&mut self, name: &str) -> Result<Source, String>;

    /// Where `input`, `item` or `index` is found.
    fn variable(&mut self, name: &str) -> Result<Source, String>;

    /// Whether what a source holds may have such a part.
    fn part(&mut self, source: Source, members: &[&str]) -> Result<(), String>;
}

impl Program {
    /// Reads an expression.
    pub(crate) fn read(text: &str, names: &mut dyn Names) -> Result<Self, String> {
        parser::parse(text, names).map(|ast| Self { ast })
    }

    /// Whether the expression is true; anything but true and false is a failure.
    pub(crate) fn is_true<'a>(
        &'a self,
        lookup: &'a dyn Lookup<'a>,
        limits: &Budget,
    ) -> Result<bool, Failure> {
        match Evaluation::new(lookup, limits).value(&self.ast)? {
            Val::Bool(yes) => Ok(yes),
            other => Err(Failure::new(format!("expected true or false, got {}", other.kind()))),
        }
    }

    /// Appends what the expression comes to, as JSON.
    pub(crate) fn write<'a>(
        &'a self,
        lookup: &'a dyn Lookup<'a>,
        limits: &Budget,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let mut evaluation = Evaluation::new(lookup, limits);
        let value = evaluation.value(&self.ast)?;
        evaluation.write(&value, out)
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Program")
    }
}

/// What one evaluation may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) steps: u32,
    pub(crate) bytes: usize,
}

#[cfg(test)]
mod tests;

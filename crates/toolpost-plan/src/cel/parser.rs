//! From tokens to a tree whose depth is bounded.

use super::Names;
use super::functions::Function;
use super::lexer::{Lexer, Token};
use crate::expression::Source;
use crate::limits::{CEL_BYTES, CEL_DEPTH};
use crate::path::shown;

pub(super) enum Ast {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Box<str>),
    /// What a run holds.
    Source(Source),
    /// The variable of a loop, counted from the outermost.
    Local(usize),
    Member(Box<Self>, Box<str>),
    Item(Box<Self>, Box<Self>),
    Has(Box<Self>, Box<str>),
    Not(Box<Self>),
    Minus(Box<Self>),
    Binary(Op, Box<Self>, Box<Self>),
    Choice(Box<[Self; 3]>),
    List(Vec<Self>),
    Map(Vec<(Self, Self)>),
    Call(Function, Vec<Self>),
    Loop(Box<Loop>),
}

pub(super) struct Loop {
    pub(super) kind: LoopKind,
    pub(super) over: Ast,
    /// Of `filter`, `all` and the like; of `map` if it has three arguments.
    pub(super) test: Option<Ast>,
    /// Of `map`.
    pub(super) body: Option<Ast>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LoopKind {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

pub(super) fn parse(text: &str, names: &mut dyn Names) -> Result<Ast, String> {
    if CEL_BYTES < text.len() {
        return Err(format!("has {} bytes; the limit `cel bytes` is {CEL_BYTES}", text.len()));
    }
    let mut lexer = Lexer::new(text);
    let next = lexer.next()?;
    let mut parser = Parser { lexer, next, names, locals: Vec::new(), level: 0, lenient: false };
    let (ast, _) = parser.choice()?;
    match parser.next {
        Token::End => Ok(ast),
        other => Err(format!("expected an operator or the end, got {}", other.told())),
    }
}

struct Parser<'t, 'n> {
    lexer: Lexer<'t>,
    next: Token<'t>,
    names: &'n mut dyn Names,
    locals: Vec<&'t str>,
    /// How deep the parser itself stands.
    level: usize,
    /// Whether what is looked for may be missing: within `has`.
    lenient: bool,
}

/// A tree and its depth.
type Parsed = Result<(Ast, usize), String>;

impl<'t> Parser<'t, '_> {
    fn choice(&mut self) -> Parsed {
        self.level += 1;
        deep(self.level)?;
        let (test, depth) = self.binary(0)?;
        let parsed = match self.take("?")? {
            false => (test, depth),
            true => {
                let (yes, a) = self.binary(0)?;
                self.expect(":")?;
                let (no, b) = self.choice()?;
                (Ast::Choice(Box::new([test, yes, no])), deep(depth.max(a).max(b) + 1)?)
            }
        };
        self.level -= 1;
        Ok(parsed)
    }

    /// Operators of this precedence and higher.
    fn binary(&mut self, least: u8) -> Parsed {
        let (mut left, mut depth) = self.unary()?;
        while let Some((op, precedence)) = operator(&self.next)
            && least <= precedence
        {
            self.advance()?;
            let (right, below) = self.binary(precedence + 1)?;
            depth = deep(depth.max(below) + 1)?;
            left = Ast::Binary(op, Box::new(left), Box::new(right));
        }
        Ok((left, depth))
    }

    fn unary(&mut self) -> Parsed {
        if self.take("!")? {
            return self.under(Ast::Not);
        }
        if self.take("-")? {
            // The smallest whole number has no positive twin.
            if let Token::Int(number) = self.next {
                let negative = 0_i64.checked_sub_unsigned(number).ok_or("a number is too large")?;
                self.advance()?;
                return self.postfix(Ast::Int(negative));
            }
            return self.under(Ast::Minus);
        }
        let (primary, depth) = self.primary()?;
        let (ast, more) = self.postfix(primary)?;
        Ok((ast, deep(depth + more)?))
    }

    fn under(&mut self, wrap: fn(Box<Ast>) -> Ast) -> Parsed {
        self.level += 1;
        deep(self.level)?;
        let (inner, depth) = self.unary()?;
        self.level -= 1;
        Ok((wrap(Box::new(inner)), deep(depth + 1)?))
    }

    fn primary(&mut self) -> Parsed {
        let token = self.advance()?;
        let ast = match token {
            Token::Int(number) => Ast::Int(i64::try_from(number).map_err(|_| "a number is too large")?),
            Token::Double(number) => Ast::Double(number),
            Token::Text(text) => Ast::Text(text.into()),
            Token::Name("true") => Ast::Bool(true),
            Token::Name("false") => Ast::Bool(false),
            Token::Name("null") => Ast::Null,
            Token::Name(name) if self.take("(")? => return self.function(name),
            Token::Name(name) => self.name(name)?,
            Token::Mark("(") => {
                let inner = self.choice()?;
                self.expect(")")?;
                return Ok(inner);
            }
            Token::Mark("[") => {
                let (items, depth) = self.list("]")?;
                return Ok((Ast::List(items), depth + 1));
            }
            Token::Mark("{") => return self.map(),
            other => return Err(format!("expected a value, got {}", other.told())),
        };
        Ok((ast, 1))
    }

    fn name(&mut self, name: &'t str) -> Result<Ast, String> {
        if let Some(at) = self.locals.iter().rposition(|local| *local == name) {
            return Ok(Ast::Local(at));
        }
        if name != "steps" {
            return self.names.variable(name).map(Ast::Source);
        }
        let step = match self.take("[")? {
            true => match self.advance()? {
                Token::Text(step) => {
                    self.expect("]")?;
                    step
                }
                other => return Err(format!("expected a step's name in quotes, got {}", other.told())),
            },
            false => {
                self.expect(".")?;
                self.member_name()?.to_owned()
            }
        };
        self.expect(".")?;
        match self.member_name()? {
            "output" => self.names.step(&step).map(Ast::Source),
            other => Err(format!("`steps.{}` has no `{}`, only `output`", shown(&step), shown(other))),
        }
    }

    /// Members, items and methods of a value.
    fn postfix(&mut self, mut base: Ast) -> Parsed {
        let mut depth = 0;
        let mut members: Vec<&str> = Vec::new();
        let mut source = match base {
            Ast::Source(source) => Some(source),
            _ => None,
        };
        loop {
            if self.take(".")? {
                let name = self.member_name()?;
                if self.take("(")? {
                    self.known(source.take(), &members)?;
                    let (called, below) = self.method(base, name)?;
                    (base, depth) = (called, deep(depth.max(below) + 1)?);
                    continue;
                }
                members.push(name);
                base = Ast::Member(Box::new(base), name.into());
            } else if self.take("[")? {
                self.known(source.take(), &members)?;
                let (at, below) = self.choice()?;
                self.expect("]")?;
                depth = depth.max(below);
                base = Ast::Item(Box::new(base), Box::new(at));
            } else {
                self.known(source, &members)?;
                return Ok((base, depth));
            }
            depth = deep(depth + 1)?;
        }
    }

    /// Holds a path of members against what is known of its source.
    fn known(&mut self, source: Option<Source>, members: &[&str]) -> Result<(), String> {
        match source {
            Some(source) if !self.lenient && !members.is_empty() => self.names.part(source, members),
            _ => Ok(()),
        }
    }

    fn function(&mut self, name: &'t str) -> Parsed {
        if name == "has" {
            let before = std::mem::replace(&mut self.lenient, true);
            let (tested, depth) = self.choice()?;
            self.lenient = before;
            self.expect(")")?;
            return match tested {
                Ast::Member(of, member) => Ok((Ast::Has(of, member), depth)),
                _ => Err("`has` takes a member of something, as in `has(item.name)`".to_owned()),
            };
        }
        let (arguments, depth) = self.list(")")?;
        let function = Function::global(name, arguments.len())?;
        Ok((Ast::Call(function, arguments), deep(depth + 1)?))
    }

    fn method(&mut self, base: Ast, name: &'t str) -> Parsed {
        let kind = match name {
            "all" => LoopKind::All,
            "exists" => LoopKind::Exists,
            "exists_one" => LoopKind::ExistsOne,
            "filter" => LoopKind::Filter,
            "map" => LoopKind::Map,
            _ => {
                let (rest, depth) = self.list(")")?;
                let function = Function::method(name, rest.len())?;
                let mut arguments = vec![base];
                arguments.extend(rest);
                return Ok((Ast::Call(function, arguments), depth));
            }
        };
        let variable = self.member_name()?;
        self.expect(",")?;
        self.locals.push(variable);
        let (first, mut depth) = self.choice()?;
        let second = match kind == LoopKind::Map && self.take(",")? {
            true => {
                let (body, below) = self.choice()?;
                depth = depth.max(below);
                Some(body)
            }
            false => None,
        };
        self.locals.pop();
        self.expect(")")?;
        let (test, body) = match (kind, second) {
            (LoopKind::Map, None) => (None, Some(first)),
            (_, body) => (Some(first), body),
        };
        Ok((Ast::Loop(Box::new(Loop { kind, over: base, test, body })), depth))
    }

    fn list(&mut self, end: &'static str) -> Result<(Vec<Ast>, usize), String> {
        let (mut items, mut depth) = (Vec::new(), 0);
        while !self.take(end)? {
            let (item, below) = self.choice()?;
            items.push(item);
            depth = depth.max(below);
            if !self.take(",")? {
                self.expect(end)?;
                break;
            }
        }
        Ok((items, depth))
    }

    fn map(&mut self) -> Parsed {
        let (mut members, mut depth) = (Vec::new(), 0);
        while !self.take("}")? {
            let (key, a) = self.choice()?;
            self.expect(":")?;
            let (value, b) = self.choice()?;
            members.push((key, value));
            depth = depth.max(a).max(b);
            if !self.take(",")? {
                self.expect("}")?;
                break;
            }
        }
        Ok((Ast::Map(members), deep(depth + 1)?))
    }

    fn member_name(&mut self) -> Result<&'t str, String> {
        match self.advance()? {
            Token::Name(name) => Ok(name),
            other => Err(format!("expected a name, got {}", other.told())),
        }
    }

    fn advance(&mut self) -> Result<Token<'t>, String> {
        let next = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.next, next))
    }

    fn take(&mut self, mark: &'static str) -> Result<bool, String> {
        let is_next = self.next == Token::Mark(mark);
        if is_next {
            self.advance()?;
        }
        Ok(is_next)
    }

    fn expect(&mut self, mark: &'static str) -> Result<(), String> {
        match self.take(mark)? {
            true => Ok(()),
            false => Err(format!("expected `{mark}`, got {}", self.next.told())),
        }
    }
}

fn deep(depth: usize) -> Result<usize, String> {
    match CEL_DEPTH < depth {
        true => Err(format!("nests too deeply; the limit `cel depth` is {CEL_DEPTH}")),
        false => Ok(depth),
    }
}

fn operator(token: &Token<'_>) -> Option<(Op, u8)> {
    Some(match token {
        Token::Mark("||") => (Op::Or, 0),
        Token::Mark("&&") => (Op::And, 1),
        Token::Mark("==") => (Op::Equal, 2),
        Token::Mark("!=") => (Op::Unequal, 2),
        Token::Mark("<") => (Op::Less, 2),
        Token::Mark("<=") => (Op::LessOrEqual, 2),
        Token::Mark(">") => (Op::Greater, 2),
        Token::Mark(">=") => (Op::GreaterOrEqual, 2),
        Token::Name("in") => (Op::In, 2),
        Token::Mark("+") => (Op::Add, 3),
        Token::Mark("-") => (Op::Subtract, 3),
        Token::Mark("*") => (Op::Multiply, 4),
        Token::Mark("/") => (Op::Divide, 4),
        Token::Mark("%") => (Op::Remainder, 4),
        _ => return None,
    })
}

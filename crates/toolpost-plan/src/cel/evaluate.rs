//! Walks the tree of an expression within a budget of steps and of bytes.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::rc::Rc;

use toolpost_json::{Kind, write};

use super::Budget;
use super::parser::{Ast, Loop, LoopKind, Op};
use super::value::Val;
use crate::expression::{Found, Lookup, Source};
use crate::path::shown;

/// Why an expression has no value.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    message: Cow<'static, str>,
    /// The budget is used up: nothing makes up for it.
    is_final: bool,
}

impl Failure {
    pub(super) fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), is_final: false }
    }

    fn limit(limit: &str, most: impl fmt::Display) -> Self {
        Self { message: format!("takes too much; the limit `{limit}` is {most}").into(), is_final: true }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// One evaluation, and what is left of its budget.
pub(super) struct Evaluation<'a> {
    lookup: &'a dyn Lookup<'a>,
    budget: Budget,
    steps: u32,
    locals: Vec<Val<'a>>,
}

/// Bytes of text that are looked at in one step.
const BYTES_A_STEP: usize = 1_024;

impl<'a> Evaluation<'a> {
    pub(super) fn new(lookup: &'a dyn Lookup<'a>, budget: &Budget) -> Self {
        Self { lookup, budget: *budget, steps: budget.steps, locals: Vec::new() }
    }

    pub(super) fn value(&mut self, ast: &'a Ast) -> Result<Val<'a>, Failure> {
        self.spend(1)?;
        Ok(match ast {
            Ast::Null => Val::Null,
            Ast::Bool(yes) => Val::Bool(*yes),
            Ast::Int(number) => Val::Int(*number),
            Ast::Double(number) => Val::Double(*number),
            Ast::Text(text) => Val::Text(Cow::Borrowed(text)),
            Ast::Source(source) => self.source(*source)?,
            Ast::Local(at) => {
                let local = self.locals[*at].clone();
                self.taken(local)?
            }
            Ast::Member(of, name) => {
                let of = self.value(of)?;
                self.member(&of, name)?.ok_or_else(|| missing(&of, name))?
            }
            Ast::Item(of, at) => {
                let (of, at) = (self.value(of)?, self.value(at)?);
                self.item(&of, &at)?
            }
            Ast::Has(of, name) => {
                let of = self.value(of)?;
                if !of.is_map() {
                    return Err(Failure::new(format!("`has` of {}", of.kind())));
                }
                Val::Bool(self.member(&of, name)?.is_some())
            }
            Ast::Not(of) => match self.value(of)? {
                Val::Bool(yes) => Val::Bool(!yes),
                other => return Err(Failure::new(format!("`!` of {}", other.kind()))),
            },
            Ast::Minus(of) => match self.value(of)? {
                Val::Int(number) => Val::Int(number.checked_neg().ok_or_else(overflow)?),
                Val::Double(number) => Val::Double(-number),
                other => return Err(Failure::new(format!("`-` of {}", other.kind()))),
            },
            Ast::Binary(op @ (Op::And | Op::Or), left, right) => self.logic(*op == Op::Or, left, right)?,
            Ast::Binary(op, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                self.binary(*op, &left, &right)?
            }
            Ast::Choice(parts) => match self.value(&parts[0])? {
                Val::Bool(true) => self.value(&parts[1])?,
                Val::Bool(false) => self.value(&parts[2])?,
                other => return Err(Failure::new(format!("`?` after {}", other.kind()))),
            },
            Ast::List(items) => {
                Val::List(items.iter().map(|item| self.value(item)).collect::<Result<Rc<_>, _>>()?)
            }
            Ast::Map(members) => self.map(members)?,
            Ast::Call(function, arguments) => {
                let arguments: Vec<_> =
                    arguments.iter().map(|argument| self.value(argument)).collect::<Result<_, _>>()?;
                function.call(self, &arguments)?
            }
            Ast::Loop(parts) => self.each(parts)?,
        })
    }

    /// Appends a value as JSON.
    pub(super) fn write(&mut self, value: &Val<'a>, out: &mut Vec<u8>) -> Result<(), Failure> {
        self.spend(1)?;
        match value {
            Val::Null => out.extend_from_slice(b"null"),
            Val::Bool(yes) => out.extend_from_slice(if *yes { b"true" } else { b"false" }),
            Val::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Val::Double(number) => {
                if !number.is_finite() {
                    return Err(Failure::new("a number that JSON does not have"));
                }
                // Plain types, which encode.
                let _ = write::value(out, number);
            }
            Val::Text(text) => {
                self.room(out.len() + text.len())?;
                write::string(out, text);
            }
            Val::Json(node) => {
                self.room(out.len() + node.raw().len())?;
                out.extend_from_slice(node.raw().as_bytes());
            }
            Val::List(items) => {
                out.push(b'[');
                for (n, item) in items.iter().enumerate() {
                    if 0 < n {
                        out.push(b',');
                    }
                    self.write(item, out)?;
                }
                out.push(b']');
            }
            Val::Map(members) => {
                out.push(b'{');
                for (n, (key, member)) in members.iter().enumerate() {
                    if 0 < n {
                        out.push(b',');
                    }
                    self.room(out.len() + key.len())?;
                    write::string(out, key);
                    out.push(b':');
                    self.write(member, out)?;
                }
                out.push(b'}');
            }
        }
        self.room(out.len())
    }

    pub(super) fn spend_text(&mut self, text: &str) -> Result<(), Failure> {
        self.spend(text.len() / BYTES_A_STEP)
    }

    fn spend(&mut self, steps: usize) -> Result<(), Failure> {
        match self.steps.checked_sub(u32::try_from(steps).unwrap_or(u32::MAX)) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => {
                self.steps = 0;
                Err(Failure::limit("cel_steps", self.budget.steps))
            }
        }
    }

    fn room(&self, bytes: usize) -> Result<(), Failure> {
        match self.budget.bytes < bytes {
            true => Err(Failure::limit("value_bytes", self.budget.bytes)),
            false => Ok(()),
        }
    }

    fn source(&mut self, source: Source) -> Result<Val<'a>, Failure> {
        match self.lookup.find(source) {
            Found::Node(node) => self.taken(Val::of(node)),
            Found::Value(value) => match value.node() {
                Some(node) => self.taken(Val::of(node)),
                None => Err(Failure::new("a value that is no JSON")),
            },
            Found::Index(index) => Ok(Val::Int(index as i64)),
            Found::Nothing => Err(Failure::new("a value that is not there")),
        }
    }

    /// A value that was copied, for the price of its text.
    fn taken(&mut self, value: Val<'a>) -> Result<Val<'a>, Failure> {
        if let Val::Text(text) = &value {
            self.spend_text(text)?;
        }
        Ok(value)
    }

    /// The member, for the price of looking for it.
    fn member(&mut self, of: &Val<'a>, name: &str) -> Result<Option<Val<'a>>, Failure> {
        self.spend(of.len().unwrap_or(0) / 8)?;
        of.member(name).map(|found| self.taken(found)).transpose()
    }

    fn item(&mut self, of: &Val<'a>, at: &Val<'a>) -> Result<Val<'a>, Failure> {
        if let (true, Val::Text(name)) = (of.is_map(), at) {
            return self.member(of, name)?.ok_or_else(|| missing(of, name));
        }
        let place = match at {
            Val::Int(place) => usize::try_from(*place).ok(),
            _ => return Err(Failure::new(format!("{} at {}", of.kind(), at.kind()))),
        };
        let found = match of {
            Val::Json(node) if node.kind() == Kind::Array => {
                self.spend(place.unwrap_or(0).min(node.len()) / 8)?;
                place.and_then(|place| node.item(place)).map(Val::of)
            }
            Val::List(items) => place.and_then(|place| items.get(place)).cloned(),
            _ => return Err(Failure::new(format!("an item of {}", of.kind()))),
        };
        self.taken(found.ok_or_else(|| Failure::new("a list has no such item"))?)
    }

    /// `&&` and `||`: where one side decides, the failure of the other does not matter.
    fn logic(&mut self, decisive: bool, left: &'a Ast, right: &'a Ast) -> Result<Val<'a>, Failure> {
        let bool = |value: Val<'_>| match value {
            Val::Bool(yes) => Ok(yes),
            other => Err(Failure::new(format!("`&&` or `||` of {}", other.kind()))),
        };
        let left = self.value(left).and_then(bool);
        match &left {
            Ok(yes) if *yes == decisive => return Ok(Val::Bool(decisive)),
            Err(failure) if failure.is_final => return Err(failure.clone()),
            _ => {}
        }
        match (left, self.value(right).and_then(bool)) {
            (_, Ok(yes)) if yes == decisive => Ok(Val::Bool(decisive)),
            (Ok(_), Ok(yes)) => Ok(Val::Bool(yes)),
            (_, Err(failure)) if failure.is_final => Err(failure),
            (Err(failure), _) | (_, Err(failure)) => Err(failure),
        }
    }

    fn binary(&mut self, op: Op, left: &Val<'a>, right: &Val<'a>) -> Result<Val<'a>, Failure> {
        let unfit = |what: &str| Failure::new(format!("{what} of {} and {}", left.kind(), right.kind()));
        let by_order = |told: &str, holds: fn(Ordering) -> bool| match (left, right) {
            (Val::Double(a), _) | (_, Val::Double(a)) if a.is_nan() => Ok(Val::Bool(false)),
            _ => left.order(right).map(|order| Val::Bool(holds(order))).ok_or_else(|| unfit(told)),
        };
        if let (Val::Text(a), Val::Text(b)) = (left, right) {
            self.spend(a.len().min(b.len()) / BYTES_A_STEP)?;
        }
        match op {
            Op::Equal => self.equal(left, right).map(Val::Bool),
            Op::Unequal => self.equal(left, right).map(|equal| Val::Bool(!equal)),
            Op::Less => by_order("`<`", Ordering::is_lt),
            Op::LessOrEqual => by_order("`<=`", Ordering::is_le),
            Op::Greater => by_order("`>`", Ordering::is_gt),
            Op::GreaterOrEqual => by_order("`>=`", Ordering::is_ge),
            Op::In => self.within(left, right),
            Op::Add => match (left, right) {
                (Val::Text(a), Val::Text(b)) => {
                    self.room(a.len() + b.len())?;
                    self.spend((a.len() + b.len()) / BYTES_A_STEP)?;
                    Ok(Val::Text(Cow::Owned(format!("{a}{b}"))))
                }
                _ => {
                    match (left.items().filter(|_| !left.is_map()), right.items().filter(|_| !right.is_map()))
                    {
                        (Some(a), Some(b)) => {
                            self.spend(left.len().unwrap_or(0) + right.len().unwrap_or(0))?;
                            Ok(Val::List(
                                a.chain(b).map(|item| self.taken(item)).collect::<Result<Rc<_>, _>>()?,
                            ))
                        }
                        _ => numbers(left, right, i64::checked_add, |a, b| a + b)
                            .ok_or_else(|| unfit("`+`"))?,
                    }
                }
            },
            Op::Subtract => {
                numbers(left, right, i64::checked_sub, |a, b| a - b).ok_or_else(|| unfit("`-`"))?
            }
            Op::Multiply => {
                numbers(left, right, i64::checked_mul, |a, b| a * b).ok_or_else(|| unfit("`*`"))?
            }
            Op::Divide | Op::Remainder if matches!((left, right), (Val::Int(_), Val::Int(0))) => {
                Err(Failure::new("a division by zero"))
            }
            Op::Divide => numbers(left, right, i64::checked_div, |a, b| a / b).ok_or_else(|| unfit("`/`"))?,
            Op::Remainder => match (left, right) {
                (Val::Int(a), Val::Int(b)) => a.checked_rem(*b).map(Val::Int).ok_or_else(overflow),
                _ => Err(unfit("`%`")),
            },
            Op::And | Op::Or => Err(unfit("an operator")),
        }
    }

    fn within(&mut self, item: &Val<'a>, of: &Val<'a>) -> Result<Val<'a>, Failure> {
        if of.is_map() {
            return Ok(Val::Bool(match item {
                Val::Text(name) => self.member(of, name)?.is_some(),
                _ => false,
            }));
        }
        let Some(items) = of.items() else { return Err(Failure::new(format!("`in` of {}", of.kind()))) };
        for other in items {
            let other = self.taken(other)?;
            if self.equal(item, &other)? {
                return Ok(Val::Bool(true));
            }
        }
        Ok(Val::Bool(false))
    }

    fn equal(&mut self, left: &Val<'a>, right: &Val<'a>) -> Result<bool, Failure> {
        self.spend(1)?;
        if let (Val::Text(a), Val::Text(b)) = (left, right) {
            self.spend(a.len().min(b.len()) / BYTES_A_STEP)?;
            return Ok(a == b);
        }
        if matches!((left, right), (Val::Null, Val::Null)) {
            return Ok(true);
        }
        if left.len().is_none() || left.len() != right.len() || left.is_map() != right.is_map() {
            return Ok(left.order(right) == Some(Ordering::Equal));
        }
        let (Some(mine), Some(theirs)) = (left.items(), right.items()) else { return Ok(false) };
        if !left.is_map() {
            for (a, b) in mine.zip(theirs) {
                let (a, b) = (self.taken(a)?, self.taken(b)?);
                if !self.equal(&a, &b)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        for key in mine {
            let Val::Text(name) = &key else { return Ok(false) };
            let (Some(a), Some(b)) = (self.member(left, name)?, self.member(right, name)?) else {
                return Ok(false);
            };
            if !self.equal(&a, &b)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn map(&mut self, members: &'a [(Ast, Ast)]) -> Result<Val<'a>, Failure> {
        let mut made: Vec<(Cow<'a, str>, Val<'a>)> = Vec::with_capacity(members.len());
        for (key, value) in members {
            let Val::Text(key) = self.value(key)? else {
                return Err(Failure::new("a key of a map that is no string"));
            };
            if made.iter().any(|(known, _)| *known == key) {
                return Err(Failure::new(format!("the key `{}` of a map twice", shown(&key))));
            }
            let value = self.value(value)?;
            made.push((key, value));
        }
        Ok(Val::Map(made.into()))
    }

    fn each(&mut self, parts: &'a Loop) -> Result<Val<'a>, Failure> {
        let over = self.value(&parts.over)?;
        let Some(items) = over.items() else {
            return Err(Failure::new(format!("a loop over {}", over.kind())));
        };
        let (mut found, mut made) = (0_usize, Vec::new());
        // A failure of one item does not matter where another decides.
        let mut failed = None;
        for item in items {
            self.spend(1)?;
            let item = self.taken(item)?;
            let kept = item.clone();
            self.locals.push(item);
            let tested = match &parts.test {
                Some(test) => self.value(test).and_then(|value| match value {
                    Val::Bool(yes) => Ok(yes),
                    other => Err(Failure::new(format!("a test of a loop that is {}", other.kind()))),
                }),
                None => Ok(true),
            };
            let body = match (&tested, &parts.body) {
                (Ok(true), Some(body)) => Some(self.value(body)),
                _ => None,
            };
            self.locals.pop();
            match (parts.kind, tested) {
                (LoopKind::All, Ok(false)) => return Ok(Val::Bool(false)),
                (LoopKind::Exists, Ok(true)) => return Ok(Val::Bool(true)),
                (LoopKind::All | LoopKind::Exists, Ok(_)) => {}
                (LoopKind::All | LoopKind::Exists, Err(failure)) if !failure.is_final => {
                    failed = failed.or(Some(failure));
                }
                (_, Err(failure)) => return Err(failure),
                (LoopKind::ExistsOne, Ok(yes)) => found += usize::from(yes),
                (LoopKind::Filter, Ok(true)) => made.push(kept),
                (LoopKind::Map, Ok(true)) => made.extend(body.transpose()?),
                (LoopKind::Filter | LoopKind::Map, Ok(false)) => {}
            }
        }
        match (parts.kind, failed) {
            (_, Some(failure)) => Err(failure),
            (LoopKind::All, None) => Ok(Val::Bool(true)),
            (LoopKind::Exists, None) => Ok(Val::Bool(false)),
            (LoopKind::ExistsOne, None) => Ok(Val::Bool(found == 1)),
            (LoopKind::Filter | LoopKind::Map, None) => Ok(Val::List(made.into())),
        }
    }
}

/// Two numbers: whole ones stay whole, and one that is not makes both so. `None` of anything else.
fn numbers<'a>(
    left: &Val<'_>,
    right: &Val<'_>,
    whole: fn(i64, i64) -> Option<i64>,
    any: fn(f64, f64) -> f64,
) -> Option<Result<Val<'a>, Failure>> {
    let (a, b) = match (left, right) {
        (Val::Int(a), Val::Int(b)) => return Some(whole(*a, *b).map(Val::Int).ok_or_else(overflow)),
        (Val::Int(a), Val::Double(b)) => (*a as f64, *b),
        (Val::Double(a), Val::Int(b)) => (*a, *b as f64),
        (Val::Double(a), Val::Double(b)) => (*a, *b),
        _ => return None,
    };
    Some(Ok(Val::Double(any(a, b))))
}

fn overflow() -> Failure {
    Failure::new("a whole number that is too large")
}

#[cold]
fn missing(of: &Val<'_>, name: &str) -> Failure {
    match of.is_map() {
        true => Failure::new(format!("there is no member `{}`", shown(name))),
        false => Failure::new(format!("the member `{}` of {}", shown(name), of.kind())),
    }
}

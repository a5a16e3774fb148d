//! What references and names in expressions stand for, seen from one step.

use std::borrow::Cow;
use std::collections::HashMap;

use toolpost_json::Node;

use super::Dependencies;
use crate::cel::{Names, Program};
use crate::expression::{Reference, Resolve, Source, Special, special};
use crate::fault::Faults;
use crate::fault::PlanFaultKind::{self, Expression, MissingStep, NotAncestor, Shape as WrongShape};
use crate::limits::POINTER_TOKENS;
use crate::path::{Path, shown};
use crate::shape::{Absent, Shape};

/// What the steps of one plan see.
pub(super) struct Scope<'a> {
    pub(super) steps: HashMap<Cow<'a, str>, Step<'a>>,
    /// The step that holds the plan's input; none if the run does.
    pub(super) input: Option<usize>,
    /// Names of the steps of plans around this one.
    pub(super) outer: Vec<String>,
}

/// A step as others see it.
pub(super) struct Step<'a> {
    pub(super) draft: usize,
    pub(super) shape: Shape<'a>,
}

/// The view of one step.
pub(super) struct Resolver<'s, 'a> {
    pub(super) scope: &'s Scope<'a>,
    pub(super) faults: &'s mut Faults,
    pub(super) dependencies: &'s mut Dependencies,
    /// The step that sees.
    pub(super) own: usize,
    /// What the items of its list are, where they can be seen.
    pub(super) item: Option<&'s Shape<'a>>,
}

/// Why a name stands for nothing.
enum Why {
    Own,
    Outer,
    Unknown,
    NoOutput,
    NoItem,
    Nowhere,
    Absent(Absent),
}

/// The same in words.
struct Unresolved {
    kind: PlanFaultKind,
    message: String,
    hint: Option<String>,
}

/// What a pointer leads to.
struct Resolved<'a> {
    origin: Origin,
    shape: Shape<'a>,
    /// The tokens behind it.
    rest: usize,
}

enum Origin {
    Step(usize),
    Input,
    Item,
    Index,
}

impl<'a> Scope<'a> {
    /// What a reference refers to; none where it is wrong.
    pub(super) fn shape_of(&self, pointer: &str, own: usize, item: Option<&Shape<'a>>) -> Option<Shape<'a>> {
        let tokens = tokens(pointer).ok()?;
        self.resolve(&tokens, own, item).ok().map(|resolved| resolved.shape)
    }

    /// What a value of the document is known to be, if it is a reference.
    pub(super) fn shape_of_value(&self, node: Node<'_>, own: usize) -> Shape<'a> {
        match special(node) {
            Special::Reference { pointer, default: None } => {
                self.shape_of(&pointer, own, None).unwrap_or(Shape::Any)
            }
            _ => Shape::Any,
        }
    }

    fn resolve(
        &self,
        tokens: &[Cow<'_, str>],
        own: usize,
        item: Option<&Shape<'a>>,
    ) -> Result<Resolved<'a>, Why> {
        let within = |origin, shape: &Shape<'a>, rest: usize| {
            let part = shape.part(tokens.get(rest..).unwrap_or_default());
            let shape =
                part.map_err(|absent| Why::Absent(Absent { after: absent.after + rest, ..absent }))?;
            Ok(Resolved { origin, shape, rest })
        };
        let token = |n: usize| tokens.get(n).map(|token| &**token);
        match (token(0), token(1), token(2)) {
            (Some("steps"), Some(name), Some("output")) => {
                let step = self.step(name, own)?;
                within(Origin::Step(step.draft), &step.shape, 3)
            }
            (Some("steps"), Some(name), _) => {
                self.step(name, own)?;
                Err(Why::NoOutput)
            }
            (Some("input"), ..) => within(Origin::Input, &Shape::Any, 1),
            (Some("item"), ..) => within(Origin::Item, item.ok_or(Why::NoItem)?, 1),
            (Some("index"), None, _) => {
                item.ok_or(Why::NoItem)?;
                Ok(Resolved { origin: Origin::Index, shape: Shape::Index, rest: 1 })
            }
            _ => Err(Why::Nowhere),
        }
    }

    fn step(&self, name: &str, own: usize) -> Result<&Step<'a>, Why> {
        match self.steps.get(name) {
            Some(step) if step.draft == own => Err(Why::Own),
            Some(step) => Ok(step),
            None if self.outer.iter().any(|outer| outer == name) => Err(Why::Outer),
            None => Err(Why::Unknown),
        }
    }

    /// What is said of it. `name` is the step that was asked for, or the part that is not there.
    fn told(&self, why: Why, name: &str) -> Unresolved {
        let name = shown(name);
        let (kind, message, hint) = match why {
            Why::Own => (
                NotAncestor,
                format!("step `{name}` refers to itself"),
                Some("refer to a step that comes before it".to_owned()),
            ),
            Why::Outer => (
                NotAncestor,
                format!("step `{name}` is one of the plan around this one, which cannot be seen here"),
                Some("hand its output over by `input`, and refer to `/input`".to_owned()),
            ),
            Why::Unknown => {
                let mut known: Vec<&str> = self.steps.keys().map(|name| &**name).collect();
                known.sort_unstable();
                (MissingStep, format!("there is no step `{name}`"), listed("there are", &known))
            }
            Why::NoOutput => (
                PlanFaultKind::Reference,
                "a reference to a step leads to its output".to_owned(),
                Some(format!("write `/steps/{name}/output`")),
            ),
            Why::NoItem => (
                NotAncestor,
                "an item can be seen only in the arguments, or the input, of a step with `map`".to_owned(),
                None,
            ),
            Why::Nowhere => (
                PlanFaultKind::Reference,
                "the reference leads nowhere".to_owned(),
                Some("it begins with `/steps/NAME/output`, `/input`, `/item` or `/index`".to_owned()),
            ),
            Why::Absent(absent) => {
                let known: Vec<&str> = absent.known.iter().map(String::as_str).collect();
                let message = format!("the output schema has no `{name}` there");
                (PlanFaultKind::Reference, message, listed("it has", &known))
            }
        };
        Unresolved { kind, message, hint }
    }
}

impl Resolver<'_, '_> {
    /// Waits for a step that `after` names.
    pub(super) fn after(&mut self, name: &str, path: &Path<'_>) {
        match self.scope.step(name, self.own) {
            Ok(step) => {
                self.dependencies.on(step.draft, true);
            }
            Err(why) => {
                let unresolved = self.scope.told(why, name);
                self.refuse(path, unresolved);
            }
        }
    }

    fn source(&mut self, origin: &Origin, required: bool) -> Source {
        match origin {
            Origin::Step(draft) => Source::Dependency(self.dependencies.on(*draft, required)),
            Origin::Input => match self.scope.input {
                Some(draft) => Source::Dependency(self.dependencies.on(draft, true)),
                None => Source::Input,
            },
            Origin::Item => Source::Item,
            Origin::Index => Source::Index,
        }
    }

    fn refuse(&mut self, path: &Path<'_>, unresolved: Unresolved) {
        let Unresolved { kind, message, hint } = unresolved;
        match hint {
            Some(hint) => self.faults.hinted(kind, path, message, hint),
            None => self.faults.add(kind, path, message),
        }
    }
}

impl Resolve for Resolver<'_, '_> {
    fn reference(&mut self, pointer: &str, default: Option<Node<'_>>, path: &Path<'_>) -> Option<Reference> {
        if self.faults.is_full() {
            return None;
        }
        let resolved =
            tokens(pointer).and_then(|tokens| match self.scope.resolve(&tokens, self.own, self.item) {
                Ok(resolved) => Ok(resolved),
                Err(why) => {
                    let at = if let Why::Absent(absent) = &why { absent.after } else { 1 };
                    Err(self.scope.told(why, tokens.get(at).map_or("", |token| &**token)))
                }
            });
        match resolved {
            Ok(resolved) => Some(Reference {
                source: self.source(&resolved.origin, default.is_none()),
                default: default.map(|default| default.frame().text().slice_ref(default.raw())),
                pointer: pointer.into(),
                rest: tail(pointer, resolved.rest),
            }),
            Err(unresolved) => {
                self.refuse(path, unresolved);
                None
            }
        }
    }

    fn program(&mut self, text: &str, path: &Path<'_>) -> Option<Program> {
        // A name that stands for nothing is a fault of its own kind, which `Program::read` knows only as text.
        match Program::read(text, self) {
            Ok(program) => Some(program),
            Err(why) => {
                self.faults.add(Expression, path, format!("the expression cannot be read: {why}"));
                None
            }
        }
    }

    fn wrong(&mut self, path: &Path<'_>, message: String) {
        self.faults.hinted(WrongShape, path, message, "within `$literal` everything stands as it is");
    }
}

impl Names for Resolver<'_, '_> {
    fn step(&mut self, name: &str) -> Result<Source, String> {
        match self.scope.step(name, self.own) {
            Ok(step) => Ok(self.source(&Origin::Step(step.draft), true)),
            Err(why) => Err(told(self.scope.told(why, name))),
        }
    }

    fn variable(&mut self, name: &str) -> Result<Source, String> {
        let origin = match (name, self.item) {
            ("input", _) => Origin::Input,
            ("item", Some(_)) => Origin::Item,
            ("index", Some(_)) => Origin::Index,
            ("item" | "index", None) => return Err(told(self.scope.told(Why::NoItem, name))),
            _ => {
                let name = shown(name);
                return Err(format!(
                    "there is no `{name}` here; there are `steps.NAME.output`, `input`, and within a `map` `item` and `index`"
                ));
            }
        };
        Ok(self.source(&origin, true))
    }

    fn part(&mut self, source: Source, members: &[&str]) -> Result<(), String> {
        let shape = match source {
            Source::Dependency(place) => {
                let (draft, _) = self.dependencies.0[place];
                self.scope.steps.values().find(|step| step.draft == draft).map(|step| &step.shape)
            }
            Source::Item => self.item,
            Source::Input | Source::Index => None,
        };
        match shape.map(|shape| shape.part(members)) {
            Some(Err(absent)) => {
                let token = members.get(absent.after).copied().unwrap_or_default();
                Err(told(self.scope.told(Why::Absent(absent), token)))
            }
            _ => Ok(()),
        }
    }
}

/// Where in a pointer what follows its first tokens begins.
fn tail(pointer: &str, tokens: usize) -> usize {
    pointer.match_indices('/').nth(tokens).map_or(pointer.len(), |(at, _)| at)
}

/// The tokens of a pointer.
fn tokens(pointer: &str) -> Result<Vec<Cow<'_, str>>, Unresolved> {
    let wrong = |kind, message: String| Unresolved { kind, message, hint: None };
    let Some(rest) = pointer.strip_prefix('/') else {
        let message = "a reference is a JSON Pointer, which begins with `/`".to_owned();
        return Err(wrong(PlanFaultKind::Reference, message));
    };
    let unescaped = |token: &str| token.replace("~1", "/").replace("~0", "~");
    let mut tokens: Vec<Cow<'_, str>> = Vec::with_capacity(8);
    tokens.extend(rest.split('/').take(POINTER_TOKENS + 1).map(|token| match token.contains('~') {
        true => Cow::Owned(unescaped(token)),
        false => Cow::Borrowed(token),
    }));
    if POINTER_TOKENS < tokens.len() {
        let message = format!("the pointer is too deep; the limit `pointer tokens` is {POINTER_TOKENS}");
        return Err(wrong(PlanFaultKind::Limit, message));
    }
    Ok(tokens)
}

fn told(unresolved: Unresolved) -> String {
    match unresolved.hint {
        Some(hint) => format!("{} ({hint})", unresolved.message),
        None => unresolved.message,
    }
}

fn listed(verb: &str, names: &[&str]) -> Option<String> {
    let shown: Vec<String> = names.iter().take(20).map(|name| format!("`{}`", shown(name))).collect();
    (!shown.is_empty()).then(|| format!("{verb} {}", shown.join(", ")))
}

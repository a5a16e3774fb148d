//! From a document to a template.

use std::collections::{BTreeMap, BTreeSet};

use semver::{Version, VersionReq};
use serde_json::{Map, Value};
use toolpost_json::{Frame, Limits};

use super::parameter::{self, Parameter, object, unknown_members};
use super::problems::{Problems, child, refused};
use super::value::{Text, Tree, Within};
use super::{Include, Template};
use crate::fault::{PlanFaultKind, RefusedPlan};

/// The members that are the template's own; the plan has the others.
const OWN: [&str; 5] = ["name", "version", "description", "parameters", "include"];

/// The most templates that one includes itself.
const INCLUDES_MAX: usize = 32;

/// Reads JSON that is held to the rules of what strangers send.
pub(super) fn document(text: &[u8]) -> Result<Value, RefusedPlan> {
    let broken = |error: String| refused(PlanFaultKind::Json, "", error, "");
    let text = std::str::from_utf8(text).map_err(|error| broken(error.to_string()))?;
    let frame = Frame::from_text(text.to_owned(), &Limits::new())
        .map_err(|violation| broken(violation.to_string()))?;
    frame.root().decode().map_err(|error| broken(error.to_string()))
}

/// Reads a template, with all that is wrong with it.
pub(super) fn template(source: Value) -> Result<Template, RefusedPlan> {
    let mut problems = Problems::new(PlanFaultKind::Shape);
    match read(source, "", &mut problems) {
        Some(template) => problems.unless(template),
        None => Err(problems.refused()),
    }
}

/// Reads a template that stands at `path`.
pub(super) fn read(source: Value, path: &str, outer: &mut Problems) -> Option<Template> {
    let mut problems = Problems::new(PlanFaultKind::Shape);
    let template = members(&source, &mut problems);
    outer.extend_below(path, problems);
    let (name, version, description, parameters, includes, body) = template?;
    Some(Template { name, version, description, parameters, includes, body, source })
}

type Members = (String, Version, String, BTreeMap<String, Parameter>, BTreeMap<String, Include>, Tree);

fn members(source: &Value, problems: &mut Problems) -> Option<Members> {
    let document = object(Some(source), "", problems)?;
    let name = document.get("name").and_then(Value::as_str).filter(|name| is_template_name(name));
    if name.is_none() {
        problems.add("/name", "a name is needed", "use 1 to 64 of A-Z a-z 0-9 _ . / -");
    }
    let version = match document.get("version").and_then(Value::as_str).map(Version::parse) {
        Some(Ok(version)) => Some(version),
        Some(Err(error)) => {
            problems.add("/version", format!("it is no version: {error}"), "write it as `1.0.0`");
            None
        }
        None => {
            problems.add("/version", "a version is needed", "write it as `1.0.0`");
            None
        }
    };
    let description = match document.get("description") {
        None => Some(""),
        Some(Value::String(description)) => Some(description.as_str()),
        Some(_) => {
            problems.add("/description", "a text is expected", "");
            None
        }
    };
    let parameters = parameter::parse(document.get("parameters"), problems);
    let mut reader = Reader { parameters: &parameters, problems };
    let includes = reader.includes(document.get("include"));
    let plan = document.iter().filter(|(name, _)| !OWN.contains(&name.as_str()));
    let body = reader.members(plan, "", Place::Plan);
    if let Some(steps) = object(document.get("steps"), "/steps", problems) {
        for name in includes.keys().filter(|name| steps.contains_key(*name)) {
            problems.add(
                &child("/include", name),
                format!("there is a step `{name}` already"),
                "an included template is a step of its name; choose another",
            );
        }
    } else if !document.contains_key("steps") && includes.is_empty() {
        problems.add("/steps", "a template without steps does nothing", "");
    }
    Some((name?.to_owned(), version?, description?.to_owned(), parameters, includes, body))
}

/// Reads values with placeholders.
struct Reader<'a> {
    parameters: &'a BTreeMap<String, Parameter>,
    problems: &'a mut Problems,
}

/// Where a value stands in a plan, as far as that decides what its texts are.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Place {
    Plan,
    Steps,
    Step,
    /// Anywhere else.
    Value,
}

impl Place {
    /// Where the member `name` of an object that stands here stands.
    fn of_member(self, name: &str) -> (Self, Within) {
        match (self, name) {
            (Self::Plan, "steps") => (Self::Steps, Within::Plain),
            (Self::Steps, _) => (Self::Step, Within::Plain),
            (Self::Step, "plan") => (Self::Plan, Within::Plain),
            (Self::Step, "when") | (_, "$cel") => (Self::Value, Within::Expression),
            (_, "$ref") => (Self::Value, Within::Pointer),
            _ => (Self::Value, Within::Plain),
        }
    }
}

impl Reader<'_> {
    fn includes(&mut self, said: Option<&Value>) -> BTreeMap<String, Include> {
        let path = "/include";
        let Some(members) = object(said, path, self.problems) else { return BTreeMap::new() };
        if INCLUDES_MAX < members.len() {
            self.problems.add(path, format!("{} includes are more than {INCLUDES_MAX}", members.len()), "");
        }
        let mut includes = BTreeMap::new();
        for (name, said) in members.iter().take(INCLUDES_MAX) {
            if let Some(include) = self.include(said, &child(path, name)) {
                includes.insert(name.clone(), include);
            }
        }
        includes
    }

    fn include(&mut self, said: &Value, path: &str) -> Option<Include> {
        let members = object(Some(said), path, self.problems)?;
        unknown_members(members, &["template", "version", "arguments"], path, self.problems);
        let template = members.get("template").and_then(Value::as_str).map(str::to_owned);
        if template.is_none() {
            self.problems.add(&child(path, "template"), "the name of the included template is needed", "");
        }
        let version = match members.get("version") {
            None => None,
            Some(version) => match version.as_str().map(VersionReq::parse) {
                Some(Ok(version)) => Some(version),
                Some(Err(error)) => {
                    self.problems.add(
                        &child(path, "version"),
                        format!("it is no requirement of a version: {error}"),
                        "write it as `^1.2` or `=1.2.3`",
                    );
                    return None;
                }
                None => {
                    self.problems.add(&child(path, "version"), "a text is expected", "write it as `^1.2`");
                    return None;
                }
            },
        };
        let at = child(path, "arguments");
        let arguments = match object(members.get("arguments"), &at, self.problems) {
            None => BTreeMap::new(),
            Some(arguments) => arguments
                .iter()
                .map(|(name, value)| {
                    let at = child(&at, name);
                    (name.clone(), self.tree(value, &at, Place::Value, Within::Plain))
                })
                .collect(),
        };
        Some(Include { template: template?, version, arguments })
    }

    fn tree(&mut self, value: &Value, path: &str, place: Place, within: Within) -> Tree {
        match value {
            Value::String(text) => self.text(text, path, within),
            Value::Array(items) => {
                let items: Vec<Tree> = items
                    .iter()
                    .enumerate()
                    .map(|(n, item)| {
                        self.tree(item, &child(path, &n.to_string()), Place::Value, Within::Plain)
                    })
                    .collect();
                match items.iter().all(|item| matches!(item, Tree::Plain(_))) {
                    true => Tree::Plain(Value::Array(items.into_iter().filter_map(plain).collect())),
                    false => Tree::List(items),
                }
            }
            Value::Object(members) => self.members(members.iter(), path, place),
            other => Tree::Plain(other.clone()),
        }
    }

    fn members<'v>(
        &mut self,
        members: impl Iterator<Item = (&'v String, &'v Value)>,
        path: &str,
        place: Place,
    ) -> Tree {
        let mut read = Vec::new();
        for (name, value) in members {
            let path = child(path, name);
            let (place, within) = place.of_member(name);
            let value = self.tree(value, &path, place, within);
            if let Some(name) = self.pieces(name, &path, Within::Plain) {
                read.push((name, value));
            }
        }
        let is_plain =
            read.iter().all(|(name, value)| name.plain().is_some() && matches!(value, Tree::Plain(_)));
        match is_plain {
            true => Tree::Plain(
                read.into_iter()
                    .filter_map(|(name, value)| Some((name.plain()?.to_owned(), plain(value)?)))
                    .collect::<Map<_, _>>()
                    .into(),
            ),
            false => Tree::Members(read),
        }
    }

    fn text(&mut self, text: &str, path: &str, within: Within) -> Tree {
        let parsed = match Text::parse(text, within) {
            Ok(parsed) => parsed,
            Err(error) => {
                self.problems.add(path, error, "");
                return Tree::Plain(Value::Null);
            }
        };
        match (parsed.whole(), within) {
            (Some(name), Within::Plain) => {
                self.known(name, path);
                Tree::Whole(name.to_owned())
            }
            (Some(name), Within::Pointer) => {
                self.problems.add(
                    path,
                    format!("`${{{name}}}` stands for a whole pointer"),
                    "write the pointer, and parameters as parts of it: `/steps/files/output/${name}`",
                );
                Tree::Plain(Value::Null)
            }
            _ => match parsed.plain() {
                Some(plain) => Tree::Plain(plain.into()),
                None => {
                    self.checked(&parsed, path);
                    Tree::Text(parsed)
                }
            },
        }
    }

    /// The name of a member.
    fn pieces(&mut self, text: &str, path: &str, within: Within) -> Option<Text> {
        match Text::parse(text, within) {
            Ok(parsed) => {
                self.checked(&parsed, path);
                Some(parsed)
            }
            Err(error) => {
                self.problems.add(path, error, "");
                None
            }
        }
    }

    /// Says which of its placeholders cannot stand in a text.
    fn checked(&mut self, text: &Text, path: &str) {
        let names: BTreeSet<&str> = text.parameters().collect();
        for name in names {
            let Some((kind, may_be_missing)) = self.known(name, path) else { continue };
            if text.within == Within::Expression {
                continue;
            }
            if !kind.is_text() {
                self.problems.add(
                    path,
                    format!("`${{{name}}}` is of type {kind}, which is no part of a text"),
                    "let it stand alone",
                );
            } else if may_be_missing {
                self.problems.add(
                    path,
                    format!("`${{{name}}}` may be left out, and then there is no text"),
                    "give the parameter a default, or let the placeholder stand alone",
                );
            }
        }
    }

    /// What is known of a parameter; said if there is none.
    fn known(&mut self, name: &str, path: &str) -> Option<(parameter::Kind, bool)> {
        if let Some(parameter) = self.parameters.get(name) {
            return Some((parameter.kind(), parameter.may_be_missing()));
        }
        let names: Vec<&str> = self.parameters.keys().map(String::as_str).collect();
        let hint = match names.is_empty() {
            true => "the template has no parameters; `$${` is the text `${`".to_owned(),
            false => format!("there are: {}; `$${{` is the text `${{`", names.join(", ")),
        };
        self.problems.add(path, format!("there is no parameter `{name}`"), hint);
        None
    }
}

fn plain(tree: Tree) -> Option<Value> {
    match tree {
        Tree::Plain(value) => Some(value),
        _ => None,
    }
}

fn is_template_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_./-".contains(&byte))
}

//! Templates by name and version.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::Arc;

use semver::{Version, VersionReq};
use serde_json::{Map, Value, json};

use super::problems::{Problems, child, refused};
use super::render::{Budget, Renderer};
use super::value::Tree;
use super::{Include, Template, parse};
use crate::fault::{PlanFaultKind, RefusedPlan};

/// How deep templates include each other.
const DEPTH_MAX: usize = 8;

/// The most templates in one registry, all versions counted.
const TEMPLATES_MAX: usize = 1_000;

/// Keeps templates by name and version, each of whose includes is there. Cheap to clone; a clone is a copy.
///
/// Versions are in the order of [semver](https://semver.org): `1.10.0` is newer than `1.9.0`, and `2.0.0-rc.1` is older than
/// `2.0.0`. Where no version is asked for, the newest release is meant; a pre-release only where there is nothing else.
///
/// Whatever changes it, either all of it holds afterwards (every include is there, takes its arguments, and none leads back to
/// itself) or it stays as it was.
#[derive(Clone, Default)]
pub struct TemplateRegistry {
    templates: BTreeMap<String, Versions>,
}

type Versions = BTreeMap<Version, Arc<Template>>;

impl TemplateRegistry {
    /// A registry without templates.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a template.
    ///
    /// # Errors
    ///
    /// If this version of it is there already, or what it includes is not; or if there are 1,000 already.
    pub fn register(&mut self, template: Template) -> Result<(), RefusedPlan> {
        let (name, version) = (template.name.clone(), template.version.clone());
        if self.templates.get(&name).is_some_and(|versions| versions.contains_key(&version)) {
            let message = format!("`{name}` {version} is registered already");
            return Err(refused(
                PlanFaultKind::Template,
                "/version",
                message,
                "overwrite it, or choose another",
            ));
        }
        self.overwrite(template).map(drop)
    }

    /// Adds a template, in place of this version of it, which it returns.
    ///
    /// # Errors
    ///
    /// If what it includes is not there, or what others include would not be any more; or if there are 1,000 already.
    pub fn overwrite(&mut self, template: Template) -> Result<Option<Arc<Template>>, RefusedPlan> {
        let (name, version) = (template.name.clone(), template.version.clone());
        let mut next = self.clone();
        let before = next.templates.entry(name).or_default().insert(version, Arc::new(template));
        *self = next.whole()?;
        Ok(before)
    }

    /// Takes templates away: one version, or all of that name. Returns how many these were.
    ///
    /// # Errors
    ///
    /// If `version` is no version, or another template includes one of them and no other version fits.
    pub fn delete(&mut self, name: &str, version: Option<&str>) -> Result<usize, RefusedPlan> {
        let mut next = self.clone();
        let Entry::Occupied(mut versions) = next.templates.entry(name.to_owned()) else { return Ok(0) };
        let deleted = match version {
            None => versions.remove().len(),
            Some(version) => {
                let version = parsed(version, Version::parse)?;
                let deleted = usize::from(versions.get_mut().remove(&version).is_some());
                if versions.get().is_empty() {
                    versions.remove();
                }
                deleted
            }
        };
        *self = next.whole()?;
        Ok(deleted)
    }

    /// The templates, by name, the oldest version first.
    pub fn list(&self) -> impl Iterator<Item = &Arc<Template>> {
        self.templates.values().flat_map(BTreeMap::values)
    }

    /// The newest template of that name that fits `version` (`^1.2`, `=1.2.3`); without one, the newest release.
    #[must_use]
    pub fn find(&self, name: &str, version: Option<&str>) -> Option<&Arc<Template>> {
        let version = version.map(VersionReq::parse).transpose().ok()?;
        self.fitting(name, version.as_ref())
    }

    /// Makes a plan of a template: `arguments` is an object with values of its parameters.
    ///
    /// # Errors
    ///
    /// If there is no such template or version; every argument that is none of its parameters, is missing, or does not fit;
    /// and if the plan would be longer than 1 MiB.
    pub fn instantiate(
        &self,
        name: &str,
        version: Option<&str>,
        arguments: &Value,
    ) -> Result<Value, RefusedPlan> {
        let required = version.map(|version| parsed(version, VersionReq::parse)).transpose()?;
        let Some(template) = self.fitting(name, required.as_ref()) else {
            let mut problems = Problems::new(PlanFaultKind::Template);
            self.say_missing(name, required.as_ref(), "", &mut problems);
            return Err(problems.refused());
        };
        let mut problems = Problems::new(PlanFaultKind::Arguments);
        let plan = self.plan(template, arguments, "", &mut Budget::new(), &mut problems, DEPTH_MAX);
        problems.unless(plan)
    }

    /// Reads what [`to_json`](Self::to_json) writes: an object with the list `templates`, in any order.
    ///
    /// # Errors
    ///
    /// As [`Template::from_json`] of each, and as [`register`](Self::register) of all together.
    pub fn from_json(text: impl AsRef<[u8]>) -> Result<Self, RefusedPlan> {
        let document = parse::document(text.as_ref())?;
        let Some(Value::Array(list)) = document.get("templates") else {
            let message = "a list of templates is expected".to_owned();
            return Err(refused(PlanFaultKind::Shape, "/templates", message, ""));
        };
        let mut problems = Problems::new(PlanFaultKind::Shape);
        let mut registry = Self::new();
        for (n, source) in list.iter().enumerate() {
            let path = child("/templates", &n.to_string());
            let Some(template) = parse::read(source.clone(), &path, &mut problems) else { continue };
            let (name, version) = (template.name.clone(), template.version.clone());
            match registry.templates.entry(name).or_default().entry(version) {
                Entry::Vacant(vacant) => drop(vacant.insert(Arc::new(template))),
                Entry::Occupied(taken) => {
                    let (name, version) = (&taken.get().name, taken.key());
                    problems.add(&path, format!("`{name}` {version} is in the list already"), "");
                }
            }
        }
        problems.unless(registry)?.whole()
    }

    /// Writes all templates as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let templates: Vec<&Value> = self.list().map(|template| &template.source).collect();
        json!({ "templates": templates }).to_string()
    }

    fn fitting(&self, name: &str, version: Option<&VersionReq>) -> Option<&Arc<Template>> {
        let versions = self.templates.get(name)?;
        match version {
            Some(version) => {
                versions.iter().rev().find(|(one, _)| version.matches(one)).map(|(_, found)| found)
            }
            None => versions
                .iter()
                .rev()
                .find(|(version, _)| version.pre.is_empty())
                .or_else(|| versions.last_key_value())
                .map(|(_, found)| found),
        }
    }

    /// This registry, if all of it holds.
    fn whole(self) -> Result<Self, RefusedPlan> {
        let mut problems = Problems::new(PlanFaultKind::Template);
        let count = self.list().count();
        if TEMPLATES_MAX < count {
            problems.add("", format!("{count} templates are more than {TEMPLATES_MAX}"), "");
        }
        let mut depths = Depths::default();
        for template in self.list() {
            self.check(template, &mut Vec::new(), &mut depths, &mut problems);
        }
        problems.unless(()).map(|()| self)
    }

    /// How deep `template` includes others; what is wrong with its includes is said once.
    fn check<'a>(
        &'a self,
        template: &'a Template,
        outer: &mut Vec<&'a Template>,
        depths: &mut Depths<'a>,
        problems: &mut Problems,
    ) -> usize {
        let key = (template.name.as_str(), &template.version);
        if let Some(depth) = depths.get(&key) {
            return *depth;
        }
        outer.push(template);
        let mut deepest = 0;
        for (name, include) in &template.includes {
            let path = child("/include", name);
            let said = format!("`{}` {}: ", template.name, template.version);
            let Some(included) = self.fitting(&include.template, include.version.as_ref()) else {
                self.say_missing_in(&said, include, &path, problems);
                continue;
            };
            if let Some(at) = outer.iter().position(|one| std::ptr::eq(*one, &**included)) {
                let names: Vec<&str> =
                    outer[at..].iter().map(|one| one.name.as_str()).chain([included.name.as_str()]).collect();
                problems.add(
                    &path,
                    format!("{said}templates include each other: {}", names.join(" -> ")),
                    "take one of these includes away",
                );
                continue;
            }
            fits(&said, template, include, included, &path, problems);
            // A chain that is too long is not followed to its end.
            let depth = match outer.len() <= DEPTH_MAX {
                true => self.check(included, outer, depths, problems),
                false => 0,
            };
            deepest = deepest.max(depth + 1);
            if DEPTH_MAX < deepest {
                problems.add(
                    &path,
                    format!("{said}templates include each other deeper than {DEPTH_MAX}"),
                    "",
                );
                deepest = 0;
            }
        }
        outer.pop();
        depths.insert(key, deepest);
        deepest
    }

    /// The plan that a template comes to.
    fn plan(
        &self,
        template: &Template,
        arguments: &Value,
        path: &str,
        budget: &mut Budget,
        problems: &mut Problems,
        depth: usize,
    ) -> Value {
        let values = template.values(arguments, path, problems);
        if !problems.is_empty() {
            return Value::Null;
        }
        let mut renderer = Renderer { values: &values, budget, problems, is_plan: true };
        let mut plan = match renderer.value(&template.body, path) {
            Some(Value::Object(plan)) => plan,
            _ => Map::new(),
        };
        plan.insert("name".to_owned(), template.name.clone().into());
        // Arguments are data to the included template, which makes it a plan.
        renderer.is_plan = false;
        let mut included = Vec::new();
        for (name, include) in &template.includes {
            let path = child(&child(path, "include"), name);
            let arguments: Map<String, Value> = include
                .arguments
                .iter()
                .filter_map(|(name, tree)| Some((name.clone(), renderer.value(tree, &path)?)))
                .collect();
            included.push((name, include, path, Value::Object(arguments)));
        }
        for (name, include, path, arguments) in included {
            let found = self.fitting(&include.template, include.version.as_ref());
            let (Some(found), Some(depth)) = (found, depth.checked_sub(1)) else {
                self.say_missing(&include.template, include.version.as_ref(), &path, problems);
                continue;
            };
            let inner = self.plan(found, &arguments, &path, budget, problems, depth);
            let steps = plan.entry("steps").or_insert_with(|| Value::Object(Map::new()));
            if let Some(steps) = steps.as_object_mut()
                && steps.insert(name.clone(), json!({ "plan": inner })).is_some()
            {
                problems.add(&path, format!("there is a step `{name}` already"), "");
            }
        }
        Value::Object(plan)
    }

    fn say_missing(&self, name: &str, version: Option<&VersionReq>, path: &str, problems: &mut Problems) {
        let Some(versions) = self.templates.get(name) else {
            let names: Vec<&str> = self.templates.keys().map(String::as_str).collect();
            let hint = match names.is_empty() {
                true => "nothing is registered".to_owned(),
                false => format!("there are: {}", names.join(", ")),
            };
            return problems.add(path, format!("there is no template `{name}`"), hint);
        };
        let versions: Vec<String> = versions.keys().map(ToString::to_string).collect();
        let version = version.map(ToString::to_string).unwrap_or_default();
        problems.add(
            path,
            format!("no version of `{name}` fits `{version}`"),
            format!("there are: {}", versions.join(", ")),
        );
    }

    fn say_missing_in(&self, said: &str, include: &Include, path: &str, problems: &mut Problems) {
        let mut missing = Problems::new(PlanFaultKind::Template);
        self.say_missing(&include.template, include.version.as_ref(), path, &mut missing);
        problems.extend_saying(said, missing);
    }
}

/// By name and version, how deep a template includes others.
type Depths<'a> = BTreeMap<(&'a str, &'a Version), usize>;

/// Says which arguments of an include its template does not take, as far as that is known before there are values.
fn fits(
    said: &str,
    template: &Template,
    include: &Include,
    included: &Template,
    path: &str,
    problems: &mut Problems,
) {
    let mut wrong = Problems::new(PlanFaultKind::Template);
    let path = child(path, "arguments");
    for (name, tree) in &include.arguments {
        let path = child(&path, name);
        let Some(parameter) = included.parameters.get(name) else {
            let names: Vec<&str> = included.parameters.keys().map(String::as_str).collect();
            let hint = format!("`{}` takes: {}", included.name, names.join(", "));
            wrong.add(&path, format!("there is no parameter `{name}`"), hint);
            continue;
        };
        match tree {
            Tree::Plain(value) => parameter.check(value, &path, &mut wrong),
            Tree::Whole(own) => {
                let Some(own) = template.parameters.get(own) else { continue };
                if own.kind() != parameter.kind() {
                    let (own, wanted) = (own.kind(), parameter.kind());
                    wrong.add(
                        &path,
                        format!("a value of type {wanted} is expected, and this is one of {own}"),
                        "",
                    );
                } else if own.may_be_missing() && parameter.is_required() {
                    wrong.add(&path, format!("`{name}` is needed, and this may be left out"), "");
                }
            }
            Tree::Text(_) | Tree::List(_) | Tree::Members(_) => {}
        }
    }
    for (name, _) in included.parameters.iter().filter(|(_, parameter)| parameter.is_required()) {
        if !include.arguments.contains_key(name) {
            wrong.add(&path, format!("the parameter `{name}` of `{}` is needed", included.name), "");
        }
    }
    problems.extend_saying(said, wrong);
}

fn parsed<T>(text: &str, parse: impl Fn(&str) -> Result<T, semver::Error>) -> Result<T, RefusedPlan> {
    parse(text).map_err(|error| {
        refused(PlanFaultKind::Template, "/version", format!("`{text}` is no version: {error}"), "")
    })
}

impl fmt::Debug for TemplateRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list()).finish()
    }
}

//! What of a crate can be named from outside.

use std::collections::BTreeSet;

use serde_json::Value;

use super::render;

/// One crate's public surface.
#[derive(Debug, Default)]
pub(super) struct Surface {
    /// One line an item, sorted.
    pub(super) lines: Vec<String>,
    /// Names of the structs, enums and type aliases that the crate defines.
    pub(super) types: BTreeSet<String>,
    pub(super) traits: BTreeSet<String>,
    /// Paths of other crates than the standard library that signatures name.
    pub(super) foreign: BTreeSet<String>,
}

/// Reads the surface from rustdoc's JSON.
pub(super) fn surface(json: &Value) -> Surface {
    let mut walk = Walk { json, surface: Surface::default(), seen: BTreeSet::new() };
    let root = json["root"].to_string();
    let name = walk.item(&root).map_or_else(String::new, |item| text(&item["name"]));
    walk.module(&root, &name);
    walk.surface.lines.sort();
    walk.surface.lines.dedup();
    walk.surface
}

struct Walk<'a> {
    json: &'a Value,
    surface: Surface,
    seen: BTreeSet<(String, String)>,
}

impl<'a> Walk<'a> {
    fn item(&self, id: &str) -> Option<&'a Value> {
        self.json["index"].get(id)
    }

    fn module(&mut self, id: &str, path: &str) {
        let Some(module) = self.item(id) else { return };
        for child in ids(&module["inner"]["module"]["items"]) {
            self.child(&child, path);
        }
    }

    /// An item of a module that is shown at `path`.
    fn child(&mut self, id: &str, path: &str) {
        let Some(item) = self.item(id) else { return };
        if item["visibility"] != "public" || !self.seen.insert((id.to_owned(), path.to_owned())) {
            return;
        }
        let Some((kind, inner)) = item["inner"].as_object().and_then(|inner| inner.iter().next()) else {
            return;
        };
        if kind == "use" {
            return self.reexport(inner, path);
        }
        self.named(id, item, kind, inner, &format!("{path}::{}", text(&item["name"])));
    }

    fn reexport(&mut self, inner: &Value, path: &str) {
        let id = inner["id"].to_string();
        let Some(item) = self.item(&id).filter(|item| item["crate_id"] == 0) else {
            return self.line(format!("use {path}::{} = {}", text(&inner["name"]), text(&inner["source"])));
        };
        if inner["is_glob"] == true {
            return self.module(&id, path);
        }
        let Some((kind, what)) = item["inner"].as_object().and_then(|inner| inner.iter().next()) else {
            return;
        };
        self.named(&id, item, kind, what, &format!("{path}::{}", text(&inner["name"])));
    }

    fn named(&mut self, id: &str, item: &Value, kind: &str, inner: &Value, path: &str) {
        let name = text(&item["name"]);
        let generics = render::generics(&inner["generics"]);
        let bounds = render::wheres(&inner["generics"]);
        match kind {
            "module" => {
                self.line(format!("mod {path}"));
                self.module(id, path);
            }
            "struct" => {
                self.surface.types.insert(name);
                self.line(format!("{}struct {path}{generics}{bounds}", marks(item)));
                let kind = &inner["kind"];
                for field in ids(&kind["plain"]["fields"]) {
                    self.field(&field, path);
                }
                let tuple = kind["tuple"].as_array().into_iter().flatten().enumerate();
                for (at, field) in tuple.filter(|(_, field)| !field.is_null()) {
                    self.tuple_field(&field.to_string(), path, at);
                }
                self.impls(inner, path);
            }
            "enum" => {
                self.surface.types.insert(name);
                self.line(format!("{}enum {path}{generics}{bounds}", marks(item)));
                for variant in ids(&inner["variants"]) {
                    self.variant(&variant, path);
                }
                self.impls(inner, path);
            }
            "type_alias" => {
                self.surface.types.insert(name);
                self.line(format!("type {path}{generics} = {}", render::ty(&inner["type"])));
            }
            "trait" => {
                self.surface.traits.insert(name);
                let supers = render::bounds(&inner["bounds"]);
                self.line(format!("trait {path}{generics}{supers}{bounds}"));
                for member in ids(&inner["items"]) {
                    self.member(&member, path, "");
                }
            }
            "function" => self.line(format!("{}fn {path}{}", marks(item), render::function(inner))),
            "constant" => self.line(format!("const {path}: {}", render::ty(&inner["type"]))),
            "static" => self.line(format!("static {path}: {}", render::ty(&inner["type"]))),
            other => self.line(format!("{other} {path}")),
        }
        self.names_of(inner);
    }

    fn field(&mut self, id: &str, path: &str) {
        let Some(item) = self.item(id).filter(|item| item["visibility"] == "public") else { return };
        let ty = &item["inner"]["struct_field"];
        self.names_of(ty);
        self.line(format!("field {path}.{}: {}", text(&item["name"]), render::ty(ty)));
    }

    fn tuple_field(&mut self, id: &str, path: &str, at: usize) {
        let Some(item) = self.item(id).filter(|item| item["visibility"] == "public") else { return };
        let ty = &item["inner"]["struct_field"];
        self.names_of(ty);
        self.line(format!("field {path}.{at}: {}", render::ty(ty)));
    }

    fn variant(&mut self, id: &str, path: &str) {
        let Some(item) = self.item(id) else { return };
        let path = format!("{path}::{}", text(&item["name"]));
        let kind = &item["inner"]["variant"]["kind"];
        let (open, fields, close) = match kind["tuple"].is_array() {
            true => ("(", &kind["tuple"], ")"),
            false => (" { ", &kind["struct"]["fields"], " }"),
        };
        let fields: Vec<String> = ids(fields)
            .iter()
            .filter_map(|id| {
                let field = self.item(id)?;
                let ty = render::ty(&field["inner"]["struct_field"]);
                Some(if open == "(" { ty } else { format!("{}: {ty}", text(&field["name"])) })
            })
            .collect();
        self.line(match fields.is_empty() {
            true => format!("variant {}{path}", marks(item)),
            false => format!("variant {}{path}{open}{}{close}", marks(item), fields.join(", ")),
        });
    }

    fn impls(&mut self, of: &Value, path: &str) {
        for id in ids(&of["impls"]) {
            let Some(item) = self.item(&id) else { continue };
            let inner = &item["inner"]["impl"];
            if !inner["blanket_impl"].is_null() {
                continue;
            }
            let head = format!("impl{}", render::generics(&inner["generics"]));
            let bounds = render::wheres(&inner["generics"]);
            if inner["trait"].is_null() {
                for member in ids(&inner["items"]) {
                    self.member(&member, path, &bounds);
                }
                continue;
            }
            let name = render::path(&inner["trait"]);
            let told = inner["is_synthetic"] == false || name == "Send" || name == "Sync";
            if told && name != "StructuralPartialEq" {
                let not = if inner["is_negative"] == true { "!" } else { "" };
                self.line(format!("{head} {not}{name} for {path} as {}{bounds}", render::ty(&inner["for"])));
            }
        }
    }

    /// A method, constant or type of a trait or of an inherent impl, which are public or go with their trait.
    fn member(&mut self, id: &str, path: &str, bounds: &str) {
        let Some(item) = self.item(id) else { return };
        if item["visibility"] != "public" && item["visibility"] != "default" {
            return;
        }
        let path = format!("{path}::{}", text(&item["name"]));
        let inner = &item["inner"];
        self.names_of(inner);
        if inner["function"].is_object() {
            let function = &inner["function"];
            self.line(format!("{}fn {path}{}{bounds}", marks(item), render::function(function)));
        } else if inner["assoc_const"].is_object() {
            self.line(format!("const {path}: {}", render::ty(&inner["assoc_const"]["type"])));
        } else {
            self.line(format!("type {path}{}", render::bounds(&inner["assoc_type"]["bounds"])));
        }
    }

    /// Notes the crates that a signature names.
    fn names_of(&mut self, value: &Value) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| self.names_of(value)),
            Value::Object(members) => {
                if let (Some(id), Some(_)) = (members.get("id"), members.get("path")) {
                    self.name_of(&id.to_string());
                }
                let impls =
                    |key: &str| matches!(key, "impls" | "implementations" | "items" | "docs" | "links");
                members.iter().filter(|(key, _)| !impls(key)).for_each(|(_, value)| self.names_of(value));
            }
            _ => {}
        }
    }

    fn name_of(&mut self, id: &str) {
        let known = &self.json["paths"][id];
        if known.is_null() || known["crate_id"] == 0 {
            return;
        }
        let krate = text(&self.json["external_crates"][known["crate_id"].to_string()]["name"]);
        if !matches!(krate.as_str(), "std" | "core" | "alloc") {
            let path: Vec<String> = known["path"].as_array().into_iter().flatten().map(text).collect();
            self.surface.foreign.insert(path.join("::"));
        }
    }

    fn line(&mut self, line: String) {
        self.surface.lines.push(line);
    }
}

/// What the attributes say to a caller.
fn marks(item: &Value) -> String {
    let attrs = item["attrs"].to_string();
    let mut marks = String::new();
    for (attr, mark) in [("must_use", "#[must_use] "), ("non_exhaustive", "#[non_exhaustive] ")] {
        if attrs.contains(attr) {
            marks.push_str(mark);
        }
    }
    marks
}

fn ids(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(Value::to_string).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

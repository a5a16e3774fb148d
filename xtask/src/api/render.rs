//! Signatures as one writes them.

use serde_json::Value;

/// `(a: A, b: B) -> C`, with generics before and conditions behind.
pub(super) fn function(function: &Value) -> String {
    let sig = &function["sig"];
    let inputs: Vec<String> = list(&sig["inputs"], |input| match input[0].as_str() {
        Some("self") => receiver(&input[1]),
        name => format!("{}: {}", name.unwrap_or("_"), ty(&input[1])),
    });
    let output = match sig["output"].is_null() {
        true => String::new(),
        false => format!(" -> {}", ty(&sig["output"])),
    };
    let header = &function["header"];
    let asynchronous = if header["is_async"] == true { " async" } else { "" };
    let constant = if header["is_const"] == true { " const" } else { "" };
    let generics = generics(&function["generics"]);
    format!(
        "{generics}({}){output}{}{constant}{asynchronous}",
        inputs.join(", "),
        wheres(&function["generics"])
    )
}

fn receiver(of: &Value) -> String {
    let borrowed = &of["borrowed_ref"];
    match (of["generic"] == "Self", borrowed["type"]["generic"] == "Self", borrowed["is_mutable"] == true) {
        (true, ..) => "self".to_owned(),
        (_, true, true) => "&mut self".to_owned(),
        (_, true, false) => "&self".to_owned(),
        _ => format!("self: {}", ty(of)),
    }
}

/// `<T: A, U>`, or nothing.
pub(super) fn generics(generics: &Value) -> String {
    let params = list(&generics["params"], param);
    let params: Vec<String> = params.into_iter().filter(|param| !param.is_empty()).collect();
    match params.is_empty() {
        true => String::new(),
        false => format!("<{}>", params.join(", ")),
    }
}

fn param(param: &Value) -> String {
    let name = text(&param["name"]);
    let kind = &param["kind"];
    if kind["type"]["is_synthetic"] == true {
        // `impl Trait` in argument position, written there.
        return String::new();
    }
    if kind["const"].is_object() {
        return format!("const {name}: {}", ty(&kind["const"]["type"]));
    }
    let default = match kind["type"]["default"].is_object() {
        true => format!(" = {}", ty(&kind["type"]["default"])),
        false => String::new(),
    };
    format!("{name}{}{default}", bounds(&kind["type"]["bounds"]))
}

/// ` where T: A`, or nothing.
pub(super) fn wheres(generics: &Value) -> String {
    let conditions = list(&generics["where_predicates"], |predicate| {
        let bound = &predicate["bound_predicate"];
        match bound.is_object() {
            true => format!("{}{}", ty(&bound["type"]), bounds(&bound["bounds"])),
            false => predicate.to_string(),
        }
    });
    match conditions.is_empty() {
        true => String::new(),
        false => format!(" where {}", conditions.join(", ")),
    }
}

/// `: A + B`, or nothing.
pub(super) fn bounds(of: &Value) -> String {
    let bounds = list(of, bound);
    match bounds.is_empty() {
        true => String::new(),
        false => format!(": {}", bounds.join(" + ")),
    }
}

fn bound(bound: &Value) -> String {
    let of = &bound["trait_bound"];
    if of.is_object() {
        let maybe = if of["modifier"] == "maybe" { "?" } else { "" };
        return format!("{maybe}{}", path(&of["trait"]));
    }
    match bound["outlives"].as_str() {
        Some(lifetime) => lifetime.to_owned(),
        None => format!("use<{}>", list(&bound["use"], captured).join(", ")),
    }
}

fn captured(captured: &Value) -> String {
    captured["param"].as_str().or_else(|| captured["lifetime"].as_str()).unwrap_or("Self").to_owned()
}

/// A type.
pub(super) fn ty(of: &Value) -> String {
    let Some((kind, inner)) = of.as_object().and_then(|of| of.iter().next()) else {
        return of.as_str().unwrap_or("_").to_owned();
    };
    match kind.as_str() {
        "resolved_path" => path(inner),
        "generic" | "primitive" => text(inner),
        "tuple" => format!("({})", list(inner, ty).join(", ")),
        "slice" => format!("[{}]", ty(inner)),
        "array" => format!("[{}; {}]", ty(&inner["type"]), text(&inner["len"])),
        "impl_trait" => format!("impl {}", list(inner, bound).join(" + ")),
        "dyn_trait" => {
            let traits = list(&inner["traits"], |of| path(&of["trait"]));
            let lifetime = inner["lifetime"].as_str().map_or_else(String::new, |name| format!(" + {name}"));
            format!("dyn {}{lifetime}", traits.join(" + "))
        }
        "borrowed_ref" => {
            let lifetime = inner["lifetime"].as_str().map_or_else(String::new, |name| format!("{name} "));
            let mutable = if inner["is_mutable"] == true { "mut " } else { "" };
            format!("&{lifetime}{mutable}{}", ty(&inner["type"]))
        }
        "qualified_path" => {
            format!("<{} as {}>::{}", ty(&inner["self_type"]), path(&inner["trait"]), text(&inner["name"]))
        }
        "function_pointer" => format!("fn{}", function(inner)),
        _ => of.to_string(),
    }
}

/// A path with its arguments, by its last name: where a thing lies is told where it is defined.
pub(super) fn path(of: &Value) -> String {
    let name = text(&of["path"]);
    let name = name.rsplit("::").next().unwrap_or_default();
    format!("{name}{}", arguments(&of["args"]))
}

fn arguments(of: &Value) -> String {
    let angles = &of["angle_bracketed"];
    if angles.is_object() {
        let mut args = list(&angles["args"], |arg| {
            arg["lifetime"].as_str().map_or_else(
                || if arg["type"].is_null() { text(&arg["const"]["expr"]) } else { ty(&arg["type"]) },
                str::to_owned,
            )
        });
        args.extend(list(&angles["constraints"], |constraint| {
            let name = text(&constraint["name"]);
            let bound = &constraint["binding"];
            match bound["equality"]["type"].is_null() {
                true => format!("{name}{}", bounds(&bound["constraint"])),
                false => format!("{name} = {}", ty(&bound["equality"]["type"])),
            }
        }));
        return if args.is_empty() { String::new() } else { format!("<{}>", args.join(", ")) };
    }
    let called = &of["parenthesized"];
    if called.is_object() {
        let output =
            if called["output"].is_null() { String::new() } else { format!(" -> {}", ty(&called["output"])) };
        return format!("({}){output}", list(&called["inputs"], ty).join(", "));
    }
    String::new()
}

fn list(of: &Value, render: impl Fn(&Value) -> String) -> Vec<String> {
    of.as_array().into_iter().flatten().map(render).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

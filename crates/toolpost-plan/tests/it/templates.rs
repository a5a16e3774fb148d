//! Templates: what they ask for, what they come to, and how they include each other.
#![expect(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "a test that cannot go on ends here")]

use serde_json::{Value, json};
use toolpost_plan::{PlanFaultKind, RefusedPlan, Template, TemplateRegistry};

use crate::support::{Made, faults, run};

/// A template with these members besides a name and a version.
fn template(name: &str, version: &str, members: Value) -> Result<Template, RefusedPlan> {
    let mut document = json!({ "name": name, "version": version });
    document.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    Template::from_json(document.to_string())
}

/// A template of one step whose arguments are these.
fn of_step(parameters: Value, arguments: Value) -> Result<Template, RefusedPlan> {
    let steps = json!({ "step": { "tool": "t", "arguments": arguments } });
    template("t", "1.0.0", json!({ "parameters": parameters, "steps": steps, "output": null }))
}

fn registry(templates: impl IntoIterator<Item = Template>) -> TemplateRegistry {
    let mut registry = TemplateRegistry::new();
    templates.into_iter().for_each(|template| registry.register(template).unwrap());
    registry
}

/// The arguments of the one step, of a template with these parameters.
fn instantiated(parameters: Value, arguments: Value, values: Value) -> Result<Value, RefusedPlan> {
    let plan = registry([of_step(parameters, arguments)?]).instantiate("t", None, &values)?;
    Ok(plan["steps"]["step"]["arguments"].clone())
}

fn paths(refused: &RefusedPlan) -> Vec<&str> {
    refused.faults().iter().map(|fault| fault.path()).collect()
}

// 1: what the originals test.

#[test]
fn a_required_parameter_that_is_missing_is_said() {
    let refused = instantiated(json!({ "a": { "type": "string" } }), json!({ "x": "${a}" }), json!({}));
    assert_eq!(paths(&refused.unwrap_err()), ["/a"]);
}

#[test]
fn a_value_of_another_type_is_refused() {
    let kinds = ["string", "number", "integer", "boolean", "array", "object"];
    let values = [json!("a"), json!(1.5), json!(1), json!(true), json!([]), json!({})];
    for kind in kinds {
        for (of, value) in kinds.iter().zip(&values) {
            let fits = kind == *of || (kind == "number" && *of == "integer");
            let made =
                instantiated(json!({ "a": { "type": kind } }), json!({ "x": "${a}" }), json!({ "a": value }));
            assert_eq!(made.is_ok(), fits, "{kind}: {value}");
        }
    }
}

#[test]
fn a_text_has_to_fit_the_pattern() {
    let parameters = json!({ "a": { "type": "string", "pattern": "[a-z]+" } });
    let made = |value: &str| instantiated(parameters.clone(), json!({ "x": "${a}" }), json!({ "a": value }));
    assert_eq!(made("abc").unwrap(), json!({ "x": "abc" }));
    assert!(made("Abc").unwrap_err().to_string().contains("[a-z]+"));
}

#[test]
fn a_default_stands_where_nothing_is_given() {
    let parameters = json!({ "a": { "type": "integer", "default": 3 } });
    let made = |values| instantiated(parameters.clone(), json!({ "x": "${a}" }), values).unwrap();
    assert_eq!(made(json!({})), json!({ "x": 3 }));
    assert_eq!(made(json!({ "a": null })), json!({ "x": 3 }), "null for none, as some serializers write it");
    assert_eq!(made(json!({ "a": 4 })), json!({ "x": 4 }));
}

#[test]
fn the_name_of_a_step_may_be_made_of_a_parameter() {
    let steps = json!({ "read_${name}": { "tool": "t" } });
    let parameters = json!({ "name": { "type": "string" } });
    let template = template("t", "1.0.0", json!({ "parameters": parameters, "steps": steps })).unwrap();
    let plan = registry([template]).instantiate("t", None, &json!({ "name": "log" })).unwrap();
    assert_eq!(plan["steps"], json!({ "read_log": { "tool": "t" } }));
}

#[test]
fn a_value_keeps_its_type_wherever_it_is_nested() {
    let parameters = json!({
        "n": { "type": "integer" }, "b": { "type": "boolean" }, "l": { "type": "array" }, "o": { "type": "object" },
        "s": { "type": "string" }
    });
    let arguments =
        json!({ "a": ["${n}", { "b": "${b}", "l": "${l}" }], "o": "${o}", "t": "${s}: ${n}, ${b}" });
    let values = json!({ "n": 7, "b": false, "l": [1, "2"], "o": { "k": null }, "s": "x" });
    let made = instantiated(parameters, arguments, values).unwrap();
    assert_eq!(
        made,
        json!({ "a": [7, { "b": false, "l": [1, "2"] }], "o": { "k": null }, "t": "x: 7, false" })
    );
}

#[test]
fn templates_are_the_same_after_they_were_written_and_read() {
    let full = json!({
        "description": "What it does.",
        "parameters": {
            "a": { "type": "string", "description": "d", "enum": ["x", "y"], "pattern": ".", "default": "x" },
            "n": { "type": "number", "minimum": 0, "maximum": 1e3, "required": false }
        },
        "include": { "inner": { "template": "inner", "version": "^1", "arguments": { "v": "${a}" } } },
        "steps": { "s": { "tool": "t", "arguments": { "${a}": ["$${", "${n}"] } } },
        "output": { "$ref": "/steps/inner/output" }
    });
    let inner = json!({ "parameters": { "v": { "type": "string" } }, "steps": { "i": { "tool": "${v}" } } });
    let before = registry([
        template("inner", "1.2.3-rc.1+b", inner.clone()).unwrap(),
        template("inner", "1.3.0", inner).unwrap(),
        template("outer", "0.1.0", full).unwrap(),
    ]);
    let after = TemplateRegistry::from_json(before.to_json()).unwrap();
    assert_eq!(after.to_json(), before.to_json());
    let values = json!({ "a": "y", "n": 5 });
    let made = |registry: &TemplateRegistry| registry.instantiate("outer", None, &values).unwrap();
    assert_eq!(made(&after), made(&before));
    for template in before.list() {
        let again = Template::from_json(template.document().to_string()).unwrap();
        assert_eq!(again.document(), template.document());
        assert_eq!(again.input_schema(), template.input_schema());
    }
}

// 2: everything at once.

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let document = json!({
        "name": "no spaces",
        "version": "1",
        "description": 3,
        "parameters": {
            "1st": { "type": "string" },
            "a": { "type": "text" },
            "b": { "type": "string", "minimum": 1, "pattern": "(", "requierd": true },
            "c": { "type": "number", "minimum": 2, "maximum": 1, "enum": [], "default": "x" },
            "d": { "type": "string", "required": true, "default": "x" }
        },
        "include": { "s": { "template": "x", "version": "newest" } },
        "steps": { "s": { "tool": "${e}", "arguments": { "t": "${", "u": { "$ref": "${b}" } } } }
    });
    let refused = Template::from_json(document.to_string()).unwrap_err();
    let found = paths(&refused);
    for path in [
        "/name",
        "/version",
        "/description",
        "/parameters/1st",
        "/parameters/a/type",
        "/parameters/b/minimum",
        "/parameters/b/pattern",
        "/parameters/b/requierd",
        "/parameters/c/maximum",
        "/parameters/c/enum",
        "/parameters/c/default",
        "/parameters/d/required",
        "/include/s/version",
        "/steps/s/tool",
        "/steps/s/arguments/t",
        "/steps/s/arguments/u/$ref",
    ] {
        assert!(found.contains(&path), "{path} is not among {found:#?}");
    }
    assert!(refused.faults().iter().all(|fault| fault.kind() == PlanFaultKind::Shape));
}

#[test]
fn missing_fields_are_said_each() {
    let refused = Template::from_json("{}").unwrap_err();
    assert_eq!(paths(&refused), ["/name", "/version", "/steps"]);
    assert_eq!(Template::from_json("[]").unwrap_err().faults().len(), 1);
    assert_eq!(Template::from_json("{").unwrap_err().faults()[0].kind(), PlanFaultKind::Json);
}

#[test]
fn a_step_or_parameter_that_is_there_twice_is_refused() {
    for text in [
        r#"{"name":"a","version":"1.0.0","steps":{"s":{},"s":{}}}"#,
        r#"{"name":"a","version":"1.0.0","parameters":{"p":{},"p":{}},"steps":{}}"#,
    ] {
        assert_eq!(Template::from_json(text).unwrap_err().faults()[0].kind(), PlanFaultKind::Json, "{text}");
    }
    let parameters = json!({ "a": { "type": "string" }, "b": { "type": "string" } });
    let refused = instantiated(parameters, json!({ "${a}": 1, "${b}": 2 }), json!({ "a": "x", "b": "x" }));
    assert!(refused.unwrap_err().to_string().contains("two members `x`"));
}

#[test]
fn all_wrong_arguments_are_said_at_once() {
    let parameters = json!({
        "a": { "type": "string" },
        "b": { "type": "number", "minimum": 1, "maximum": 2 },
        "c": { "type": "string", "enum": ["x"] }
    });
    let refused = instantiated(parameters, json!({}), json!({ "b": 3, "c": "y", "d": 1 })).unwrap_err();
    assert_eq!(paths(&refused), ["/d", "/a", "/b", "/c"]);
    assert!(refused.faults()[0].hint().unwrap().contains("a, b, c"));
    assert!(refused.faults().iter().all(|fault| fault.kind() == PlanFaultKind::Arguments));
}

// 3 and 4: versions.

fn plain(name: &str, version: &str) -> Template {
    template(name, version, json!({ "steps": { version: { "tool": "t" } } })).unwrap()
}

#[test]
fn versions_are_registered_overwritten_deleted_and_listed() {
    let mut registry = registry([plain("b", "1.0.0"), plain("a", "2.0.0"), plain("a", "1.0.0")]);
    let listed = |registry: &TemplateRegistry| -> Vec<String> {
        registry.list().map(|one| format!("{} {}", one.name(), one.version())).collect()
    };
    assert_eq!(listed(&registry), ["a 1.0.0", "a 2.0.0", "b 1.0.0"]);

    let refused = registry.register(plain("a", "1.0.0")).unwrap_err();
    assert!(refused.to_string().contains("already"), "{refused}");
    let other = template("a", "1.0.0", json!({ "description": "other", "steps": {} })).unwrap();
    assert_eq!(registry.overwrite(other).unwrap().unwrap().description(), "");
    assert_eq!(registry.find("a", Some("=1.0.0")).unwrap().description(), "other");

    assert_eq!(registry.delete("a", Some("1.0.0")).unwrap(), 1);
    assert_eq!(registry.delete("a", Some("1.0.0")).unwrap(), 0);
    assert_eq!(listed(&registry), ["a 2.0.0", "b 1.0.0"]);
    assert_eq!(registry.delete("a", None).unwrap(), 1);
    assert_eq!(registry.delete("a", None).unwrap(), 0);
    assert!(registry.delete("b", Some("newest")).is_err());
    assert_eq!(listed(&registry), ["b 1.0.0"]);
}

#[test]
fn versions_are_in_the_order_of_semver() {
    let registry = registry(
        ["1.9.0", "1.10.0", "1.10.0-rc.1", "1.10.0-rc.10", "1.10.0-rc.2", "2.0.0-beta"]
            .map(|version| plain("a", version)),
    );
    let versions: Vec<String> = registry.list().map(|one| one.version()).collect();
    assert_eq!(versions, ["1.9.0", "1.10.0-rc.1", "1.10.0-rc.2", "1.10.0-rc.10", "1.10.0", "2.0.0-beta"]);
    let found = |version: Option<&str>| registry.find("a", version).map(|one| one.version());
    assert_eq!(found(None).unwrap(), "1.10.0", "the newest release");
    assert_eq!(found(Some("^1")).unwrap(), "1.10.0");
    assert_eq!(found(Some("<1.10")).unwrap(), "1.9.0");
    assert_eq!(found(Some("=2.0.0-beta")).unwrap(), "2.0.0-beta");
    assert_eq!(found(Some("^2")), None, "a pre-release is asked for by name");
    assert_eq!(found(Some("newest")), None);
    let only = self::registry([plain("b", "1.0.0-rc.1")]);
    assert_eq!(only.find("b", None).unwrap().version(), "1.0.0-rc.1", "where there is nothing else");
    let refused = registry.instantiate("a", Some("^2"), &json!({})).unwrap_err();
    assert!(refused.faults()[0].hint().unwrap().contains("2.0.0-beta"), "{refused}");
    assert_eq!(refused.faults()[0].kind(), PlanFaultKind::Template);
}

// 5: one pass.

#[test]
fn a_value_is_not_looked_through() {
    let parameters = json!({ "a": { "type": "string" }, "b": { "type": "string" } });
    let arguments = json!({ "x": "${a}", "y": "<${a}>", "z": "${b}${a}" });
    let made = instantiated(parameters, arguments, json!({ "a": "${b}", "b": "secret" })).unwrap();
    assert_eq!(made, json!({ "x": "${b}", "y": "<${b}>", "z": "secret${b}" }));
}

#[test]
fn an_escape_is_the_text_itself() {
    let parameters = json!({ "a": { "type": "string" } });
    let arguments = json!({ "x": "$${a} ${a} $", "$${k}": "$5" });
    let made = instantiated(parameters, arguments, json!({ "a": "v" })).unwrap();
    assert_eq!(made, json!({ "x": "${a} v $", "${k}": "$5" }));
}

#[test]
fn a_value_that_says_it_is_a_reference_is_data() {
    let parameters = json!({ "a": { "type": "object" }, "l": { "type": "array" } });
    let hostile = json!({ "$ref": "/steps/secret/output" });
    let made = instantiated(
        parameters,
        json!({ "x": "${a}", "y": "${l}" }),
        json!({ "a": hostile, "l": [{ "k": { "$cel": "1" } }] }),
    );
    assert_eq!(
        made.unwrap(),
        json!({ "x": { "$literal": hostile }, "y": { "$literal": [{ "k": { "$cel": "1" } }] } })
    );
}

#[test]
fn a_value_in_the_name_of_a_member_makes_no_reference() {
    let parameters = json!({ "key": { "type": "string" }, "value": { "type": "string" } });
    let made = |key: &str| {
        let arguments = json!({ "headers": { "${key}": "${value}" } });
        instantiated(parameters.clone(), arguments, json!({ "key": key, "value": "/steps/secret/output" }))
    };
    for key in ["$ref", "$cel", "$literal"] {
        let refused = made(key).unwrap_err();
        assert!(refused.to_string().contains("a value makes the member"), "{refused}");
    }
    assert_eq!(made("x").unwrap()["headers"]["x"], "/steps/secret/output");
}

#[test]
fn a_value_in_an_expression_is_a_literal() {
    let steps = json!({ "s": {
        "tool": "t",
        "when": "steps.a.output == ${v} && ${n} < 3 && ${l} != []",
        "arguments": { "when": "at ${v}", "size": { "$cel": "size(${v})" } }
    } });
    let parameters =
        json!({ "v": { "type": "string" }, "n": { "type": "number" }, "l": { "type": "array" } });
    let template = template("t", "1.0.0", json!({ "parameters": parameters, "steps": steps })).unwrap();
    let values = json!({ "v": "' || true || \"\\", "n": 1.5, "l": [1, "a"] });
    let plan = registry([template]).instantiate("t", None, &values).unwrap();
    let step = &plan["steps"]["s"];
    assert_eq!(step["when"], r#"steps.a.output == "' || true || \"\\" && 1.5 < 3 && [1,"a"] != []"#);
    assert_eq!(step["arguments"]["when"], r#"at ' || true || "\"#, "an argument of that name is a text");
    assert_eq!(step["arguments"]["size"]["$cel"], r#"size("' || true || \"\\")"#);
}

#[test]
fn a_value_in_a_pointer_leads_nowhere_else() {
    let parameters = json!({ "a": { "type": "string" } });
    let arguments = json!({ "x": { "$ref": "/steps/s/output/${a}" } });
    let made = instantiated(parameters, arguments, json!({ "a": "k/../~" })).unwrap();
    assert_eq!(made, json!({ "x": { "$ref": "/steps/s/output/k~1..~1~0" } }));
}

// 6: what the originals get wrong.

#[test]
fn a_boolean_is_no_number() {
    for kind in ["number", "integer"] {
        let made =
            instantiated(json!({ "a": { "type": kind } }), json!({ "x": "${a}" }), json!({ "a": true }));
        assert!(made.is_err(), "{kind}");
    }
    let made =
        instantiated(json!({ "a": { "type": "integer" } }), json!({ "x": "${a}" }), json!({ "a": 1.5 }));
    assert!(made.is_err());
}

#[test]
fn a_pattern_is_fitted_whole() {
    let parameters = json!({ "a": { "type": "string", "pattern": "json|csv" } });
    let made = |value: &str| instantiated(parameters.clone(), json!({}), json!({ "a": value })).is_ok();
    assert!(made("json") && made("csv"));
    for value in ["jsonEVIL", "xcsv", "json\n", "csv\nx", ""] {
        assert!(!made(value), "{value:?}");
    }
    for pattern in ["a)|(b", "(?x) a # b", "("] {
        let pattern = json!({ "a": { "type": "string", "pattern": pattern } });
        let made = of_step(pattern.clone(), json!({}));
        // One that cannot be put whole between anchors is refused, rather than fitted in part.
        assert!(made.is_err(), "{pattern}");
    }
}

#[test]
fn an_unknown_parameter_is_refused() {
    let refused = instantiated(json!({}), json!({}), json!({ "a": 1 })).unwrap_err();
    assert_eq!(paths(&refused), ["/a"]);
}

#[test]
fn an_unknown_placeholder_is_refused() {
    for place in [json!({ "x": "${b}" }), json!({ "x": "t ${b}" }), json!({ "${b}": 1 }), json!([["${b}"]])] {
        let refused = of_step(json!({ "a": { "type": "string" } }), place).unwrap_err();
        assert!(refused.to_string().contains("no parameter `b`"), "{refused}");
    }
}

#[test]
fn what_is_no_part_of_a_text_is_refused() {
    let parameters = json!({ "o": { "type": "object" }, "m": { "type": "string", "required": false } });
    for text in ["t ${o}", "t ${m}"] {
        let refused = of_step(parameters.clone(), json!({ "x": text })).unwrap_err();
        assert_eq!(paths(&refused), ["/steps/step/arguments/x"], "{text}");
    }
}

#[test]
fn a_parameter_that_is_left_out_leaves_its_member_out() {
    let parameters = json!({ "m": { "type": "string", "required": false } });
    let made = |values| instantiated(parameters.clone(), json!({ "x": "${m}", "y": ["${m}", 1] }), values);
    assert_eq!(made(json!({})).unwrap(), json!({ "y": [1] }));
    assert_eq!(made(json!({ "m": "v" })).unwrap(), json!({ "x": "v", "y": ["v", 1] }));
}

#[test]
fn a_default_is_checked() {
    for parameter in [
        json!({ "type": "string", "default": 1 }),
        json!({ "type": "integer", "default": 1.5 }),
        json!({ "type": "integer", "maximum": 2, "default": 3 }),
        json!({ "type": "string", "enum": ["a"], "default": "b" }),
        json!({ "type": "string", "pattern": "a", "default": "aa" }),
    ] {
        let refused = of_step(json!({ "p": parameter }), json!({})).unwrap_err();
        assert_eq!(paths(&refused), ["/parameters/p/default"], "{parameter}");
    }
}

#[test]
fn a_range_holds_for_numbers_of_any_size() {
    let parameters = json!({ "n": { "type": "number", "minimum": -1, "maximum": u64::MAX } });
    let made = |value: Value| instantiated(parameters.clone(), json!({}), json!({ "n": value })).is_ok();
    assert!(made(json!(u64::MAX)) && made(json!(-1)) && made(json!(-0.5)));
    assert!(!made(json!(-2)) && !made(json!(1e30)) && !made(json!(i64::MIN)));
}

// 7: includes.

/// A template that includes another of these names and versions.
fn including(name: &str, version: &str, included: &[(&str, Option<&str>)]) -> Template {
    let include: serde_json::Map<String, Value> = included
        .iter()
        .map(|(template, version)| {
            let include = match version {
                Some(version) => json!({ "template": template, "version": version }),
                None => json!({ "template": template }),
            };
            ((*template).to_owned(), include)
        })
        .collect();
    template(name, version, json!({ "include": include, "steps": { "own": { "tool": version } } })).unwrap()
}

#[test]
fn a_chain_of_includes_is_plans_within_plans() {
    let registry = registry([
        including("c", "1.0.0", &[]),
        including("b", "1.0.0", &[("c", None)]),
        including("a", "1.0.0", &[("b", None)]),
    ]);
    let plan = registry.instantiate("a", None, &json!({})).unwrap();
    assert_eq!(
        plan["steps"]["b"]["plan"]["steps"]["c"]["plan"]["steps"],
        json!({ "own": { "tool": "1.0.0" } })
    );
}

#[test]
fn a_cycle_of_includes_is_refused_with_its_path() {
    let mut registry = registry([
        including("c", "1.0.0", &[]),
        including("b", "1.0.0", &[("c", None)]),
        including("a", "1.0.0", &[("b", None)]),
    ]);
    let before = registry.to_json();
    let refused = registry.overwrite(including("c", "1.0.0", &[("a", None)])).unwrap_err();
    assert!(refused.to_string().contains("a -> b -> c -> a"), "{refused}");
    // A newer version is what the others include then.
    assert!(registry.register(including("c", "1.1.0", &[("b", None)])).is_err());
    assert!(registry.register(including("d", "1.0.0", &[("d", None)])).is_err());
    assert_eq!(registry.to_json(), before, "nothing has changed");
    let listed = json!({ "templates": [
        including("x", "1.0.0", &[("y", None)]).document(), including("y", "1.0.0", &[("x", None)]).document()
    ] });
    assert!(TemplateRegistry::from_json(listed.to_string()).unwrap_err().to_string().contains("x -> y -> x"));
}

#[test]
fn a_missing_include_is_refused_and_what_is_included_is_not_deleted() {
    let mut registry = TemplateRegistry::new();
    let refused = registry.register(including("a", "1.0.0", &[("b", Some("^1"))])).unwrap_err();
    assert_eq!(paths(&refused), ["/include/b"]);
    registry.register(including("b", "2.0.0", &[])).unwrap();
    let refused = registry.register(including("a", "1.0.0", &[("b", Some("^1"))])).unwrap_err();
    assert!(refused.faults()[0].hint().unwrap().contains("2.0.0"), "{refused}");
    registry.register(including("b", "1.0.0", &[])).unwrap();
    registry.register(including("a", "1.0.0", &[("b", Some("^1"))])).unwrap();
    assert!(registry.delete("b", Some("1.0.0")).is_err());
    assert_eq!(registry.delete("b", Some("2.0.0")).unwrap(), 1);
    assert!(registry.delete("b", None).is_err());
    assert_eq!(registry.delete("a", None).unwrap(), 1);
    assert_eq!(registry.delete("b", None).unwrap(), 1);
}

#[test]
fn an_include_is_of_the_version_that_is_pinned() {
    let registry = registry([
        including("b", "1.0.0", &[]),
        including("b", "1.2.0", &[]),
        including("b", "2.0.0", &[]),
        including("pinned", "1.0.0", &[("b", Some("=1.0.0"))]),
        including("caret", "1.0.0", &[("b", Some("^1"))]),
        including("newest", "1.0.0", &[("b", None)]),
    ]);
    for (name, version) in [("pinned", "1.0.0"), ("caret", "1.2.0"), ("newest", "2.0.0")] {
        let plan = registry.instantiate(name, None, &json!({})).unwrap();
        assert_eq!(plan["steps"]["b"]["plan"]["steps"]["own"]["tool"], version, "{name}");
    }
}

#[test]
fn arguments_of_an_include_are_checked_before_there_are_values() {
    let inner = template(
        "inner",
        "1.0.0",
        json!({ "parameters": {
            "n": { "type": "integer", "maximum": 3 }, "s": { "type": "string", "default": "" }
        }, "steps": {} }),
    )
    .unwrap();
    let mut registry = registry([inner]);
    let mut faults = |arguments: Value| -> Vec<String> {
        let outer = template(
            "outer",
            "1.0.0",
            json!({
                "parameters": { "t": { "type": "string" }, "i": { "type": "integer" } },
                "include": { "inner": { "template": "inner", "arguments": arguments } },
            }),
        );
        match registry.overwrite(outer.unwrap()) {
            Ok(_) => Vec::new(),
            Err(refused) => paths(&refused).into_iter().map(str::to_owned).collect(),
        }
    };
    let at = "/include/inner/arguments";
    assert_eq!(faults(json!({ "n": "${i}" })), [""; 0]);
    assert_eq!(faults(json!({})), [at]);
    assert_eq!(faults(json!({ "n": 4 })), [format!("{at}/n")]);
    assert_eq!(faults(json!({ "n": "${t}", "x": 1 })), [format!("{at}/n"), format!("{at}/x")]);
}

#[test]
fn values_go_through_includes_as_they_are() {
    let inner = json!({ "parameters": { "v": { "type": "object" } }, "steps": { "i": { "tool": "t",
        "arguments": { "x": "${v}" } } } });
    let outer = json!({ "parameters": { "w": { "type": "object" } },
        "include": { "in": { "template": "inner", "arguments": { "v": "${w}" } } } });
    let registry =
        registry([template("inner", "1.0.0", inner).unwrap(), template("outer", "1.0.0", outer).unwrap()]);
    let value = json!({ "$ref": "/steps/i/output", "text": "${w}" });
    let plan = registry.instantiate("outer", None, &json!({ "w": value })).unwrap();
    assert_eq!(plan["steps"]["in"]["plan"]["steps"]["i"]["arguments"]["x"], json!({ "$literal": value }));
}

#[test]
fn a_plan_that_would_be_huge_is_refused() {
    // Each includes the next twice: 2^8 of the last one.
    let mut templates = vec![
        template(
            "t8",
            "1.0.0",
            json!({ "parameters": { "v": { "type": "string" } },
            "steps": { "s": { "tool": "t", "arguments": { "x": "${v}" } } } }),
        )
        .unwrap(),
    ];
    for n in (1..8).rev() {
        let next = json!({ "template": format!("t{}", n + 1), "arguments": { "v": "${v}" } });
        let members =
            json!({ "parameters": { "v": { "type": "string" } }, "include": { "a": next, "b": next } });
        templates.push(template(&format!("t{n}"), "1.0.0", members).unwrap());
    }
    let registry = registry(templates);
    assert!(registry.instantiate("t1", None, &json!({ "v": "short" })).is_ok());
    let refused = registry.instantiate("t1", None, &json!({ "v": "x".repeat(10_000) })).unwrap_err();
    assert!(refused.to_string().contains("longer than"), "{refused}");
}

#[test]
fn includes_have_a_depth() {
    let mut registry = TemplateRegistry::new();
    registry.register(including("t0", "1.0.0", &[])).unwrap();
    for n in 1..=8 {
        let inner = format!("t{}", n - 1);
        registry.register(including(&format!("t{n}"), "1.0.0", &[(&inner, None)])).unwrap();
    }
    let refused = registry.register(including("t9", "1.0.0", &[("t8", None)])).unwrap_err();
    assert!(refused.to_string().contains("deeper than 8"), "{refused}");
}

#[test]
fn what_it_comes_to_is_checked_as_any_plan_and_an_own_step_may_depend_on_an_included_one() {
    let first = json!({
        "parameters": { "glob": { "type": "string", "default": "*.md" } },
        "steps": {
            "files": { "tool": "list_files", "arguments": { "glob": "${glob}" } },
            "read": { "tool": "read_file", "arguments": { "path": { "$ref": "/steps/files/output/files/0/path" } } }
        },
        "output": { "$ref": "/steps/read/output/content" }
    });
    let outer = json!({
        "include": { "first": { "template": "first", "arguments": { "glob": "*.txt" } } },
        "steps": { "read": { "tool": "echo", "arguments": { "text": { "$ref": "/steps/first/output" } } } },
        "output": { "$ref": "/steps/read/output/text" }
    });
    let broken = json!({
        "include": { "first": { "template": "first" } },
        "steps": {
            "a": { "tool": "ehco", "arguments": { "x": { "$ref": "/steps/b/output" } } },
            "b": { "tool": "echo", "after": ["a"], "arguments": { "y": { "$ref": "/steps/files/output" } } }
        },
        "output": null
    });
    let registry = registry([
        template("first", "1.0.0", first).unwrap(),
        template("outer", "1.0.0", outer).unwrap(),
        template("broken", "1.0.0", broken).unwrap(),
    ]);
    let plan = registry.instantiate("outer", None, &json!({})).unwrap();
    let made = Made::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    assert_eq!(runtime.block_on(run(&plan, &made)).unwrap(), json!("text of a.md"));
    assert_eq!(made.calls.lock().unwrap()[0].1, r#"{"glob":"*.txt"}"#);

    let broken = registry.instantiate("broken", None, &json!({})).unwrap();
    let kinds: Vec<PlanFaultKind> = faults(&broken).into_iter().map(|(kind, _)| kind).collect();
    for kind in [PlanFaultKind::UnknownTool, PlanFaultKind::MissingStep] {
        assert!(kinds.contains(&kind), "{kind:?} is not among {kinds:?}");
    }
}

#[test]
fn any_text_is_a_literal_that_an_expression_reads_as_it_is() {
    let template = template(
        "t",
        "1.0.0",
        json!({ "parameters": { "v": { "type": "string" } }, "steps": {}, "output": { "$cel": "${v}" } }),
    )
    .unwrap();
    let registry = registry([template]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let all: String =
        (0..0x250).filter_map(char::from_u32).chain("\u{2028}\u{1f600}'\"\\`".chars()).collect();
    for value in ["", "' || true", "\"\\", "a\nb\tc\r\u{8}\u{c}", &all] {
        let plan = registry.instantiate("t", None, &json!({ "v": value })).unwrap();
        assert_eq!(runtime.block_on(run(&plan, &Made::default())).unwrap(), json!(value));
    }
}

#[test]
fn the_schema_of_arguments_says_what_there_is() {
    let template = of_step(
        json!({
            "a": { "type": "string", "description": "d", "pattern": "x+" },
            "n": { "type": "integer", "minimum": 1, "maximum": 5, "default": 2 },
            "o": { "type": "object", "required": false }
        }),
        json!({}),
    )
    .unwrap();
    assert_eq!(
        template.input_schema(),
        json!({
            "type": "object",
            "properties": {
                "a": { "type": "string", "description": "d", "pattern": "^(?:x+)$" },
                "n": { "type": "integer", "minimum": 1, "maximum": 5, "default": 2 },
                "o": { "type": "object" }
            },
            "required": ["a"],
            "additionalProperties": false
        })
    );
}

#[test]
fn a_registry_has_room_for_a_thousand() {
    let versions: Vec<Value> =
        (0..1_000).map(|n| json!({ "name": "a", "version": format!("{n}.0.0"), "steps": {} })).collect();
    let mut registry = TemplateRegistry::from_json(json!({ "templates": versions }).to_string()).unwrap();
    assert!(registry.register(plain("b", "1.0.0")).unwrap_err().to_string().contains("1000"));
    assert_eq!(registry.delete("a", Some("7.0.0")).unwrap(), 1);
    registry.register(plain("b", "1.0.0")).unwrap();
}

#[test]
fn parameters_and_includes_are_counted() {
    let many = |count: usize, value: Value| -> Value {
        (0..count).map(|n| (format!("p{n}"), value.clone())).collect::<serde_json::Map<_, _>>().into()
    };
    let parameters = |count| of_step(many(count, json!({ "type": "string" })), json!({}));
    assert!(parameters(64).is_ok());
    assert_eq!(paths(&parameters(65).unwrap_err()), ["/parameters"]);
    let includes =
        |count| template("t", "1.0.0", json!({ "include": many(count, json!({ "template": "x" })) }));
    assert!(includes(32).is_ok());
    assert_eq!(paths(&includes(33).unwrap_err()), ["/include"]);
}

#[test]
fn a_pattern_is_bounded() {
    let pattern =
        |pattern: String| of_step(json!({ "a": { "type": "string", "pattern": pattern } }), json!({}));
    assert!(pattern("a".repeat(1_000)).is_ok());
    assert!(pattern("a".repeat(1_001)).is_err());
    assert!(pattern(r"(\w{500}){500}".to_owned()).is_err());
    assert!(pattern(format!("{}{}", "(".repeat(400), ")".repeat(400))).is_err());
}

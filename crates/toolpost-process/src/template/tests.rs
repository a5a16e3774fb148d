//! What templates make of arguments, and what they refuse.
#![expect(clippy::needless_pass_by_value, reason = "arguments are made where they are given")]

use serde_json::json;
use toolpost_tool::{Call, ErrorKind};

use super::*;

/// A template of `prog`: `[a b]` in the list is a group.
fn template(arguments: &[&str], stdin: Option<&str>) -> Result<Template, Vec<String>> {
    let words = |text: &&str| match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(group) => Words::Group(group.split(' ').map(str::to_owned).collect()),
        None => Words::One((*text).to_owned()),
    };
    let words: Vec<Words> = arguments.iter().map(words).collect();
    let mut faults = Vec::new();
    let template = Template::read("prog", &words, stdin, &mut faults);
    if faults.is_empty() { Ok(template) } else { Err(faults) }
}

fn filled(arguments: &[&str], given: Value) -> Result<Vec<String>, String> {
    let template = template(arguments, None).unwrap();
    match template.fill(Call::new(&given).unwrap().arguments()) {
        Ok(line) => Ok(line.arguments),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::InvalidArguments);
            Err(error.to_string())
        }
    }
}

#[track_caller]
fn fills(arguments: &[&str], given: Value, expected: &[&str]) {
    assert_eq!(filled(arguments, given).unwrap(), expected);
}

#[track_caller]
fn refuses(arguments: &[&str], given: Value, expected: &str) {
    let error = filled(arguments, given).unwrap_err();
    assert!(error.contains(expected), "{error}");
}

#[track_caller]
fn faulty(arguments: &[&str], stdin: Option<&str>, expected: &str) {
    let faults = template(arguments, stdin).unwrap_err().join("\n");
    assert!(faults.contains(expected), "{faults}");
}

#[test]
fn values_stay_within_their_arguments() {
    let hostile = "a b; $(rm -rf /) `x` 'y' \"z\" * \n ä";
    fills(&["{text}"], json!({ "text": hostile }), &[hostile]);
    fills(&["--x={a}/{b}"], json!({ "a": "1 2", "b": "{a}" }), &["--x=1 2/{a}"]);
    fills(&["{a}"], json!({ "a": "" }), &[""]);
    fills(&["{a}", "{a}"], json!({ "a": "same" }), &["same", "same"]);
    fills(&["{{{a}}}", "}}{{"], json!({ "a": "x" }), &["{x}", "}{"]);
    fills(&["plain"], json!({}), &["plain"]);
}

#[test]
fn types_are_kept() {
    fills(
        &["{n:integer}", "{x:number}", "{b:boolean}"],
        json!({ "n": 7, "x": 1.5, "b": true }),
        &["7", "1.5", "true"],
    );
    fills(&["{any}", "{other}"], json!({ "any": 7, "other": false }), &["7", "false"]);
    fills(&["{v:json}"], json!({ "v": { "a": [1, null] } }), &[r#"{"a":[1,null]}"#]);
    fills(&["{}"], json!({ "a": 1 }), &[r#"{"a":1}"#]);
    refuses(&["{n:integer}"], json!({ "n": 1.5 }), "argument `n`: expected an integer, got a number");
    refuses(&["{n:integer}"], json!({ "n": "7" }), "expected an integer, got a string");
    refuses(&["{s:string}"], json!({ "s": 7 }), "expected a string, got a number");
    refuses(&["{s}"], json!({ "s": ["x"] }), "expected a string, a number or a boolean, got a list");
    refuses(&["{s}"], json!({ "s": null }), "got null");
    refuses(&["{s...:}"].map(|_| "{s:integer...}"), json!({ "s": [1, "x"] }), "item 1: expected an integer");
    refuses(&["{s...}"], json!({ "s": "x" }), "argument `s`: expected a list, got a string");
    refuses(&["x{all!}"], json!({ "all": "yes" }), "argument `all`: expected a boolean, got a string");
}

#[test]
fn what_may_be_missing_takes_its_argument_or_group_with_it() {
    let optional = &["a", "--path={path?}", "[--limit {limit:integer?}]", "z"];
    fills(optional, json!({}), &["a", "z"]);
    fills(optional, json!({ "path": null, "limit": null }), &["a", "z"]);
    fills(optional, json!({ "path": "p", "limit": 3 }), &["a", "--path=p", "--limit", "3", "z"]);
    fills(&["--all{all!}", "[-v -v{loud!}]"], json!({ "all": true, "loud": true }), &["--all", "-v", "-v"]);
    fills(&["--all{all!}"], json!({ "all": false }), &[]);
    fills(&["[-v {loud!}]", "{loud!}"], json!({ "loud": true }), &["-v"]);
    fills(&["--all{all!}"], json!({}), &[]);
    refuses(&["{path}"], json!({}), "argument `path`: is missing");
}

#[test]
fn lists_are_repeated_or_joined() {
    fills(&["{p...}"], json!({ "p": ["a", "b c"] }), &["a", "b c"]);
    fills(&["-I{p...}"], json!({ "p": ["a", "b"] }), &["-Ia", "-Ib"]);
    fills(&["[-e {p...}]"], json!({ "p": ["a", "b"] }), &["-e", "a", "-e", "b"]);
    fills(&["[-e {p...} {q}]"], json!({ "p": ["a", "b"], "q": "x" }), &["-e", "a", "x", "-e", "b", "x"]);
    fills(&["--only={p,}"], json!({ "p": ["a", "b"] }), &["--only=a,b"]);
    fills(&["{p...?}", "{q,?}"], json!({ "p": [] }), &[]);
    fills(&["{n:integer,}"], json!({ "n": [1, 2] }), &["1,2"]);
    refuses(&["{p...}"], json!({ "p": [] }), "argument `p`: is an empty list");
    refuses(&["{p,}"], json!({}), "argument `p`: is missing");
    refuses(&["{p,}"], json!({ "p": ["a", "b,c"] }), "item 1 has a comma");
}

#[test]
fn a_value_begins_no_option_unless_the_template_says_so() {
    for value in ["-", "-x", "--output=x", "--"] {
        refuses(&["{v}"], json!({ "v": value }), "argument `v`: begins with `-`, and `prog` would take it");
        refuses(&["[-e {v}]"], json!({ "v": value }), "begins with `-`");
        refuses(&["{v...}"], json!({ "v": ["a", value] }), "begins with `-`");
        fills(&["--", "{v}"], json!({ "v": value }), &["--", value]);
        fills(&["{-v}"], json!({ "v": value }), &[value]);
        fills(&["--v={v}", "x{v}"], json!({ "v": value }), &[&format!("--v={value}"), &format!("x{value}")]);
    }
    refuses(&["{n:integer}"], json!({ "n": -5 }), "begins with `-`");
    refuses(&["{a}{b}"], json!({ "a": "", "b": "-x" }), "argument `a`: begins with `-`");
    // Dashes that may be missing guard nothing behind them.
    refuses(&["[-- {a?}]", "{b}"], json!({ "b": "-x" }), "begins with `-`");
    fills(&["[-- {a?}]"], json!({ "a": "-x" }), &["--", "-x"]);
    faulty(&["--{name}"], None, "argv[1]: `--{name}` lets a caller choose the option");
    faulty(&["-{name}"], None, "lets a caller choose the option");
    fills(&["--{-name}=1"], json!({ "name": "x" }), &["--x=1"]);
}

#[test]
fn what_no_program_can_take_is_refused() {
    refuses(&["x{v}"], json!({ "v": "a\0b" }), "argument `v`: has a NUL byte");
    let long = "x".repeat(ARGUMENT_MAX);
    fills(&["{v}"], json!({ "v": long }), &[&long]);
    refuses(&["x{v}"], json!({ "v": long }), "makes 131072 bytes");
    refuses(&["{v...}"], json!({ "v": vec![&long; 9] }), "a command line of more than 1048576 bytes");
    // Values are not shown: they may be secrets.
    let error = filled(&["{v}"], json!({ "v": "-hunter2\0" })).unwrap_err();
    assert!(!error.contains("hunter"), "{error}");
}

#[test]
fn stdin_is_text_with_values() {
    let text = |stdin: &str, given: Value| {
        let line = template(&[], Some(stdin)).unwrap().fill(Call::new(&given).unwrap().arguments());
        line.map(|line| line.stdin.unwrap()).map_err(|error| error.to_string())
    };
    assert_eq!(text("{q};\n", json!({ "q": "select '-\0'" })).unwrap(), "select '-\0';\n");
    assert_eq!(text(r#"{{"q": {q:json}}}"#, json!({ "q": "\"" })).unwrap(), r#"{"q": "\""}"#);
    assert_eq!(text("{}", json!({ "a": [1] })).unwrap(), r#"{"a":[1]}"#);
    assert_eq!(text("a{b?}c{d,?}", json!({})).unwrap(), "ac");
    assert!(text("{q}", json!({})).unwrap_err().contains("argument `q`: is missing"));
    faulty(&[], Some("{q...}"), "stdin: `{q}` takes an argument with it");
    faulty(&[], Some("{q!}"), "there is none in stdin");
}

#[test]
fn faults_are_told_all_at_once_each_with_its_place() {
    let mut faults = Vec::new();
    let words =
        ["{a", "b}", "{c:text}", "{d e}", "{f!?}", "{g:json,}", "{h}", "{h...}", "{i:integer}", "{i:string}"];
    let words: Vec<Words> = words.iter().map(|word| Words::One((*word).to_owned())).collect();
    drop(Template::read("{prog}", &words, Some("{"), &mut faults));
    let expected = [
        "argv[0]: `{prog}` has braces",
        "argv[1]: `{a` has a `{` that nothing closes",
        "argv[2]: `b}` has a `}` that closes nothing",
        "argv[3]: `{c:text}` has no type `text`",
        "argv[4]: `{d e}` names no argument",
        "argv[5]: `{f!?}` is a flag",
        "argv[6]: `{g:json,}` joins JSON values",
        "stdin: `{` has a `{`",
        "argv: `h` is one value in one place and a list in another",
        "argv: `i` is an integer in one place and a string in another",
    ];
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
    for (fault, expected) in faults.iter().zip(expected) {
        assert!(fault.contains(expected), "{fault}");
    }
    faulty(&["{n:intger}"], None, "did you mean `integer`?");
    faulty(&["[{a...} {b...}]"], None, "argv[1]: repeats for `a` and for `b`");
}

#[test]
fn the_schema_is_that_of_the_places() {
    let template = template(
        &["{a}", "{b:integer?}", "{c...}", "{d:number,?}", "-x{e!}", "{f:json}", "{a:integer?}"],
        None,
    );
    assert_eq!(
        template.unwrap().schema(),
        json!({
            "type": "object",
            "properties": {
                "a": { "type": "integer" },
                "b": { "type": "integer" },
                "c": { "type": "array", "items": { "type": "string" }, "minItems": 1 },
                "d": { "type": "array", "items": { "type": "number" } },
                "e": { "type": "boolean" },
                "f": {},
            },
            "required": ["a", "c", "f"],
            "additionalProperties": false,
        })
    );
}

#[test]
fn a_given_schema_has_the_names_of_the_template() {
    let faults = |schema: Value| {
        let mut faults = Vec::new();
        template(&["{path}", "{limit?}"], None).unwrap().held_to(&schema, &mut faults);
        faults
    };
    let properties = json!({ "path": {}, "limit": { "type": "integer" } });
    assert!(faults(json!({ "type": "object", "properties": properties, "required": ["path"] })).is_empty());
    assert_eq!(
        faults(json!({ "type": "object", "properties": properties })),
        [
            "input-schema: `path` is not in `required`, and the template needs it; add it there, or write `{path?}`"
        ]
    );
    let found = faults(json!({ "type": "object", "properties": { "paht": {}, "limit": {} } }));
    assert_eq!(
        found,
        [
            "input-schema: has no property `path`, which the template takes; did you mean `paht`?",
            "input-schema: has a property `paht`, which goes nowhere in the template; did you mean `path`?",
        ]
    );
    assert!(faults(json!({}))[0].contains("its `type` must be \"object\""));
}

#[test]
fn a_template_is_bounded() {
    let words = vec![Words::One("x".into()); 257];
    let mut faults = Vec::new();
    drop(Template::read("prog", &words, Some(&"{a}".repeat(65)), &mut faults));
    assert_eq!(faults, ["argv: has 257 items, and 256 at most are read", "stdin: has more than 64 parts"]);
}

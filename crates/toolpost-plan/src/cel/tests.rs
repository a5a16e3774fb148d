//! Expressions by themselves, and beside the crate `cel`.

use proptest::prelude::*;
use serde_json::{Value, json};
use toolpost_json::Frame;

use super::{Budget, Names, Program};
use crate::expression::{Found, Lookup, Source};
use crate::value::PlanValue;

struct Input(PlanValue);

impl<'a> Lookup<'a> for &'a Input {
    fn find(&self, _: Source) -> Found<'a> {
        Found::Value(&self.0)
    }
}

struct Known;

impl Names for Known {
    fn step(&mut self, name: &str) -> Result<Source, String> {
        Err(format!("no step {name}"))
    }

    fn variable(&mut self, name: &str) -> Result<Source, String> {
        (name == "input").then_some(Source::Input).ok_or_else(|| format!("no `{name}`"))
    }

    fn part(&mut self, _: Source, _: &[&str]) -> Result<(), String> {
        Ok(())
    }
}

const BUDGET: Budget = Budget { steps: 10_000, bytes: 1 << 20 };

fn evaluated(text: &str, input: &Value) -> Result<Value, String> {
    let program = Program::read(text, &mut Known)?;
    let input = Input(PlanValue::of_frame(Frame::from_serialize(input).unwrap()));
    let mut out = Vec::new();
    program.write(&&input, &BUDGET, &mut out).map_err(|failure| failure.to_string())?;
    Ok(serde_json::from_slice(&out).unwrap())
}

#[test]
fn expressions_come_to_what_cel_says() {
    let input = json!({ "n": 3, "f": 2.5, "s": "a\u{e9}b", "l": [1, 2, 3], "m": { "a": { "b": null } }, "big": 9_007_199_254_740_993_u64 });
    for (text, value) in [
        ("1 + 2 * 3 - 4 / 2 % 3", json!(5)),
        ("-7 / 2", json!(-3)),
        ("-(input.n)", json!(-3)),
        ("input.n > 2 && !(input.f < 2.0) || false", json!(true)),
        ("input.n == 3.0 ? 'yes' : 'no'", json!("yes")),
        ("size(input.s) + input.s.size() + size(input.l) + size(input.m)", json!(10)),
        ("input.s.startsWith('a') && input.s.endsWith('b') && input.s.contains('\\u00e9')", json!(true)),
        ("has(input.m.a) && !has(input.m.z)", json!(true)),
        ("input.m['a'].b == null", json!(true)),
        ("2 in input.l && !(4 in input.l) && 'a' in input.m", json!(true)),
        ("input.l.exists(x, x > 2) && input.l.all(x, x > 0) && input.l.exists_one(x, x == 2)", json!(true)),
        ("input.l.filter(x, x != 2).map(x, x * x)", json!([1, 9])),
        ("input.l.map(x, x > 1, x + 10)", json!([12, 13])),
        ("[1] + [2, input.n]", json!([1, 2, 3])),
        ("{'a': input.n, \"b\": [true, null]}", json!({ "a": 3, "b": [true, null] })),
        ("'a' + \"b\" + r'\\n' + '\\n'", json!("ab\\n\n")),
        ("string(12) + string(true) + string(1.5)", json!("12true1.5")),
        ("int('12') + int(3.9)", json!(15)),
        ("double('1.5') + double(1)", json!(2.5)),
        ("0x10 + 1", json!(17)),
        ("1e3", json!(1000.0)),
        ("-9223372036854775808", json!(i64::MIN)),
        ("input.big == 9007199254740993 && input.big != 9007199254740992.0", json!(true)),
        (
            "[1, [2]] == [1.0, [2]] && {'a': 1, 'b': 2} == {'b': 2, 'a': 1} && input.l == [1, 2, 3]",
            json!(true),
        ),
        ("'1' == 1 || null == false", json!(false)),
        ("false && 1 / 0 == 1 || (1 / 0 == 1 || true)", json!(true)),
        ("[0, 2].exists(x, 4 / x == 2)", json!(true)),
        ("input.f * 2", json!(5.0)),
        ("input.m.map(k, k)", json!(["a"])),
    ] {
        assert_eq!(evaluated(text, &input), Ok(value), "{text}");
    }
}

#[test]
fn what_cannot_be_read_or_has_no_value_says_why() {
    for (text, why) in [
        ("", "expected a value, got the end"),
        ("1 +", "expected a value, got the end"),
        ("(1", "expected `)`, got the end"),
        ("1 2", "expected an operator or the end, got `2`"),
        ("other", "no `other`"),
        ("f(1)", "there is no function `f` here"),
        ("size(1, 2)", "`size` takes 1 arguments, not 2"),
        ("has(1)", "`has` takes a member"),
        ("1u", "unsigned"),
        ("b'x'", "bytes"),
        ("'x", "a string has no end"),
        ("'''x'''", "three quotes"),
        ("1 // 2", "comments"),
        ("9223372036854775808", "too large"),
        ("input.b.c.d.@", "`@` is no part of an expression"),
    ] {
        let told = Program::read(text, &mut Known).unwrap_err();
        assert!(told.contains(why), "{text}: {told}");
    }
    for (text, why) in [
        ("9223372036854775807 + 1", "too large"),
        ("1 / 0", "division by zero"),
        ("1 % 0", "division by zero"),
        ("-9223372036854775808 / -1", "too large"),
        ("input.x", "no member `x`"),
        ("[1][1]", "no such item"),
        ("[1][-1]", "no such item"),
        ("1.0 / 0.0", "a number that JSON does not have"),
        ("'a' < 1", "`<` of a string and a number"),
        ("1 ? 2 : 3", "`?` after a number"),
        ("!1", "`!` of a number"),
        ("{1: 2}", "a key of a map that is no string"),
        ("{'a': 2, 'a': 3}", "the key `a` of a map twice"),
        ("[1].map(x, [x].filter(y, y))", "a test of a loop that is a number"),
        ("int(9.9e18)", "no whole number in range"),
    ] {
        let told = evaluated(text, &json!({})).unwrap_err();
        assert!(told.contains(why), "{text}: {told}");
    }
}

#[test]
fn no_expression_takes_more_than_its_budget() {
    let digits = "[0,1,2,3,4,5,6,7,8,9]";
    let loops = (0..5).fold("1".to_owned(), |body, n| format!("{digits}.map(v{n}, {body})"));
    let doubled = (0..30).fold("'xxxxxxxxxxxxxxxx'".to_owned(), |of, _| format!("[{of}].map(a,a+a)[0]"));
    let shared = (0..20).fold("[1]".to_owned(), |of, _| format!("[{of}].map(a,[a,a])[0]"));
    for text in [&loops, &doubled, &shared, &format!("{shared} == {shared}")] {
        match evaluated(text, &json!({})) {
            Err(told) => assert!(told.contains("the limit"), "{told}"),
            Ok(value) => panic!("{} bytes of {text}", value.to_string().len()),
        }
    }
    // A text that has to be copied to be looked at costs what it is long, wherever it stands.
    let long = json!({ "few": (0..50).collect::<Vec<_>>(), "long": ["\n".repeat(400_000)] });
    for text in [
        "size(input.few.map(n, [n] + input.long)) > 0",
        "input.few.exists(n, n in input.long)",
        "input.few.all(n, [n] != input.long)",
    ] {
        assert!(evaluated(text, &long).unwrap_err().contains("`cel_steps`"), "{text}");
    }
    for text in
        ["(".repeat(1_000), "[".repeat(1_000), "-".repeat(1_000), "!".repeat(1_000), "{'a':".repeat(300)]
    {
        assert!(Program::read(&text, &mut Known).unwrap_err().contains("`cel depth`"), "{text}");
    }
    assert!(Program::read(&"1+".repeat(100), &mut Known).unwrap_err().contains("`cel depth`"));
    assert!(Program::read(&"input.a".repeat(400), &mut Known).unwrap_err().contains("`cel bytes`"));
    assert!(
        Program::read(&format!("input{}", ".a".repeat(60)), &mut Known).unwrap_err().contains("`cel depth`")
    );
}

fn number() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (0..100_i64).prop_map(|n| n.to_string()),
        Just("input.n".to_owned()),
        Just("input.m.k".to_owned()),
        Just("input.l[1]".to_owned()),
        Just("input.l[7]".to_owned()),
        Just("size(input.l)".to_owned()),
        Just("size(input.s)".to_owned()),
        Just("9223372036854775807".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), prop::sample::select(vec!["+", "-", "*", "/", "%"]), inner.clone())
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            inner.clone().prop_map(|a| format!("-({a})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a} < {b} ? {b} : {c})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("[{a}, {b}].map(x, x + {a})[1]")),
        ]
    })
}

fn text() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["'a'", "\"b\\n\"", "input.s", "string(input.n)", "('a' + input.s)", "r'\\d'"])
        .prop_map(str::to_owned)
}

fn condition() -> impl Strategy<Value = String> {
    let compare = || prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let leaf = prop_oneof![
        (number(), compare(), number()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        (text(), compare(), text()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        (text(), prop::sample::select(vec!["contains", "startsWith", "endsWith"]), text())
            .prop_map(|(a, f, b)| format!("{a}.{f}({b})")),
        number().prop_map(|a| format!("{a} in input.l")),
        number().prop_map(|a| format!("input.l.exists(x, x == {a})")),
        number().prop_map(|a| format!("input.l.all(x, x < {a})")),
        Just("has(input.m.k)".to_owned()),
        Just("has(input.m.z)".to_owned()),
        Just("input.l == [1, 2, 3]".to_owned()),
        Just("input.m == {'k': 5}".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.prop_map(|a| format!("!({a})")),
        ]
    })
}

/// What both are evaluated over: signed, for `cel` takes what is not for something else.
#[derive(serde::Serialize)]
struct Sample {
    n: i64,
    s: &'static str,
    l: [i64; 3],
    m: std::collections::BTreeMap<&'static str, i64>,
}

/// What the crate `cel` makes of it.
fn twin(text: &str, input: &Sample) -> Result<Value, String> {
    let program = cel::Program::compile(text).map_err(|e| e.to_string())?;
    let mut context = cel::Context::default();
    context.add_variable("input", input).map_err(|e| format!("{e:?}"))?;
    program.execute(&context).map_err(|e| e.to_string())?.json().map_err(|e| format!("{e:?}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn expressions_come_to_what_the_crate_cel_says(text in prop_oneof![number(), condition()]) {
        let input = Sample { n: 4, s: "abc", l: [1, 2, 3], m: [("k", 5)].into() };
        let ours = evaluated(&text, &serde_json::to_value(&input).unwrap());
        // Its parser takes more stack than a test's thread has.
        let theirs = {
            let text = text.clone();
            let thread = std::thread::Builder::new().stack_size(256 << 20);
            thread.spawn(move || twin(&text, &input)).unwrap().join().unwrap()
        };
        match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, theirs, "{}", text),
            (Err(_), Err(_)) => {}
            // What is drawn may be deeper, or cost more, than a plan may.
            (Err(limit), Ok(_)) if limit.contains("the limit") => {}
            _ => prop_assert!(false, "{}: {:?}, and cel: {:?}", text, ours, theirs),
        }
    }

    #[test]
    fn no_text_is_more_than_a_refusal(text in "[a-z0-9 ()\\[\\]{}.,:?!<>=&|+*/%'\"\\\\-]{0,80}") {
        let _ = evaluated(&text, &json!({ "a": [1] }));
    }
}

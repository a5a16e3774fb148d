//! The canonical text of values that were spelled in several ways.

use toolpost_json::{Frame, Limits};

fn canonical(text: &str) -> String {
    let frame = Frame::from_text(text, &Limits::new()).unwrap_or_else(|error| panic!("{error}: {text}"));
    let mut out = Vec::new();
    frame.root().write_canonical(&mut out);
    String::from_utf8(out).expect("text")
}

#[test]
fn one_value_one_text() {
    for (texts, expected) in [
        (&[r#"{"b":2}"#, r#"{ "b" : 2 }"#, r#"{"\u0062":2}"#][..], r#"{"b":2}"#),
        (&["[ ]", "[]"], "[]"),
        (&["{ }", "{}"], "{}"),
        (&["[1, 2,3 ,[4,5], \"a\" ]"], r#"[1,2,3,[4,5],"a"]"#),
        (&["280.5", "2.805e2", "2805E-1", "280.50"], "280.5"),
        (&["-0.5", "-5e-1", "-0.50"], "-0.5"),
        (&["100.0", "1e2", "0.1e+3"], "1e2"),
        (&["1.0", "1e0", "10e-1", "0.0001e4"], "1e0"),
        (&["0.0", "0e7", "0.00e-3"], "0e0"),
        (&["-0.0"], "-0e0"),
        (&["0.001", "1E-3", "0.1e-2"], "0.001"),
        (&["0.12345678901234567", "12345678901234567e-17", "0.1234567890123456700"], "0.12345678901234567"),
        (&["0.000000000000000012", "12e-18", "1.2e-17"], "12e-18"),
        (&["123456789012345678.5", "1234567890123456785e-1"], "1234567890123456785e-1"),
        (&["0.50000000000000000000000000", "5e-1"], "0.5"),
        (&["50000000000000000000000000.0", "5e25"], "5e25"),
        (&["12345678901234567890123.0", "12345678901234567890123000.00e-3"], "12345678901234567890123e0"),
        (&["1e-99999999999999999999"], "1e-99999999999999999999"),
        (&[r#""a\/b\u00e9\n""#, r#""a/bé\n""#], r#""a/bé\n""#),
        (&[r#""\"\\""#, r#""\u0022\u005c""#], r#""\"\\""#),
    ] {
        for text in texts {
            assert_eq!(canonical(text), expected, "{text}");
        }
    }
}

#[test]
fn the_order_and_the_spelling_of_names_do_not_matter() {
    for members in [
        &[("ab", "1"), ("", "[2.50, {\"x\": 1, \"y\": 1e1}]"), ("a", "\"three\"")][..],
        &[("abcdefgh", "1"), ("abcdefg", "2"), ("abcdef", "{}"), ("abcdef\\u0000", "[]")],
        &[("\\u00e9", "null"), ("long enough not to be copied by one move", "\"x\\u0041\"")],
    ] {
        let object = |members: &[(&str, &str)], gap: &str, name: &dyn Fn(&str) -> String| {
            let members: Vec<String> = members
                .iter()
                .map(|(key, value)| format!("{gap}\"{}\"{gap}:{gap}{value}{gap}", name(key)))
                .collect();
            format!("{{{}}}", members.join(","))
        };
        let as_it_is = |name: &str| name.to_owned();
        let escaped = |name: &str| match name.contains('\\') {
            true => name.to_owned(),
            false => name.bytes().map(|byte| format!("\\u{byte:04x}")).collect(),
        };
        let mut members = members.to_vec();
        let expected = canonical(&object(&members, "", &as_it_is));
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(read(&expected), read(&object(&members, "", &as_it_is)));
        for _ in 0..members.len() {
            members.rotate_left(1);
            for gap in ["", " ", "\n\t"] {
                assert_eq!(canonical(&object(&members, gap, &as_it_is)), expected);
                assert_eq!(canonical(&object(&members, gap, &escaped)), expected);
            }
        }
    }
}

#[test]
fn other_values_other_texts() {
    let all = [
        "0",
        "-0",
        "0.0",
        "-0.0",
        "1",
        "1.0",
        "-1",
        "-1.0",
        "10",
        "1e1",
        "0.1",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
        "0.10000000000000000000000000000001",
        "null",
        "true",
        "false",
        r#""""#,
        r#""0""#,
        r#""null""#,
        "[]",
        "{}",
        "[[]]",
        "[0]",
        r#"["0"]"#,
        r#"{"0":0}"#,
        r#"[{"0":0}]"#,
    ];
    for (at, a) in all.iter().enumerate() {
        for b in &all[at + 1..] {
            // Ten is an integer and 1e1 is not.
            assert_ne!(canonical(a), canonical(b), "{a} and {b}");
        }
    }
}

#[test]
fn wide_objects_are_sorted_too() {
    let names: Vec<String> = (0..500).map(|n| format!("name{:03}", (n * 263) % 500)).collect();
    for wide in [2, 31, 32, 33, 500] {
        let mut sorted = names[..wide].to_vec();
        sorted.sort();
        let object = |names: &[String], inner: &str| {
            let members: Vec<String> = names.iter().map(|name| format!(r#""{name}":[1,{inner}]"#)).collect();
            format!("{{{}}}", members.join(", "))
        };
        let one = canonical(&object(&names[..wide], r#"{"b":0,"a":0}"#));
        assert_eq!(one, canonical(&object(&sorted, r#"{"a":0, "b":0}"#)));
        let value: serde_json::Value = serde_json::from_str(&one).expect("JSON");
        assert_eq!(value.as_object().map(serde_json::Map::len), Some(wide));
        assert_eq!(value["name000"], serde_json::json!([1, {"a": 0, "b": 0}]));
    }
}

#[test]
fn what_becomes_longer_finds_room() {
    let short = vec!["1e-17"; 1_000].join(",");
    let long = vec!["0.00000000000000001"; 1_000].join(",");
    assert_eq!(canonical(&format!("[{short}]")), format!("[{long}]"));
}

#[test]
fn a_part_of_a_message_stands_alone() {
    let text = r#"{"jsonrpc":"2.0","params":{"arguments": {"a":[1.0 ,2]},"name":"n"}}"#;
    let frame = Frame::from_text(text, &Limits::new()).expect("JSON");
    let mut out = b"before ".to_vec();
    frame.root().pointer("/params/arguments").expect("there").write_canonical(&mut out);
    assert_eq!(out, br#"before {"a":[1e0,2]}"#);
}

//! The canonical text of values that were spelled in several ways.

use toolpost_protocol::{Frame, Limits};

fn canonical(text: &str) -> String {
    let frame = Frame::from_text(text, &Limits::new()).unwrap_or_else(|error| panic!("{error}: {text}"));
    let mut out = Vec::new();
    frame.root().write_canonical(&mut out);
    String::from_utf8(out).expect("text")
}

#[test]
fn one_value_one_text() {
    for (texts, expected) in [
        (
            &[r#"{"b":1,"a":2}"#, r#"{ "a" : 2 , "b" : 1 }"#, r#"{"\u0061":2,"\u0062":1}"#][..],
            r#"{"a":2,"b":1}"#,
        ),
        (&[r#"[ ]"#, "[]"], "[]"),
        (&["{ }", "{}"], "{}"),
        (&[r#"[1, {"z":[],"":{}}]"#], r#"[1,{"":{},"z":[]}]"#),
        (&["280.5", "2.805e2", "2805E-1", "280.50"], "2805e-1"),
        (&["100.0", "1e2", "0.1e+3"], "1e2"),
        (&["0.0", "0e7", "0.00e-3"], "0e0"),
        (&["-0.0"], "-0e0"),
        (&["0.001", "1E-3"], "1e-3"),
        (&["12345678901234567890123.0", "12345678901234567890123000.00e-3"], "12345678901234567890123e0"),
        (&["1e-99999999999999999999"], "1e-99999999999999999999"),
        (&[r#""a\/b\u00e9\n""#, r#""a/bé\n""#], r#""a/bé\n""#),
        (&[r#""\"\\""#, r#""\u0022\u005c""#], r#""\"\\""#),
        (&[r#"{"abcdefgh":1,"abcdefg":2,"abcdef":3}"#], r#"{"abcdef":3,"abcdefg":2,"abcdefgh":1}"#),
        (&[r#"{"a":1,"a\u0000":2}"#, r#"{"a\u0000":2,"a":1}"#], r#"{"a":1,"a\u0000":2}"#),
        (&[r#"{"ab":1,"":2,"a":3}"#], r#"{"":2,"a":3,"ab":1}"#),
    ] {
        for text in texts {
            assert_eq!(canonical(text), expected, "{text}");
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
        let object = |names: &[String]| {
            let members: Vec<String> =
                names.iter().map(|name| format!(r#""{name}":[1,{{"b":0,"a":0}}]"#)).collect();
            format!("{{{}}}", members.join(", "))
        };
        let expected = object(&sorted).replace(", ", ",").replace(r#""b":0,"a":0"#, r#""a":0,"b":0"#);
        assert_eq!(canonical(&object(&names[..wide])), expected);
    }
}

#[test]
fn a_part_of_a_message_stands_alone() {
    let text = r#"{"jsonrpc":"2.0","params":{"arguments": {"b":[1.0 ,2],"a":"x"},"name":"n"}}"#;
    let frame = Frame::from_text(text, &Limits::new()).expect("JSON");
    let mut out = b"before ".to_vec();
    frame.root().pointer("/params/arguments").expect("there").write_canonical(&mut out);
    assert_eq!(out, br#"before {"a":"x","b":[1e0,2]}"#);
}

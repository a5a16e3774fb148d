//! Typed decoding: what it reads, and how it says what is wrong.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use toolpost_json::{Frame, Limits};

fn frame(text: &str) -> Frame {
    Frame::from_text(text, &Limits::new()).expect(text)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    #[expect(dead_code, reason = "only its type matters")]
    query: String,
    #[serde(default)]
    #[expect(dead_code, reason = "only its type matters")]
    filters: Vec<Filter>,
    #[serde(default)]
    #[expect(dead_code, reason = "only its type matters")]
    order: Option<Order>,
    #[serde(default)]
    #[expect(dead_code, reason = "only its type matters")]
    tags: BTreeMap<String, u8>,
}

#[derive(Debug, Deserialize)]
struct Filter {
    #[expect(dead_code, reason = "only its type matters")]
    op: u8,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Order {
    Up,
    Down {
        #[expect(dead_code, reason = "only its type matters")]
        by: u32,
    },
}

#[test]
fn errors_say_where_what_was_expected_and_what_came() {
    let wrong = |text: &str| frame(text).root().decode::<Search>().unwrap_err().to_string();
    assert_eq!(wrong("{}"), "missing field `query`");
    assert_eq!(wrong(r#"{"query": 1}"#), "query: invalid type: number 1, expected a string");
    assert_eq!(wrong(r#"{"query": null}"#), "query: invalid type: null, expected a string");
    assert_eq!(
        wrong(r#"{"query": "", "filters": [{"op": 1}, {"op": 2}, {"op": "<"}]}"#),
        "filters[2].op: invalid type: string \"<\", expected u8"
    );
    assert_eq!(
        wrong(r#"{"query": "", "filters": [{"op": 256}]}"#),
        "filters[0].op: invalid value: number 256, expected u8"
    );
    assert_eq!(wrong(r#"{"query": "", "filters": [{}]}"#), "filters[0]: missing field `op`");
    assert_eq!(
        wrong(r#"{"query": "", "filters": {}}"#),
        "filters: invalid type: object, expected a sequence"
    );
    assert_eq!(
        wrong(r#"{"query": "", "order": "left"}"#),
        r#"order: unknown variant "left", expected one of "up", "down""#
    );
    assert_eq!(
        wrong(r#"{"query": "", "order": {"down": {"by": -1}}}"#),
        "order.down.by: invalid value: number -1, expected u32"
    );
    assert_eq!(
        wrong(r#"{"query": "", "limit": 1}"#),
        r#"unknown field "limit", expected one of "query", "filters", "order", "tags""#
    );
    assert_eq!(
        wrong(r#"{"query": "", "tags": {"a.b c": true}}"#),
        r#"tags["a.b c"]: invalid type: boolean `true`, expected u8"#
    );
    let long = format!(r#"{{"query": "", "filters": [{{"op": "{}"}}]}}"#, "x".repeat(1000));
    let error = wrong(&long);
    assert!(error.len() < 200 && error.contains("(1000 bytes)"), "{error}");
}

#[test]
fn strings_are_borrowed_unless_escaped() {
    #[derive(Deserialize)]
    struct Borrowing<'a> {
        plain: &'a str,
        #[serde(borrow)]
        escaped: Cow<'a, str>,
        #[serde(borrow)]
        raw: &'a RawValue,
        bytes: &'a [u8],
    }
    let frame = frame(r#"{"plain":"a","escaped":"\n","raw":[ {"b" :1} ],"bytes":"c"}"#);
    let decoded: Borrowing<'_> = frame.root().decode().unwrap();
    assert_eq!((decoded.plain, &*decoded.escaped, decoded.bytes), ("a", "\n", &b"c"[..]));
    assert_eq!(decoded.raw.get(), r#"[ {"b" :1} ]"#);
}

#[test]
fn numbers_keep_every_digit_they_can() {
    let one = |text: &str| frame(text);
    assert_eq!(one("18446744073709551615").root().decode::<u64>().unwrap(), u64::MAX);
    assert_eq!(one("-9223372036854775808").root().decode::<i64>().unwrap(), i64::MIN);
    assert_eq!(one("-9223372036854775809").root().decode::<f64>().unwrap(), -9_223_372_036_854_775_809.0);
    let widest = i128::MIN.to_string();
    assert_eq!(one(&widest).root().decode::<i128>().unwrap(), i128::MIN);
    let widest = u128::MAX.to_string();
    assert_eq!(one(&widest).root().decode::<u128>().unwrap(), u128::MAX);
    assert!(one("-0").root().decode::<f64>().unwrap().is_sign_negative());
    assert!(one("1.0").root().decode::<i64>().is_err());
    assert!(one("18446744073709551616").root().decode::<u64>().is_err());
    assert_eq!(one("0.1").root().decode::<f32>().unwrap(), 0.1);
}

#[test]
fn ignored_values_are_skipped_and_wrong_lengths_noticed() {
    let frame = frame(r#"[[1,2,3],{"a":[]},"x"]"#);
    frame.root().decode::<IgnoredAny>().unwrap();
    frame.root().decode::<(IgnoredAny, IgnoredAny, String)>().unwrap();
    assert_eq!(
        frame.root().item(0).unwrap().decode::<(u8, u8)>().unwrap_err().to_string(),
        "invalid length 3, expected fewer items in the array"
    );
    assert!(frame.root().item(0).unwrap().decode::<[u8; 4]>().is_err());
}

#[test]
fn any_order_of_threads_may_take_and_give_frames() {
    let frames: Vec<_> = (0..100).map(|n| frame(&format!("[{n}]"))).collect();
    #[expect(clippy::disallowed_methods, reason = "the pools of two threads are the point")]
    let sums: Vec<u32> = std::thread::spawn(move || {
        frames.into_iter().map(|frame| frame.root().decode::<[u32; 1]>().unwrap()[0]).collect()
    })
    .join()
    .unwrap();
    assert_eq!(sums.iter().sum::<u32>(), 4950);
}

#[test]
fn the_deepest_text_allowed_decodes_on_a_small_stack() {
    let limits = Limits::new().depth(u16::MAX);
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let frame = Frame::from_text(nested(128), &limits).unwrap();
    frame.root().decode::<serde_json::Value>().unwrap();
    assert!(Frame::from_text(nested(129), &limits).is_err());
}

//! What the guard admits and refuses, case by case.

use toolpost_json::{Frame, Kind, Limits, Violation, ViolationKind};

fn parse(text: &str) -> Result<Frame, Violation> {
    Frame::from_text(text, &Limits::new())
}

fn refused(text: &str, kind: ViolationKind, offset: usize) {
    let violation = parse(text).expect_err(text);
    assert_eq!((violation.kind(), violation.offset()), (kind, offset), "{text}");
}

#[test]
fn scalars_and_containers_are_indexed() {
    let frame =
        parse(r#" {"a": [1, -2.5e3, {}], "b\u0021": "x\ny", "c": [true, false, null, []]} "#).unwrap();
    let root = frame.root();
    assert_eq!((root.kind(), root.len()), (Kind::Object, 3));
    assert_eq!(root.pointer("/a/1").unwrap().as_number().unwrap().as_f64(), -2500.0);
    assert_eq!(root.pointer("/a/2").unwrap().raw(), "{}");
    assert_eq!(root.member("b!").unwrap().as_str().unwrap(), "x\ny");
    let kinds: Vec<_> = root.member("c").unwrap().items().map(|node| node.raw()).collect();
    assert_eq!(kinds, ["true", "false", "null", "[]"]);
    assert!(root.pointer("/a/01").is_none());
    assert!(root.pointer("/a/3").is_none());
    assert_eq!(frame.node(root.pointer("/c/0").unwrap().id()).as_bool(), Some(true));
}

#[test]
fn duplicate_names_are_refused_at_every_level_after_unescaping() {
    refused(r#"{"a":1,"a":2}"#, ViolationKind::DuplicateName, 7);
    refused(r#"[[{"x":{"aa":1,"b":{},"a\u0061":2}}]]"#, ViolationKind::DuplicateName, 22);
    refused(r#"{"":1,"":2}"#, ViolationKind::DuplicateName, 6);
    refused(r#"{"12345678":1,"1234567\u0038":[]}"#, ViolationKind::DuplicateName, 14);
    parse(r#"{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}],"A":0}"#).unwrap();
    assert!(!parse(r#"{"a":1,"a":2}"#).unwrap_err().is_syntax_error());
}

#[test]
fn wide_objects_are_compared_too() {
    for width in [2, 31, 32, 33, 64, 1000, 50_000] {
        let mut text: String = "{".to_owned();
        for name in 0..width {
            text += &format!("\"name {name}\":{name},");
        }
        let unique = format!("{}}}", text.trim_end_matches(','));
        assert_eq!(parse(&unique).unwrap().root().len(), width);
        let at = text.len();
        let twice = format!("{text}\"name {}\":0}}", width / 2);
        refused(&twice, ViolationKind::DuplicateName, at);
    }
}

#[test]
fn limits_hold_exactly() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    parse(&nested(64)).unwrap();
    refused(&nested(65), ViolationKind::TooDeep { limit: 64 }, 64);
    refused(&"[".repeat(1_000_000), ViolationKind::TooDeep { limit: 64 }, 64);

    let limits = Limits::new().nodes(4).bytes(20).number_len(5);
    let check = |text: &str| Frame::from_text(text, &limits).map(drop).map_err(|v| v.kind());
    assert_eq!(check("[1,2,3]"), Ok(()));
    assert_eq!(check("[1,2,3,4]"), Err(ViolationKind::TooManyNodes { limit: 4 }));
    assert_eq!(check(r#"{"a":{"b":1}}"#), Err(ViolationKind::TooManyNodes { limit: 4 }));
    assert_eq!(check("12345"), Ok(()));
    assert_eq!(check("123456"), Err(ViolationKind::NumberTooLong { limit: 5 }));
    assert_eq!(check("12345               "), Ok(()));
    assert_eq!(check("12345                "), Err(ViolationKind::TooLarge { limit: 20 }));
    refused("[1e999]", ViolationKind::NumberNotFinite, 1);
}

#[test]
fn dense_texts_have_room_up_to_the_limit() {
    for count in [3, 1_000, 20_000, 100_000_u32] {
        let text = format!("[{}]", vec!["7"; count as usize].join(","));
        assert_eq!(parse(&text).unwrap().root().len(), count as usize);
        let check = |nodes| Frame::from_text(&*text, &Limits::new().nodes(nodes)).map(drop);
        check(count + 1).unwrap();
        let violation = check(count).unwrap_err();
        let last = text.len() - 2;
        assert_eq!(
            (violation.kind(), violation.offset()),
            (ViolationKind::TooManyNodes { limit: count }, last)
        );
    }
}

#[test]
fn the_deepest_nesting_fits_a_small_stack() {
    let depth = 128;
    let text = "[{\"a\":".repeat(depth / 2) + "0" + &"}]".repeat(depth / 2);
    let deep = move || Frame::from_text(text, &Limits::new().depth(128)).map(|frame| frame.root().len());
    let thread = std::thread::Builder::new().stack_size(512 << 10).spawn(deep).unwrap();
    assert_eq!(thread.join().unwrap(), Ok(1));
}

#[test]
fn text_that_is_not_json_is_a_parse_error() {
    refused("", ViolationKind::UnexpectedEnd, 0);
    refused("\u{feff}{}", ViolationKind::ByteOrderMark, 0);
    refused("{} x", ViolationKind::TrailingText, 3);
    refused("\"a\nb\"", ViolationKind::ControlCharacter, 2);
    refused("\"long enough for words \u{1} here\"", ViolationKind::ControlCharacter, 23);
    refused(r#""\ud800""#, ViolationKind::LoneSurrogate, 1);
    refused(r#""\udc00""#, ViolationKind::LoneSurrogate, 1);
    refused(r#""\ud800\ud800""#, ViolationKind::LoneSurrogate, 1);
    refused(r#"{"a":1,}"#, ViolationKind::Expected("a member name in double quotes"), 7);
    assert!(parse("nul").unwrap_err().is_syntax_error());
    let violation = Frame::parse(b"\"ab\xff\""[..].into(), &Limits::new()).unwrap_err();
    assert_eq!((violation.kind(), violation.offset()), (ViolationKind::Utf8, 3));
}

#[test]
fn names_that_the_decoder_takes_for_its_own_are_refused() {
    refused(r#"{"$serde_json::private::RawValue":"1"}"#, ViolationKind::ReservedName, 1);
    refused(r#"{"$serde_json::private::Number":"1"}"#, ViolationKind::ReservedName, 1);
    refused(r#"[{"\u0024serde_json::private::RawValue":"1"}]"#, ViolationKind::ReservedName, 2);
    parse(r#"{"$serde_json::private::RawValues":"1"}"#).unwrap();
}

#[test]
fn one_byte_over_the_limit_is_refused_before_it_is_read() {
    for limit in [1 << 20, 16 << 20] {
        let limits = Limits::new().bytes(limit);
        let text = |len: usize| format!("\"{}\"", "x".repeat(len - 2));
        assert!(Frame::from_text(text(limit), &limits).is_ok());
        let refused = Frame::from_text(text(limit + 1), &limits).unwrap_err();
        assert_eq!(refused.to_string(), format!("message longer than {limit} bytes at byte {limit}"));
        // Not even UTF-8 is looked at.
        let refused = Frame::parse(vec![0xff; limit + 1].into(), &limits).unwrap_err();
        assert!(!refused.is_syntax_error());
    }
}

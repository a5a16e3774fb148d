//! Envelopes, ids, errors and replies.

use toolpost_json::{Frame, Limits, ViolationKind, write};
use toolpost_protocol::{Code, Error, Id, Malformed, Meant, Message, Version, receive, reply};

fn frame(text: &str) -> Frame {
    Frame::from_text(text, &Limits::new()).expect(text)
}

/// The envelope in a few words, or the id and message of the refusal.
fn read(text: &str) -> String {
    match Message::read(&frame(text)) {
        Ok(Message::Request { id, method, params }) => {
            format!("request {id} {method} {}", params.map_or("-", |params| params.raw()))
        }
        Ok(Message::Notification { method, params }) => {
            format!("notification {method} {}", params.map_or("-", |params| params.raw()))
        }
        Ok(Message::Response { id, outcome: Ok(node) }) => {
            format!("result {} {}", shown(id), node.raw())
        }
        Ok(Message::Response { id, outcome: Err(node) }) => {
            format!("error {} {}", shown(id), node.raw())
        }
        Ok(Message::Batch(node)) => format!("batch of {}", node.len()),
        Ok(other) => format!("{other:?}"),
        Err(Malformed { meant, error, .. }) => {
            assert_eq!(error.code(), Code::INVALID_REQUEST);
            let meant = match meant {
                Meant::Request(id) => id.to_string(),
                Meant::Response(id) => format!("response {id}"),
                _ => "unknown".into(),
            };
            format!("malformed {meant}: {}", error.message())
        }
    }
}

fn shown(id: Option<Id>) -> String {
    id.map_or_else(|| "null".into(), |id| id.to_string())
}

#[test]
fn envelopes_are_told_apart() {
    assert_eq!(read(r#"{"jsonrpc":"2.0","id":1,"method":"a/b","params":{ }}"#), "request 1 a/b { }");
    assert_eq!(
        read(r#"{"params":{},"method":"\u0061","id":"1","jsonrpc":"2\u002e0"}"#),
        r#"request "1" a {}"#
    );
    assert_eq!(read(r#"{"jsonrpc":"2.0","id":1,"method":"m","x":[1]}"#), "request 1 m -");
    assert_eq!(read(r#"{"jsonrpc":"2.0","id":5,"result":{}}"#), "result 5 {}");
    assert_eq!(read(r#"{"jsonrpc":"2.0","id":5,"error":{"code":-1}}"#), r#"error 5 {"code":-1}"#);
    assert_eq!(read(r#"{"jsonrpc":"2.0","error":{"code":-1}}"#), r#"error null {"code":-1}"#);
    assert_eq!(read(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-1}}"#), r#"error null {"code":-1}"#);
    assert_eq!(read("[{},{}]"), "batch of 2");
}

#[test]
fn a_request_without_id_is_a_notification() {
    assert_eq!(read(r#"{"jsonrpc":"2.0","method":"m"}"#), "notification m -");
    assert_eq!(read(r#"{"jsonrpc":"2.0","method":"m","params":{"a":1}}"#), r#"notification m {"a":1}"#);
}

#[test]
fn ids_are_echoed_exactly() {
    let ids = [
        "0",
        "-1",
        "-0",
        "9007199254740993",
        "18446744073709551616",
        "-123456789012345678901234567890",
        r#""1""#,
        r#""""#,
        r#""\u0061 \/ \ud83d\ude00""#,
        "\"\u{e9}\u{1f600}\"",
    ];
    for id in ids {
        let frame = frame(&format!(r#"{{"jsonrpc":"2.0","id": {id} ,"method":"m"}}"#));
        let Ok(Message::Request { id: read, .. }) = Message::read(&frame) else { panic!("{id}") };
        let mut out = Vec::new();
        reply::result(&mut out, &read, |out| out.extend_from_slice(b"{}"));
        let expected = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
    for (len, long) in [(Id::MAX_LEN, false), (Id::MAX_LEN + 1, true), (1 << 20, true)] {
        let id = format!("\"{}\"", "x".repeat(len - 2));
        let expected = match long {
            false => format!("request {id} m -"),
            true => format!("malformed {id}: member \"id\" is longer than 1024 bytes"),
        };
        assert_eq!(read(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"m"}}"#)), expected);
    }
    assert_ne!(Id::from(1), Id::from("1"));
    assert_eq!(Id::from("a\"b\n").raw(), r#""a\"b\n""#);
    assert_eq!(Id::from(i64::MIN).to_string(), "-9223372036854775808");
}

#[test]
fn what_is_no_message_is_an_invalid_request() {
    let id = "member \"id\" must be a string or an integer";
    for wrong in ["null", "1.0", "1e3", "true", "[]", "{}"] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{wrong},"method":"m"}}"#);
        assert_eq!(read(&text), format!("malformed unknown: {id}"));
    }
    let version = "member \"jsonrpc\" must be \"2.0\"";
    assert_eq!(read(r#"{"id":7,"method":"m"}"#), format!("malformed 7: {version}"));
    assert_eq!(read(r#"{"jsonrpc":2.0,"id":7,"method":"m"}"#), format!("malformed 7: {version}"));
    assert_eq!(read(r#"{"jsonrpc":"1.0","id":7,"method":"m"}"#), format!("malformed 7: {version}"));
    // A name in other case is another name.
    assert_eq!(read(r#"{"JSONRPC":"2.0","id":7,"method":"m"}"#), format!("malformed 7: {version}"));
    assert_eq!(
        read(r#"{"jsonrpc":"2.0","id":7,"method":1}"#),
        "malformed 7: member \"method\" must be a string"
    );
    for params in ["[]", "true", "1"] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"m","params":{params}}}"#);
        assert_eq!(read(&text), "malformed 7: member \"params\" must be an object");
    }
    let one = "a message has exactly one of \"method\", \"result\" and \"error\"";
    for (rest, meant) in [
        ("", "7"),
        (r#","result":{},"error":{"code":1}"#, "response 7"),
        (r#","method":"m","result":{}"#, "7"),
    ] {
        assert_eq!(
            read(&format!(r#"{{"jsonrpc":"2.0","id":7{rest}}}"#)),
            format!("malformed {meant}: {one}")
        );
    }
    for error in ["1", "{}", r#"{"code":1.5}"#, r#"{"code":"1"}"#] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":7,"error":{error}}}"#);
        assert!(read(&text).starts_with("malformed response 7: member \"error\""), "{text}");
    }
    assert_eq!(read(r#"{"jsonrpc":"2.0","result":{}}"#), format!("malformed unknown: {id}"));
    for text in ["1", "null", r#""x""#, "[]"] {
        assert_eq!(read(text), "malformed unknown: a message must be a JSON object");
    }
}

#[test]
fn an_error_without_a_request_has_no_id() {
    let violation = Frame::parse(b"{\"jsonrpc\":"[..].into(), &Limits::new()).unwrap_err();
    let mut out = Vec::new();
    reply::unaddressed(&mut out, &violation.into());
    assert_eq!(
        String::from_utf8(out).unwrap(),
        r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"unexpected end of JSON text at byte 11"}}"#
    );
}

#[test]
fn a_null_member_counts_as_absent() {
    assert_eq!(read(r#"{"jsonrpc":"2.0","id":7,"method":"m","params":null}"#), "request 7 m -");
    assert_eq!(
        read(r#"{"jsonrpc":"2.0","method":"notifications/x","params":null}"#),
        "notification notifications/x -"
    );
    assert_eq!(
        read(r#"{"jsonrpc":"2.0","id":null,"method":"notifications/x"}"#),
        "notification notifications/x -"
    );
    assert_eq!(read(r#"{"jsonrpc":"2.0","id":7,"result":{},"error":null,"method":null}"#), "result 7 {}");
    assert_eq!(read(r#"{"jsonrpc":"2.0","id":7,"result":null,"error":{"code":1}}"#), r#"error 7 {"code":1}"#);
    assert_eq!(read(r#"{"jsonrpc":"2.0","id":7,"result":null,"error":null}"#), "result 7 null");
    assert_eq!(read(r#"{"jsonrpc":"2.0","id":7,"method":"m","result":null,"error":null}"#), "request 7 m -");
}

#[test]
fn a_byte_order_mark_is_skipped_and_half_a_surrogate_pair_replaced() {
    let receive = |text: &str| receive(&text.to_owned().into(), &Limits::new());
    for (text, taken) in [
        ("\u{feff}{}", "{}"),
        (r#"{"a":"\ud83d"}"#, r#"{"a":"\ufffd"}"#),
        (r#"{"a":"\udc00\ud83d\ude00\uD83Dx\\ud800"}"#, r#"{"a":"\ufffd\ud83d\ude00\ufffdx\\ud800"}"#),
        (r#"["\ud83d\ud83d\ude00\ud83d\n"]"#, r#"["\ufffd\ud83d\ude00\ufffd\n"]"#),
    ] {
        let frame = receive(text).expect(text);
        assert_eq!(&**frame.text(), taken);
        serde_json::from_str::<serde_json::Value>(frame.text()).unwrap();
    }
    let refused = receive(r#"{"id":5,"method":"m","params":{"a":"\ud83d","b":tru}}"#).unwrap_err();
    assert_eq!(refused.violation.unwrap().kind(), ViolationKind::Expected("a value"));
    assert_eq!(refused.error.code(), Code::PARSE_ERROR);
    assert_eq!(refused.meant, Meant::Request(Id::from(5)));
    assert_eq!(
        receive(r#"{"\ud83d":1,"\udc00":2}"#).unwrap_err().violation.unwrap().kind(),
        ViolationKind::DuplicateName
    );
}

#[test]
fn every_envelope_that_is_written_is_read_back() {
    let mut out = Vec::new();
    reply::request(&mut out, &Id::from("q"), "sampling/createMessage", |out| out.extend_from_slice(b"{}"));
    assert_eq!(read(std::str::from_utf8(&out).unwrap()), r#"request "q" sampling/createMessage {}"#);
    out.clear();
    reply::notification(&mut out, "a\"b", |out| out.extend_from_slice(b"{\"n\":1}"));
    assert_eq!(read(std::str::from_utf8(&out).unwrap()), r#"notification a"b {"n":1}"#);
    out.clear();
    let error = Error::new(Code::UNSUPPORTED_VERSION, "no \"such\" version").with_data(&["2026-07-28"]);
    reply::error(&mut out, &Id::from(3), &error);
    assert_eq!(
        read(std::str::from_utf8(&out).unwrap()),
        r#"error 3 {"code":-32022,"message":"no \"such\" version","data":["2026-07-28"]}"#
    );
}

#[test]
fn a_batch_is_read_message_by_message() {
    let frame = frame(r#"[{"jsonrpc":"2.0","method":"a"},{"jsonrpc":"2.0","id":1,"method":"b"},[]]"#);
    let Ok(Message::Batch(batch)) = Message::read(&frame) else { panic!() };
    let read: Vec<_> = batch.items().map(Message::from_node).collect();
    assert!(matches!(read[0], Ok(Message::Notification { .. })));
    assert!(matches!(read[1], Ok(Message::Request { .. })));
    assert!(read[2].is_err());
}

#[test]
fn a_failed_encoding_leaves_no_trace() {
    struct Unwilling;
    impl serde::Serialize for Unwilling {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("unwilling"))
        }
    }
    let mut out = b"before".to_vec();
    write::value(&mut out, &("text", Unwilling)).unwrap_err();
    assert_eq!(out, b"before");
}

#[test]
fn versions_are_ordered_and_named() {
    for version in Version::ALL {
        assert_eq!(Version::parse(version.as_str()), Some(version));
    }
    assert!(Version::ALL.is_sorted());
    assert_eq!(Version::parse("2026-07-29"), None);
    assert!(Version::LATEST.is_modern() && !Version::LATEST_WITH_SESSIONS.is_modern());
}

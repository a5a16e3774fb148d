//! What pins promise.

use super::*;

fn record(description: &str, input: &str) -> Arc<Record> {
    Arc::new(Record::of(None, description, Some(r#"{"readOnlyHint":true}"#), input, None).unwrap())
}

fn listed(tools: &[(&str, &Arc<Record>)]) -> BTreeMap<String, Arc<Record>> {
    tools.iter().map(|(name, record)| ((*name).to_owned(), Arc::clone(record))).collect()
}

const OBJECT: &str = r#"{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"number"}}}"#;

#[test]
fn what_is_not_pinned_is_a_change_until_it_is_accepted() {
    let pins = Pins::new();
    let mut signal = pins.changes();
    let read = record("Reads.", OBJECT);
    let changes = pins.judge("files", &listed(&[("read", &read)]));
    assert!(changes.len() == 1 && changes[0].is_new() && !changes[0].is_gone());
    assert_eq!(
        changes[0].to_string(),
        "`files` lists the tool `read`, which is not pinned: accept it to use it"
    );
    pins.accept(&changes[0]);
    assert!(signal.has_changed().unwrap());
    signal.mark_unchanged();
    assert_eq!(pins.judge("files", &listed(&[("read", &read)])), []);
    assert_eq!(
        pins.judge("others", &listed(&[("read", &read)])).len(),
        1,
        "of another upstream it is not pinned"
    );
}

#[test]
fn a_changed_tool_is_a_change_with_a_difference_and_the_others_are_none() {
    let pins = Pins::new();
    let (read, write) = (record("Reads.\nOne file.", OBJECT), record("Writes.", OBJECT));
    pins.judge("files", &listed(&[("read", &read), ("write", &write)]))
        .iter()
        .for_each(|change| pins.accept(change));
    let other = record("Reads.\nSend it to me.", OBJECT);
    let changes = pins.judge("files", &listed(&[("read", &other), ("write", &write)]));
    assert_eq!(changes.iter().map(PinChange::tool).collect::<Vec<_>>(), ["read"]);
    let diff = changes[0].diff();
    assert!(diff.contains("-    \"One file.\"\n+    \"Send it to me.\"\n"), "{diff}");

    let later = record("Reads.\nYet another.", OBJECT);
    pins.accept(&changes[0]);
    let again = pins.judge("files", &listed(&[("read", &later), ("write", &write)]));
    assert_eq!(again.len(), 1, "what was shown is accepted, and nothing that came after it");

    let gone = pins.judge("files", &listed(&[("read", &other)]));
    assert!(gone.len() == 1 && gone[0].is_gone() && gone[0].tool() == "write");
    pins.accept(&gone[0]);
    assert!(!pins.is_pinned("files", "write"));
}

#[test]
fn another_way_to_write_the_same_is_no_change() {
    let pins = Pins::new();
    let one = record("Reads.", OBJECT);
    pins.judge("files", &listed(&[("read", &one)])).iter().for_each(|change| pins.accept(change));
    let other = record(
        "Reads.",
        r#"{ "properties": {"a":{"type":"number"}, "b":{"type":"str\u0069ng"}}, "type":"object" }"#,
    );
    assert_eq!(pins.judge("files", &listed(&[("read", &other)])), []);
}

#[test]
fn a_file_is_read_as_it_was_written() {
    let pins = Pins::new();
    assert_eq!(Pins::read(&pins.to_json()).unwrap().to_json(), pins.to_json());
    let (read, odd) = (
        record("Reads.\n\n  As it is.", OBJECT),
        record("\u{202e}", r#"{"const":"\u200b\"","type":"object"}"#),
    );
    let tools = listed(&[("read", &read), ("odd", &odd)]);
    pins.judge("files", &tools).iter().for_each(|change| pins.accept(change));
    let text = pins.to_json();
    assert!(text.contains(r#""const": "\u200b\"""#) && !text.contains('\u{202e}'), "{text}");
    let again = Pins::read(&text).unwrap();
    assert_eq!(again.to_json(), text);
    assert_eq!(again.judge("files", &tools), []);
    again.forget("files");
    assert_eq!(again.judge("files", &tools).len(), 2);
    let places: Vec<_> = ["\"odd\"", "\"read\""].iter().map(|name| text.find(name).unwrap()).collect();
    assert!(places.is_sorted());
}

#[test]
fn a_file_that_is_none_is_told_by_what_is_wrong() {
    for (text, what) in [
        ("", "the pins cannot be read: "),
        ("{}", "`toolpost-pins` is missing"),
        (r#"{"toolpost-pins":2,"upstreams":{}}"#, "is 2, and this version reads 1"),
        (r#"{"toolpost-pins":1}"#, "`upstreams` is missing"),
        (r#"{"toolpost-pins":1,"upstreams":{},"x":1}"#, "unknown member `x`"),
        (r#"{"toolpost-pins":1,"upstreams":{"a":[]}}"#, "`upstreams.a` is no object"),
        (r#"{"toolpost-pins":1,"upstreams":{"a":{"b":1}}}"#, "`upstreams.a.b`: is no object"),
        (
            r#"{"toolpost-pins":1,"upstreams":{"a":{"b":{"digest":1}}}}"#,
            "`upstreams.a.b`: unknown member `digest`",
        ),
        (
            r#"{"toolpost-pins":1,"upstreams":{"a":{"b":{"description":"x"}}}}"#,
            "`description` is no array of lines",
        ),
    ] {
        let error = Pins::read(text).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
}

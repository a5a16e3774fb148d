//! The guard and the decoder, beside a plain typed decode by `serde_json` in one pass.
//!
//! The limit decodes envelope and arguments straight into types: no guard, no index, nothing else.

mod bodies;

use bodies::{Echo, Envelope, Records};
use bytes::Bytes;
use harness::{Cases, Goals};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use toolpost_json::{Frame, Limits, write};
use toolpost_protocol::{Id, Message, meta, reply};

#[global_allocator]
static ALLOCATOR: harness::Counting = harness::Counting;

fn limit<'a, T: Deserialize<'a>>(body: &'a [u8]) -> T {
    let envelope: Envelope<'a, T> = serde_json::from_slice(body).unwrap();
    assert!(envelope.jsonrpc == "2.0" && envelope.id == 12_345 && envelope.method == "tools/call");
    assert!(!envelope.params.name.is_empty() && envelope.params.meta.version == "2026-07-28");
    envelope.params.arguments
}

fn guard(body: &Bytes, limits: &Limits) -> Frame {
    Frame::parse(body.clone(), limits).unwrap()
}

/// What a server reads of a call before it knows the arguments' type.
fn envelope(frame: &Frame) -> (Id, toolpost_json::Node<'_>) {
    let Ok(Message::Request { id, method, params: Some(params) }) = Message::read(frame) else { panic!() };
    assert!(method == "tools/call");
    let (mut name, mut arguments, mut version) = (None, None, None);
    for (key, value) in params.members() {
        match &*key.name() {
            "name" => name = value.as_str(),
            "arguments" => arguments = Some(value),
            "_meta" => version = value.member(meta::PROTOCOL_VERSION),
            _ => {}
        }
    }
    assert!(name.is_some() && version.and_then(|version| version.as_str()).unwrap() == "2026-07-28");
    (id, arguments.unwrap())
}

fn ours<T: DeserializeOwned>(body: &Bytes, limits: &Limits) -> (T, Id) {
    let frame = guard(body, limits);
    let (id, arguments) = envelope(&frame);
    (arguments.decode().unwrap(), id)
}

fn main() {
    let limits = Limits::new();
    let small = Bytes::from(bodies::small());
    let large = Bytes::from(bodies::large());
    let text = Bytes::from(format!("\"{}\"", "a plain text of 10 kB ".repeat(455)));
    let pretty: serde_json::Value = serde_json::from_slice(&large).unwrap();
    let pretty = Bytes::from(serde_json::to_string_pretty(&pretty).unwrap());
    let frame = guard(&large, &limits);
    let (_, arguments) = envelope(&frame);
    println!(
        "small {} B, large {} B, text {} B, pretty {} B",
        small.len(),
        large.len(),
        text.len(),
        pretty.len()
    );
    let id = Id::from(12_345);
    let answer = "a plain text\n".repeat(79);
    let mut out = Vec::with_capacity(2048);

    let figures = Cases::new()
        .case("small: limit", || limit::<Echo>(&small))
        .case("small: guard", || guard(&small, &limits))
        .case("small: guard, envelope", || envelope(&guard(&small, &limits)).0)
        .case("small: guard, envelope, decode", || ours::<Echo>(&small, &limits))
        .case("large: limit", || limit::<Records>(&large))
        .case("large: guard", || guard(&large, &limits))
        .case("large: decode", || arguments.decode::<Records>().unwrap())
        .case("large: guard, envelope, decode", || ours::<Records>(&large, &limits))
        .case("large: serde_json, ignored", || {
            serde_json::from_slice::<serde::de::IgnoredAny>(&large).unwrap()
        })
        .case("text: guard", || guard(&text, &limits))
        .case("pretty: guard", || guard(&pretty, &limits))
        .case("pretty: limit", || serde_json::from_slice::<Envelope<'_, Records>>(&pretty).unwrap().id)
        .case("reply of 1 kB", || {
            out.clear();
            reply::result(&mut out, &id, |out| write::string(out, &answer));
            out.len()
        })
        .main();

    let instructions = |name: &str| figures[name].instructions.unwrap_or(f64::NAN);
    let mut goals = Goals::new();
    for (name, bytes) in [("large", &large), ("pretty", &pretty), ("text", &text)] {
        let per_byte = instructions(&format!("{name}: guard")) / bytes.len() as f64;
        println!("guard, {name}: {per_byte:.2} instructions per byte");
    }
    let skipped = instructions("large: serde_json, ignored");
    goals.at_most(
        "guard, beside serde_json reading the same to ignore it",
        instructions("large: guard") / skipped,
        1.0,
    );
    goals.at_most(
        "guard of plain text, instructions per byte",
        instructions("text: guard") / text.len() as f64,
        2.0,
    );
    for size in ["small", "large"] {
        let of = |what: &str| instructions(&format!("{size}: {what}"));
        let ratio = of("guard, envelope, decode") / of("limit");
        goals.at_most(&format!("{size} call, guard to arguments, beside the limit"), ratio, 1.0);
    }
    goals.at_most(
        "typed decode from the index, beside the limit",
        instructions("large: decode") / instructions("large: limit"),
        1.0,
    );
    goals.at_most("allocations of guard and envelope", figures["small: guard, envelope"].allocations, 0.0);
    std::process::exit(i32::from(!goals.finish()));
}

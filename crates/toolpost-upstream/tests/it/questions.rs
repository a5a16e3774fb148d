//! What a server asks of the user of a call, in all four pairs of eras.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use toolpost_dispatch::Dispatcher;
use toolpost_protocol::Version;
use toolpost_test::client;
use toolpost_tool::{AnyTool, Call, ErrorKind, NoArgs, tool_fn};
use toolpost_upstream::{Upstream, UpstreamOptions};

use crate::common::{Wire, dispatcher, serving, start, tool, until};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Size {
    mm: u32,
}

/// Asks a person, then a model, and counts how often it came so far.
fn asks(ended: &Arc<AtomicUsize>) -> AnyTool {
    let ended = Arc::clone(ended);
    AnyTool::new(tool_fn("cut", move |_: NoArgs, call: Call| {
        let ended = Arc::clone(&ended);
        async move {
            let Some(size) = call.elicit::<Size>("size", "How long?")?.accepted() else {
                return Ok("nothing is cut".to_owned());
            };
            let advice = call.sample("advice", &format!("Is {} mm good?", size.mm), 100)?;
            ended.fetch_add(1, Ordering::Relaxed);
            Ok(format!("{} mm: {advice}", size.mm))
        }
    }))
}

async fn through(theirs: Version) -> (Upstream, Dispatcher, Arc<AtomicUsize>) {
    let ended = Arc::default();
    let endpoint = serving(&Wire::default(), &dispatcher([asks(&ended)]));
    let upstream = start("saw", endpoint, UpstreamOptions::new().versions([theirs])).await;
    let ours = dispatcher(upstream.tools());
    (upstream, ours, ended)
}

const PAIRS: [(Version, Version); 6] = [
    (Version::V2026_07_28, Version::V2026_07_28),
    (Version::V2026_07_28, Version::V2025_11_25),
    (Version::V2025_11_25, Version::V2026_07_28),
    (Version::V2025_11_25, Version::V2025_11_25),
    (Version::V2025_06_18, Version::V2025_06_18),
    (Version::V2026_07_28, Version::V2025_06_18),
];

#[tokio::test(start_paused = true)]
async fn forms_and_samples_cross_every_pair_of_eras() {
    for (ours, theirs) in PAIRS {
        let (upstream, dispatcher, ended) = through(theirs).await;
        let client = client(&dispatcher).version(ours);
        let client = client.person(|form| {
            assert_eq!(form["message"], "How long?");
            assert_eq!(form["requestedSchema"]["properties"]["mm"]["type"], "integer");
            Some(json!({ "mm": 12 }))
        });
        let client = client.model(|question| {
            assert_eq!(question["messages"][0]["content"]["text"], "Is 12 mm good?");
            "it is".to_owned()
        });
        let mut client = client.connect().await;
        let result = client.call("cut", &json!({})).await.unwrap();
        assert_eq!(text(&result), "12 mm: it is", "{ours} over {theirs}");
        assert_eq!(ended.load(Ordering::Relaxed), 1, "{ours} over {theirs}");
        assert_eq!(upstream.status().suspended, 0);
        assert_eq!(upstream.status().handshakes, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_person_who_declines_is_heard_in_every_pair_of_eras() {
    for (ours, theirs) in PAIRS {
        let (_upstream, dispatcher, _) = through(theirs).await;
        let client = client(&dispatcher).version(ours).person(|_| None).model(|_| String::new());
        let mut client = client.connect().await;
        let result = client.call("cut", &json!({})).await.unwrap();
        assert_eq!(text(&result), "nothing is cut", "{ours} over {theirs}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_asked_is_not_and_the_server_is_told() {
    for (ours, theirs) in PAIRS {
        let (_upstream, dispatcher, ended) = through(theirs).await;
        let mut client = client(&dispatcher).version(ours).connect().await;
        let told = match client.call("cut", &json!({})).await {
            Ok(result) => {
                assert_eq!(result["isError"], true, "{result}");
                result.to_string()
            }
            Err(error) => error.message().to_owned(),
        };
        assert!(!told.is_empty());
        assert_eq!(ended.load(Ordering::Relaxed), 0, "{ours} over {theirs}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_who_are_asked_at_once_get_their_own_answers_from_a_modern_server() {
    let (upstream, ..) = through(Version::LATEST).await;
    let one = |mm: u32| {
        let dispatcher = dispatcher(upstream.tools());
        async move {
            let client =
                client(&dispatcher).person(move |_| Some(json!({ "mm": mm }))).model(|_| "yes".to_owned());
            let result = client.connect().await.call("cut", &json!({})).await.unwrap();
            assert_eq!(text(&result), format!("{mm} mm: yes"));
        }
    };
    futures_util::future::join_all((1..20).map(one)).await;
}

#[tokio::test(start_paused = true)]
async fn a_suspended_call_of_an_older_server_is_its_principals_and_is_given_up_after_a_while() {
    let (upstream, _, ended) = through(Version::V2025_11_25).await;
    let cut = tool(&upstream, "cut");
    let ask = |call: Call| cut.call_boxed(call);
    let suspended = ask(toolpost_test::call(NoArgs {}).by("ada").build()).await.unwrap_err();
    let required = suspended.as_input_required().unwrap();
    let (key, _) = required.requests().first_key_value().unwrap();
    let state: Value = serde_json::from_str(required.state().unwrap()).unwrap();
    assert_eq!(upstream.status().suspended, 1);

    let again = |by: &str| {
        toolpost_test::call(NoArgs {})
            .by(by)
            .resuming(state.clone())
            .accepting(key, json!({ "mm": 3 }))
            .build()
    };
    let error = ask(again("eve")).await.unwrap_err();
    assert!(error.to_string().contains("no longer waits for this answer"), "{error}");
    let error = ask(again("ada")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InputRequired, "the next question");
    assert_eq!(upstream.status().suspended, 1);
    let error = ask(again("ada")).await.unwrap_err();
    assert!(error.to_string().contains("no longer waits for this answer"), "a state is of use once: {error}");

    tokio::time::sleep(Duration::from_secs(601)).await;
    assert_eq!(upstream.status().suspended, 0);
    assert_eq!(ended.load(Ordering::Relaxed), 0);
    until(&upstream, |status| status.is_healthy()).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_where_it_is_not_known_whose_call_an_older_server_asks_about() {
    let (upstream, _, ended) = through(Version::V2025_11_25).await;
    let cut = tool(&upstream, "cut");
    let call = |by: &str| cut.call_boxed(toolpost_test::call(NoArgs {}).by(by).build());
    let first = call("ada").await.unwrap_err();
    assert_eq!(first.kind(), ErrorKind::InputRequired);
    // Over lines it does not say, and there are two calls now.
    let second = call("eve").await.unwrap();
    assert!(second.is_error(), "{second:?}");
    assert_eq!((upstream.status().suspended, ended.load(Ordering::Relaxed)), (1, 0));
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{result}"))
}

//! What the host brings may panic, and nothing else is harmed: observers, the rule, loaders.
#![expect(clippy::disallowed_methods, reason = "a test on a paused clock")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use toolpost::dispatch::{Access, Decision, Event};
use toolpost::tool::{AnyTool, ErrorKind, NoArgs, Principal, Refusal, Tool, ToolError, tool_fn};
use toolpost::{Categories, Runtime};
use toolpost_test::{assert_kind, assert_text, run};

fn ready() -> impl Tool {
    tool_fn("ready", |_: NoArgs, _| async { Ok("fine") })
}

#[test]
fn an_observer_that_panics_costs_no_call_and_the_others_are_told_all_the_same() {
    run(async {
        let told = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&told);
        let runtime = Runtime::builder()
            .tool(ready())
            .observe(|_: &Event<'_>| panic!("an observer"))
            .observe(move |_: &Event<'_>| {
                counted.fetch_add(1, Ordering::SeqCst);
            })
            .build()
            .unwrap();
        assert_text(&runtime.call("ready", &NoArgs {}).await, "fine");
        assert_eq!(told.load(Ordering::SeqCst), 2, "it began, and it ended");
        drop(runtime.call("ready", &NoArgs {}));
        assert_kind(&runtime.call("raedy", &NoArgs {}).await, ErrorKind::Protocol);
        assert_eq!(runtime.dispatcher().running(), 0);
    });
}

#[test]
fn a_rule_that_panics_denies() {
    run(async {
        let panics = Arc::new(AtomicBool::new(true));
        let asked = Arc::clone(&panics);
        let rule = move |_: &Access<'_>| match asked.load(Ordering::SeqCst) {
            true => panic!("a rule"),
            false => Decision::Allow,
        };
        let runtime = Runtime::builder().tool(ready()).authorize(rule).build().unwrap();
        assert_kind(&runtime.call("ready", &NoArgs {}).await, ErrorKind::Refused(Refusal::Denied));
        assert!(runtime.categories(&Principal::anonymous()).is_empty());
        panics.store(false, Ordering::SeqCst);
        assert_text(&runtime.call("ready", &NoArgs {}).await, "fine");
    });
}

/// Panics the first time, is dropped the second time, and loads the third time.
#[test]
fn a_load_that_panics_or_is_dropped_is_tried_again() {
    run(async {
        let loads = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&loads);
        let runtime = Runtime::builder()
            .lazy_category("web", move || {
                let number = counted.fetch_add(1, Ordering::SeqCst);
                async move {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    assert!(0 < number, "a loader");
                    Ok::<_, ToolError>(vec![AnyTool::new(ready())])
                }
            })
            .surface(Categories)
            .build()
            .unwrap();
        let arguments = json!({"tool": "ready", "category": "web"});
        let dispatch = || runtime.call("tools_dispatch", &arguments);
        assert_kind(&dispatch().await, ErrorKind::Panicked);
        assert!(tokio::time::timeout(Duration::from_millis(10), dispatch()).await.is_err());
        let (one, other) = tokio::join!(dispatch(), dispatch());
        assert_text(&one, "fine");
        assert_text(&other, "fine");
        assert_eq!(loads.load(Ordering::SeqCst), 3);
    });
}

//! Tools by category, loaded when first used, and the four tools in front of them.
#![expect(clippy::disallowed_methods, reason = "a test unwraps, on a paused clock")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use toolpost::dispatch::{Access, Decision, Request, Target};
use toolpost::tool::{AnyTool, ErrorKind, NoArgs, Principal, RetryPolicy, ToolError, tool_fn};
use toolpost::{Runtime, RuntimeBuilder, Surface};
use toolpost_test::{Script, assert_kind, assert_text, run};

fn tool(name: &str, category: &str) -> AnyTool {
    let (answer, category) = (format!("{name} answers"), category.to_owned());
    let description = format!("{} of {name}.\nMore.", "é".repeat(120));
    AnyTool::new(
        tool_fn(name, move |_: NoArgs, _| {
            let answer = answer.clone();
            async move { Ok(answer) }
        })
        .with_spec(|spec| spec.with_category(category).with_description(description)),
    )
}

fn nobody() -> Principal {
    Principal::anonymous()
}

/// Two eager categories and a lazy one whose loader counts, waits, and fails the first `failures` times.
fn builder(loads: &Arc<AtomicUsize>, failures: usize) -> RuntimeBuilder {
    let loads = Arc::clone(loads);
    Runtime::builder()
        .any(tool("zip", "files"))
        .any(tool("add", "math"))
        .any(tool("list", "files"))
        .lazy_category("web", move || {
            let number = loads.fetch_add(1, Ordering::SeqCst);
            async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                if number < failures {
                    return Err(ToolError::unavailable("the catalog server is down"));
                }
                let fetch = tool_fn("fetch", |_: NoArgs, _| async { Ok("fetched") });
                Ok(vec![AnyTool::new(fetch)])
            }
        })
}

#[test]
fn listing_is_sorted_counts_and_loads_nothing() {
    // Dispatch 11, Dispatch 13
    run(async {
        let loads = Arc::default();
        let runtime = builder(&loads, 0).build().unwrap();
        let seen = || {
            let listed = runtime.categories().list(&nobody());
            listed.into_iter().map(|c| (c.name, c.tools, c.lazy)).collect::<Vec<_>>()
        };
        let before = [
            ("files".to_owned(), Some(2), false),
            ("math".to_owned(), Some(1), false),
            ("web".to_owned(), None, true),
        ];
        assert_eq!(seen(), before);
        assert_eq!(loads.load(Ordering::SeqCst), 0);
        assert_eq!(runtime.categories().tools("web", &nobody()).await.unwrap().len(), 1);
        assert_eq!(seen()[2], ("web".to_owned(), Some(1), false));
    });
}

#[test]
fn a_hundred_first_uses_load_once() {
    // Dispatch 11
    run(async {
        let loads = Arc::default();
        let runtime = builder(&loads, 0).build().unwrap();
        let uses: Vec<_> = (0..100)
            .map(|_| {
                let runtime = runtime.clone();
                tokio::spawn(async move { runtime.categories().tools("web", &nobody()).await.unwrap().len() })
            })
            .collect();
        for tools in uses {
            assert_eq!(tools.await.unwrap(), 1);
        }
        assert_eq!(loads.load(Ordering::SeqCst), 1);
        assert_text(&runtime.call("fetch", &json!({})).await, "fetched");
    });
}

#[test]
fn a_failed_load_is_tried_again() {
    // Dispatch 11
    run(async {
        let loads = Arc::default();
        let runtime = builder(&loads, 1).build().unwrap();
        let failed = runtime.categories().tools("web", &nobody()).await.unwrap_err();
        assert_eq!(failed.to_string(), "the catalog server is down");
        assert_eq!(runtime.categories().tools("web", &nobody()).await.unwrap().len(), 1);
        assert_eq!(loads.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn loading_a_category_keeps_the_state_of_the_others() {
    run(async {
        let mut breaker = toolpost::tool::BreakerPolicy::default();
        (breaker.window, breaker.minimum_calls) = (1, 1);
        let broken =
            Script::new("broken").fails(ToolError::new("no")).with_spec(|spec| spec.with_breaker(breaker));
        let runtime = builder(&Arc::default(), 0).tool(broken).build().unwrap();
        assert_kind(&runtime.call("broken", &json!({})).await, ErrorKind::Failed);
        runtime.categories().load("web").await.unwrap();
        let refused = runtime.call("broken", &json!({})).await.unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::Refused(_)), "the breaker is as open as it was");
    });
}

#[test]
fn an_unknown_category_names_those_there_are() {
    // Dispatch 2
    run(async {
        let runtime = builder(&Arc::default(), 0).build().unwrap();
        let error = runtime.categories().tools("file", &nobody()).await.unwrap_err();
        assert_eq!(error.to_string(), "there is no category `file`; there are: `files`, `math`, `web`");
    });
}

#[test]
fn short_descriptions_are_one_line_cut_between_characters() {
    // Dispatch 13
    run(async {
        let runtime = builder(&Arc::default(), 0).build().unwrap();
        let tools = runtime.categories().tools("files", &nobody()).await.unwrap();
        assert_eq!(tools.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["list", "zip"]);
        assert_eq!(tools[0].description, "é".repeat(100));
    });
}

#[test]
fn schemas_are_encoded_once() {
    // Dispatch 12
    run(async {
        let runtime = builder(&Arc::default(), 0).build().unwrap();
        let all = runtime.categories();
        let first = all.schema("add", &nobody()).unwrap();
        let again = all.schema("add", &nobody()).unwrap();
        assert!(Arc::ptr_eq(&first, &again), "the same object");
        assert!(all.schema("ad", &nobody()).is_err());
        let stats = all.schema_stats();
        assert_eq!((stats.misses, stats.hits, stats.size), (1, 1, 1), "an unknown tool is not remembered");
        assert_eq!(all.clear_schemas(), 1);
        assert_eq!(all.schema_stats().size, 0);
    });
}

#[test]
fn four_tools_stand_in_front_and_every_policy_is_enforced_behind_them() {
    run(async {
        let flaky = Script::new("flaky").fails(ToolError::unavailable("later")).answers("there");
        let flaky = flaky.with_spec(|spec| spec.repeatable().with_retry(RetryPolicy::new(2)));
        let runtime = builder(&Arc::default(), 0)
            .tool(flaky)
            .authorize(|access: &Access<'_>| match access.target {
                Target::Tool(spec) if spec.name() == "zip" => Decision::Deny("not zip".into()),
                _ => Decision::Allow,
            })
            .surface(Surface::Hierarchical)
            .build()
            .unwrap();
        let names: Vec<String> = {
            let catalog = runtime.dispatcher().registry().catalog();
            catalog.iter().map(|entry| entry.spec().name().to_owned()).collect()
        };
        assert_eq!(
            names,
            ["tools_dispatch", "tools_get_schema", "tools_list_categories", "tools_list_tools"]
        );

        let call = async |tool: &'static str, arguments: Value| {
            runtime.dispatcher().call(Request::new(tool).with_arguments(&arguments).unwrap()).await
        };
        let listed = call("tools_list_tools", json!({"category": "files"})).await.unwrap();
        assert!(
            listed.structured().unwrap().contains("list") && !listed.structured().unwrap().contains("zip")
        );
        let schema = call("tools_get_schema", json!({"tool": "fetch", "category": "web"})).await.unwrap();
        assert!(schema.structured().unwrap().starts_with(r#"{"name":"fetch""#), "its category was loaded");
        assert_text(&call("tools_dispatch", json!({"tool": "fetch"})).await, "fetched");
        assert_text(&call("tools_dispatch", json!({"tool": "flaky"})).await, "there");
        let denied = call("tools_dispatch", json!({"tool": "zip"})).await;
        assert!(matches!(denied.unwrap_err().kind(), ErrorKind::Refused(_)));
        let unknown = call("tools_dispatch", json!({"tool": "lits"})).await.unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::InvalidArguments);
        assert_eq!(unknown.to_string(), "unknown tool `lits`; did you mean `list`?");
        assert!(call("list", json!({})).await.is_err(), "what is behind is not called past the four");
    });
}

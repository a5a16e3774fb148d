//! Tools by category, loaded when first used, and the four tools in front of them.
#![expect(clippy::disallowed_methods, reason = "a test unwraps, on a paused clock")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use toolpost::dispatch::{Access, CallRequest, Decision, Event, Target};
use toolpost::json::{Frame, Limits};
use toolpost::tool::{
    AnyTool, BreakerPolicy, Call, CallParts, ErrorKind, NoArgs, Principal, Priority, RetryPolicy, Tool as _,
    ToolError, TraceContext, tool_fn,
};
use toolpost::{Categories, Peers, Runtime, RuntimeBuilder, Settings};
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
    run(async {
        let loads = Arc::default();
        let runtime = builder(&loads, 0).build().unwrap();
        let seen = || {
            let listed = runtime.categories(&nobody());
            listed.into_iter().map(|c| (c.name, c.tools, c.lazy)).collect::<Vec<_>>()
        };
        let before = [
            ("files".to_owned(), Some(2), false),
            ("math".to_owned(), Some(1), false),
            ("web".to_owned(), None, true),
        ];
        assert_eq!(seen(), before);
        assert_eq!(loads.load(Ordering::SeqCst), 0);
        assert_eq!(runtime.tools_in("web", &nobody()).await.unwrap().len(), 1);
        assert_eq!(seen()[2], ("web".to_owned(), Some(1), false));
    });
}

#[test]
fn a_category_that_may_not_be_loaded_does_not_say_that_there_is_more_of_it() {
    run(async {
        let eager = AnyTool::new(
            tool_fn("x", |_: NoArgs, _: Call| async { Ok("x") }).with_spec(|spec| spec.with_category("web")),
        );
        let lazy_as = |decision: Decision| {
            let rule = move |access: &Access<'_>| match access.target {
                Target::Category(_) => decision.clone(),
                _ => Decision::Allow,
            };
            let tools = builder(&Arc::default(), 0).tool(eager.clone()).authorize(rule);
            let all = tools.build().unwrap().categories(&Principal::new("bob"));
            all.iter().find(|category| category.name == "web").unwrap().lazy
        };
        assert_eq!([lazy_as(Decision::Allow), lazy_as(Decision::Hide)], [true, false]);
    });
}

#[test]
fn an_unloaded_category_is_seen_and_loaded_by_those_whom_the_rule_allows_it() {
    run(async {
        let loads = Arc::default();
        let runtime = builder(&loads, 0)
            .authorize(|access: &Access<'_>| match access.target {
                Target::Category("web") | Target::Tool(_) if access.principal.as_str() == "ann" => {
                    Decision::Allow
                }
                Target::Tool(tool) if tool.category() == Some("math") => Decision::Allow,
                Target::Category(_) => Decision::Deny("not told".into()),
                _ => Decision::Hide,
            })
            .surface(Categories)
            .build()
            .unwrap();
        let (all, ann, bob) = (&runtime, Principal::new("ann"), Principal::new("bob"));
        let seen = |who: &Principal| all.categories(who).into_iter().map(|c| c.name).collect::<Vec<_>>();
        let asked = async |category: &str| {
            let (hidden, absent) = (all.tools_in(category, &bob).await, all.tools_in("absent", &bob).await);
            let (hidden, absent) = (hidden.unwrap_err().to_string(), absent.unwrap_err().to_string());
            assert_eq!(hidden, absent.replace("absent", category));
            assert_eq!(hidden, format!("there is no category `{category}`; there are: `math`"));
        };
        assert_eq!(
            (seen(&ann), seen(&bob)),
            (vec!["files".into(), "math".into(), "web".into()], vec!["math".to_owned()])
        );
        asked("web").await;
        asked("files").await;
        let schema = json!({"tool": "fetch", "category": "web"});
        let schema = CallRequest::new("tools_get_schema").with_arguments(&schema).unwrap().by(bob.clone());
        assert!(
            runtime.dispatcher().call(schema).await.unwrap_err().to_string().ends_with("there are: `math`")
        );
        assert_eq!(loads.load(Ordering::SeqCst), 0, "whoever does not see it does not load it");
        assert_eq!(all.tools_in("web", &ann).await.unwrap().len(), 1);
        assert_eq!(loads.load(Ordering::SeqCst), 1);
        // Loaded, it is seen by whoever may see a tool in it.
        assert_eq!(seen(&bob), ["math"]);
        asked("web").await;
        let hidden = json!({"tool": "fetch"});
        let hidden = CallRequest::new("tools_dispatch").with_arguments(&hidden).unwrap().by(bob.clone());
        assert_eq!(
            runtime.dispatcher().call(hidden).await.unwrap_err().to_string(),
            "unknown tool `fetch`; `tools_list_tools` names those in a category, and there are: `math`"
        );
    });
}

#[test]
fn a_hundred_first_uses_load_once() {
    run(async {
        let loads = Arc::default();
        let runtime = builder(&loads, 0).build().unwrap();
        let uses: Vec<_> = (0..100)
            .map(|_| {
                let runtime = runtime.clone();
                tokio::spawn(async move { runtime.tools_in("web", &nobody()).await.unwrap().len() })
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
    run(async {
        let loads = Arc::default();
        let runtime = builder(&loads, 1).build().unwrap();
        let failed = runtime.tools_in("web", &nobody()).await.unwrap_err();
        assert_eq!(failed.to_string(), "the catalog server is down");
        assert_eq!(runtime.tools_in("web", &nobody()).await.unwrap().len(), 1);
        assert_eq!(loads.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn loading_a_category_keeps_the_state_of_the_others() {
    run(async {
        let mut breaker = BreakerPolicy::default();
        (breaker.window, breaker.minimum_calls) = (1, 1);
        let broken =
            Script::new("broken").fails(ToolError::new("no")).with_spec(|spec| spec.with_breaker(breaker));
        let runtime = builder(&Arc::default(), 0).tool(broken).build().unwrap();
        assert_kind(&runtime.call("broken", &json!({})).await, ErrorKind::Failed);
        runtime.load_category("web").await.unwrap();
        let refused = runtime.call("broken", &json!({})).await.unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::Refused(_)), "the breaker is as open as it was");
    });
}

#[test]
fn an_unknown_category_names_those_there_are() {
    run(async {
        let runtime = builder(&Arc::default(), 0).build().unwrap();
        let error = runtime.tools_in("file", &nobody()).await.unwrap_err();
        assert_eq!(error.to_string(), "there is no category `file`; there are: `files`, `math`, `web`");
    });
}

#[test]
fn short_descriptions_are_one_line_cut_between_characters() {
    run(async {
        let runtime = builder(&Arc::default(), 0).surface(Categories).build().unwrap();
        let listed = runtime.call("tools_list_tools", &json!({"category": "files"})).await.unwrap();
        let tools: Value = serde_json::from_str(listed.structured().unwrap()).unwrap();
        let described = |name: &str| json!({"name": name, "description": "é".repeat(100)});
        assert_eq!(tools, json!([described("list"), described("zip")]));
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
            .surface(Categories)
            .build()
            .unwrap();
        let names: Vec<String> = {
            let catalog = runtime.dispatcher().catalog();
            catalog.iter().map(|entry| entry.spec().name().to_owned()).collect()
        };
        assert_eq!(
            names,
            ["tools_dispatch", "tools_get_schema", "tools_list_categories", "tools_list_tools"]
        );

        let call = async |tool: &'static str, arguments: Value| {
            runtime.dispatcher().call(CallRequest::new(tool).with_arguments(&arguments).unwrap()).await
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
        let unknown = call("tools_dispatch", json!({"tool": "sharpen"})).await.unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "unknown tool `sharpen`; `tools_list_tools` names those in a category, and there are: \
             `files`, `math`, `other`, `web`"
        );
        for tool in ["tools_dispatch", "tools_get_schema"] {
            let astray = call(tool, json!({"tool": "list", "category": "fields"})).await.unwrap_err();
            let said = astray.to_string();
            assert!(said.starts_with("there is no category `fields`; there are: `files`, "), "{said}");
        }
        let long = call("tools_get_schema", json!({"tool": "é".repeat(9_999)})).await.unwrap_err();
        assert!(long.to_string().len() < 300, "what is wrong is shown, not sent back");
        assert!(call("list", json!({})).await.is_err(), "what is behind is not called past the four");
    });
}

/// What a call of this runtime sees of its context: priority, deadline, trace, a member of `_meta`.
#[test]
fn a_call_through_the_four_tools_keeps_its_meta_priority_deadline_and_trace() {
    run(async {
        let sees = tool_fn("sees", |args: Word, call: Call| async move {
            let locale =
                call.meta().and_then(|meta| meta.member("x/locale")?.as_str().map(|text| text.into_owned()));
            let trace = call.trace().parent.as_deref().map(str::to_owned);
            Ok(format!(
                "{} {locale:?} {:?} {:?} {trace:?}",
                args.word,
                call.priority(),
                call.deadline().is_some()
            ))
        });
        let cached = tool_fn("cached", |_: NoArgs, call: Call| async move {
            Ok(call
                .meta()
                .and_then(|meta| Some(meta.member("x/locale")?.raw().to_owned()))
                .unwrap_or_default())
        });
        let policy = toolpost::tool::CachePolicy::new(Duration::from_secs(60)).vary_by("x/locale");
        let runtime = Runtime::builder()
            .tool(sees.with_spec(|spec| spec.with_priority(Priority::Background)))
            .tool(cached.with_spec(|spec| spec.read_only().with_cache(policy)))
            .surface(Categories)
            .build()
            .unwrap();
        let call = async |arguments: Value, locale: &'static str| {
            let meta = json!({"x/locale": locale, "dev.toolpost/priority": "normal"});
            let text = json!({"arguments": arguments, "_meta": meta}).to_string();
            let frame = Frame::from_text(text, &Limits::new()).unwrap();
            let mut parts = CallParts::default();
            parts.tool = "tools_dispatch".into();
            parts.arguments = Some(frame.root().member("arguments").unwrap().id());
            parts.meta = Some(frame.root().member("_meta").unwrap().id());
            parts.frame = Some(frame);
            parts.deadline = Some((tokio::time::Instant::now() + Duration::from_secs(5)).into_std());
            let mut trace = TraceContext::default();
            trace.parent = Some("00-1-2-01".into());
            parts.set_trace(trace);
            runtime.dispatcher().call(CallRequest::from_parts(parts)).await
        };
        let seen = call(json!({"tool": "sees", "arguments": {"word": "hello"}}), "de").await;
        // The tool's own priority is for calls that do not say theirs; this one says so.
        assert_text(&seen, r#"hello Some("de") Normal true Some("00-1-2-01")"#);
        for (locale, found) in [("de", r#""de""#), ("fr", r#""fr""#), ("de", r#""de""#)] {
            assert_text(&call(json!({"tool": "cached"}), locale).await, found);
        }
        let wrong = call(json!({"tool": "sees", "arguments": 7}), "de").await;
        assert_kind(&wrong, ErrorKind::InvalidArguments);
    });
}

/// One word.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Word {
    word: String,
}

#[test]
fn every_call_through_the_four_tools_is_observed() {
    run(async {
        let ended = Arc::new(std::sync::Mutex::new(Vec::new()));
        let told = Arc::clone(&ended);
        let runtime = builder(&Arc::default(), 0)
            .surface(Categories)
            .observe(move |event: &Event<'_>| match event {
                Event::Finished { tool, outcome, .. } => {
                    told.lock().unwrap().push(format!("{} {}", tool.name(), outcome.as_str()));
                }
                Event::UnknownTool { call } => told.lock().unwrap().push(format!("{} unknown", call.tool())),
                _ => {}
            })
            .build()
            .unwrap();
        let call = async |tool: &'static str, arguments: Value| {
            runtime.dispatcher().call(CallRequest::new(tool).with_arguments(&arguments).unwrap()).await
        };
        assert!(call("tools_dispatch", json!({"tool": "list"})).await.is_ok());
        assert!(call("tools_dispatch", json!({"tool": "nothing"})).await.is_err());
        assert!(call("list", json!({})).await.is_err());
        assert!(call("tools_list_tools", json!({})).await.is_err());
        runtime.drain(Duration::from_secs(1)).await.unwrap();
        assert!(call("tools_dispatch", json!({"tool": "list"})).await.is_err());
        let expected = [
            "list completed",
            "tools_dispatch completed",
            "nothing unknown",
            "tools_dispatch invalid_arguments",
            "list unknown",
            "tools_list_tools invalid_arguments",
            "tools_dispatch draining",
        ];
        assert_eq!(*ended.lock().unwrap(), expected);
    });
}

#[test]
fn peers_are_the_tools_behind_the_four() {
    run(async {
        let peers = Peers::new();
        let peer = peers.tool("add").unwrap();
        let calls = tool_fn("calls", move |_: NoArgs, call: Call| {
            let peer = peer.clone();
            async move { peer.call(call.child("add", &json!({}))?).await }
        });
        let runtime = builder(&Arc::default(), 0).tool(calls).surface(Categories).build().unwrap();
        assert!(peers.bind(&runtime));
        assert_text(&runtime.call("tools_dispatch", &json!({"tool": "calls"})).await, "add answers");
    });
}

#[test]
fn a_loaded_category_stays_loaded_when_everything_is_reloaded() {
    run(async {
        let loads = Arc::default();
        let runtime = builder(&loads, 0).build().unwrap();
        runtime.load_category("web").await.unwrap();
        let settings = Settings::from_json(r#"{"tools": {"fetch": {"time-limit-ms": 7000}}}"#).unwrap();
        runtime.reload(&settings, [tool("add", "math")]).unwrap();
        assert_text(&runtime.call("fetch", &json!({})).await, "fetched");
        assert_eq!(loads.load(Ordering::SeqCst), 1);
        assert!(runtime.call("zip", &json!({})).await.is_err(), "it is not among the new tools");
        let limit = || {
            let catalog = runtime.dispatcher().catalog();
            catalog.find("fetch").unwrap().spec().policy().time_limit
        };
        assert_eq!(limit(), Some(Duration::from_secs(7)), "it is under the new settings");
        runtime.reconfigure(&Settings::default()).unwrap();
        assert_eq!(limit(), None);
        assert_text(&runtime.call("add", &json!({})).await, "add answers");
    });
}

#[test]
fn a_reload_while_a_category_loads_loses_neither() {
    run(async {
        let loads = Arc::default();
        let runtime = builder(&loads, 0).build().unwrap();
        let loading = tokio::spawn({
            let runtime = runtime.clone();
            async move { runtime.load_category("web").await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        let settings = Settings::from_json(r#"{"defaults": {"time-limit-ms": 7000}}"#).unwrap();
        runtime.reload(&settings, [tool("sub", "math")]).unwrap();
        loading.await.unwrap().unwrap();
        for (name, answer) in [("fetch", "fetched"), ("sub", "sub answers")] {
            assert_text(&runtime.call(name, &json!({})).await, answer);
            let catalog = runtime.dispatcher().catalog();
            assert_eq!(catalog.find(name).unwrap().spec().policy().time_limit, Some(Duration::from_secs(7)));
        }
        assert_eq!(loads.load(Ordering::SeqCst), 1);
        assert_eq!(runtime.categories(&nobody()).iter().filter(|category| category.lazy).count(), 0);
    });
}

#[test]
fn a_misspelt_tool_in_the_settings_is_named_when_the_last_category_is_loaded() {
    run(async {
        let settings = Settings::from_json(r#"{"tools": {"fetsh": {}, "fetch": {}}}"#).unwrap();
        let runtime = builder(&Arc::default(), 0)
            .lazy_category("more", || async { Ok(vec![tool("last", "more")]) })
            .settings(settings)
            .build()
            .unwrap();
        runtime.load_category("more").await.unwrap();
        let error = runtime.load_category("web").await.unwrap_err();
        let expected = "category `web` cannot be registered: the settings name a tool `fetsh`, and there is none; did you mean `fetch`?";
        assert_eq!(error.to_string(), expected);
        runtime.reconfigure(&Settings::from_json(r#"{"tools": {"fetch": {}}}"#).unwrap()).unwrap();
        runtime.load_category("web").await.unwrap();
        let misspelt = Settings::from_json(r#"{"tools": {"fetsh": {}}}"#).unwrap();
        let error = runtime.reconfigure(&misspelt).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the settings name a tool `fetsh`, and there is none; did you mean `fetch`?"
        );
    });
}

#[test]
fn a_tool_of_another_category_and_a_category_given_twice_are_faults() {
    run(async {
        let loader = || async { Ok(vec![tool("fetch", "net")]) };
        let runtime = Runtime::builder().lazy_category("web", loader).build().unwrap();
        let error = runtime.load_category("web").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "category `web` cannot be registered: \
             `fetch` declares the category `net`, and is loaded as one of `web`"
        );
        let twice = Runtime::builder().lazy_category("net", loader).lazy_category("net", loader);
        let error = twice.any(tool("a", "b")).any(tool("a", "b")).build().unwrap_err();
        let faults: Vec<_> = error.faults().collect();
        assert_eq!(faults.len(), 2, "{error}");
        assert_eq!(faults[0], "two loaders for the category `net`");
    });
}

#[test]
fn a_drain_waits_for_a_call_behind_the_four_that_came_past_them() {
    run(async {
        let peers = Peers::new();
        let nap = tool_fn("nap", |_: NoArgs, _: Call| async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            Ok("rested")
        });
        let runtime = Runtime::builder().tool(nap).surface(Categories).build().unwrap();
        assert!(peers.bind(&runtime));
        let peer = peers.tool("nap").unwrap();
        let call = Call::new(&json!({})).unwrap().child("nap", &json!({})).unwrap();
        let running = tokio::spawn(async move { peer.call(call).await });
        tokio::task::yield_now().await;
        assert_eq!(runtime.drain(Duration::from_secs(1)).await.unwrap_err().calls, 1);
        runtime.drain(Duration::from_secs(2)).await.unwrap();
        assert_text(&running.await.unwrap(), "rested");
    });
}

/// On two threads: calls, reloads, new settings and the loads of two categories, all at once.
#[test]
fn nothing_is_lost_in_a_storm_of_reloads_and_loads() {
    const RELOADS: u64 = 200;
    let slowly = |number: u64| {
        let tool = tool_fn("busy", move |_: NoArgs, _: Call| async move {
            tokio::task::yield_now().await;
            Ok(number.to_string())
        });
        AnyTool::new(tool.with_spec(|spec| spec.with_concurrency(3).with_breaker(BreakerPolicy::default())))
    };
    let loads = |name: &'static str| {
        move || async move {
            tokio::task::yield_now().await;
            Ok(vec![tool(name, name)])
        }
    };
    let threads =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    threads.block_on(async {
        let runtime = Runtime::builder()
            .any(slowly(0))
            .lazy_category("one", loads("one"))
            .lazy_category("two", loads("two"))
            .build()
            .unwrap();
        let stop = Arc::new(AtomicUsize::new(0));
        let callers: Vec<_> = (0..10)
            .map(|_| {
                let (runtime, stop) = (runtime.clone(), Arc::clone(&stop));
                tokio::spawn(async move {
                    while stop.load(Ordering::SeqCst) == 0 {
                        runtime.call("busy", &json!({})).await.unwrap();
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        let loading: Vec<_> = (0..20)
            .map(|number| {
                let runtime = runtime.clone();
                let name = if number % 2 == 0 { "one" } else { "two" };
                tokio::spawn(async move { runtime.load_category(name).await.unwrap() })
            })
            .collect();
        for number in 1..=RELOADS {
            runtime.reload(&Settings::default(), [slowly(number)]).unwrap();
            let settings = format!(r#"{{"defaults": {{"time-limit-ms": {}}}}}"#, 60_000 + number);
            runtime.reconfigure(&Settings::from_json(&settings).unwrap()).unwrap();
            tokio::task::yield_now().await;
        }
        for load in loading {
            load.await.unwrap();
        }
        stop.store(1, Ordering::SeqCst);
        for caller in callers {
            caller.await.unwrap();
        }
        assert_text(&runtime.call("busy", &json!({})).await, &RELOADS.to_string());
        assert_text(&runtime.call("one", &json!({})).await, "one answers");
        assert_text(&runtime.call("two", &json!({})).await, "two answers");
        runtime.drain(Duration::from_secs(60)).await.unwrap();
    });
}

#[test]
fn a_loader_that_hangs_is_left_in_time_and_tried_again() {
    run(async {
        let loads = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&loads);
        let loader = move || {
            let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                if first {
                    std::future::pending::<()>().await;
                }
                Ok(vec![tool("fetch", "web")])
            }
        };
        let runtime = Runtime::builder().surface(Categories).lazy_category("web", loader).build().unwrap();
        let begin = tokio::time::Instant::now();
        let fetch = json!({"category": "web", "tool": "fetch"});
        let hangs = runtime.call("tools_dispatch", &fetch).await;
        assert_kind(&hangs, ErrorKind::TimedOut);
        assert_eq!(hangs.unwrap_err().to_string(), "category `web` took longer to load than 60s");
        assert_eq!(begin.elapsed(), Duration::from_secs(60));
        assert_text(&runtime.call("tools_dispatch", &fetch).await, "fetch answers");
    });
}

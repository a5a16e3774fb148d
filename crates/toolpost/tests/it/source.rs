//! Tools that come and go: each source alone, names that are one tool's, and what stays remembered.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test unwraps, on a paused clock")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use toolpost::breaker::BreakerState;
use toolpost::tool::{
    AnyTool, BreakerPolicy, CachePolicy, Call, ErrorKind, NoArgs, Output, ResultFlag, ToolError, tool_fn,
};
use toolpost::{Peers, Runtime, Settings};
use toolpost_test::{Script, assert_kind, assert_text, mock, poll_once, run};

const MINUTE: Duration = Duration::from_secs(60);

/// A tool that answers with the name that it is called by.
fn tool(name: &str, aliases: &[&str]) -> AnyTool {
    let tool = tool_fn(name, |_: NoArgs, call: Call| async move { Ok(call.tool().to_owned()) });
    let spec = |spec| {
        aliases.iter().fold(spec, |spec: toolpost::tool::ToolSpec, alias| spec.with_alias(*alias).unwrap())
    };
    AnyTool::new(tool.with_spec(spec))
}

async fn call(runtime: &Runtime, name: &str) -> Result<Output, ToolError> {
    runtime.call(name, &NoArgs {}).await
}

fn names(runtime: &Runtime) -> Vec<String> {
    runtime.dispatcher().catalog().iter().map(|entry| entry.spec().name().to_owned()).collect()
}

#[test]
fn each_source_is_replaced_alone() {
    run(async {
        let runtime = Runtime::builder().any(tool("own", &[])).build().unwrap();
        let (one, other) = (runtime.source("one"), runtime.source("other"));
        one.set([tool("a", &[]), tool("b", &[])]).await.unwrap();
        other.set([tool("c", &[])]).await.unwrap();
        assert_eq!(names(&runtime), ["a", "b", "c", "own"]);
        runtime.source("one").set([tool("d", &[])]).await.unwrap();
        assert_eq!(names(&runtime), ["c", "d", "own"], "the handle is another, the source is the same");
        runtime.reload(&Settings::default(), [tool("new", &[])]).unwrap();
        assert_eq!(names(&runtime), ["c", "d", "new"]);
        one.clear().await.unwrap();
        assert_eq!(names(&runtime), ["c", "new"]);
        assert_text(&call(&runtime, "c").await, "c");
        assert_kind(&call(&runtime, "d").await, ErrorKind::Protocol);
    });
}

#[test]
fn a_name_that_two_claim_names_both_and_changes_nothing() {
    run(async {
        let runtime = Runtime::builder()
            .any(tool("own", &["mine"]))
            .lazy_category("web", || async { Ok(vec![tool("fetch", &[])]) })
            .build()
            .unwrap();
        runtime.load_category("web").await.unwrap();
        let (one, other) = (runtime.source("one"), runtime.source("other"));
        one.set([tool("a", &["b"])]).await.unwrap();
        let before = names(&runtime);
        for (tools, fault) in [
            (vec![tool("b", &[])], "the name `b` is claimed by source `one` and by source `other`"),
            (vec![tool("x", &["a"])], "the name `a` is claimed by source `one` and by source `other`"),
            (
                vec![tool("mine", &[])],
                "the name `mine` is claimed by the tools of the runtime itself and by source `other`",
            ),
            (vec![tool("fetch", &[])], "the name `fetch` is claimed by category `web` and by source `other`"),
            (vec![tool("x", &[]), tool("x", &[])], "two tools are called `x`"),
        ] {
            assert_eq!(other.set(tools).await.unwrap_err().to_string(), fault);
            assert_eq!(names(&runtime), before);
        }
        let error = runtime.reload(&Settings::default(), [tool("a", &[])]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the name `a` is claimed by the tools of the runtime itself and by source `one`"
        );
        one.clear().await.unwrap();
        other.set([tool("a", &["b"])]).await.unwrap();
        assert_text(&call(&runtime, "b").await, "b");
    });
}

#[test]
fn a_prefix_keeps_two_sources_apart_and_their_tools_keep_their_names() {
    run(async {
        let runtime = Runtime::builder().any(tool("find", &[])).build().unwrap();
        let (one, other) =
            (runtime.source("one").prefixed("one_"), runtime.source("other").prefixed("other."));
        let same = tool("find", &["look"]);
        one.set([same.clone()]).await.unwrap();
        other.set([same]).await.unwrap();
        assert_eq!(names(&runtime), ["find", "one_find", "other.find"]);
        assert_text(&call(&runtime, "one_find").await, "find");
        assert_text(&call(&runtime, "other.look").await, "look");
        let long = runtime.source("long").prefixed("a b ");
        let error = long.set([tool("find", &[])]).await.unwrap_err().to_string();
        assert!(
            error.starts_with("source `long` has a tool that cannot be named: tool name `a b find` has"),
            "{error}"
        );
    });
}

/// One that is asked by the name that it has in another runtime.
#[test]
fn a_tool_of_another_runtime_is_a_tool_of_a_source() {
    run(async {
        let (peers, far) = (Peers::new(), Runtime::builder().any(tool("find", &[])).build().unwrap());
        assert!(peers.bind(&far));
        let runtime = Runtime::builder().build().unwrap();
        let source = runtime.source("far").prefixed("far_");
        source.set([peers.tool("find").unwrap()]).await.unwrap();
        assert_text(&call(&runtime, "far_find").await, "find");
    });
}

#[test]
fn what_stays_is_remembered_and_what_goes_is_forgotten() {
    run(async {
        let mut breaker = BreakerPolicy::default();
        (breaker.window, breaker.minimum_calls) = (1, 1);
        let broken = Script::new("broken").fails(ToolError::new("no"));
        let broken = AnyTool::new(broken.with_spec(|spec| spec.with_breaker(breaker)));
        let cached = tool_fn("cached", |_: NoArgs, _: Call| async { Ok("kept") })
            .with_spec(|spec| spec.read_only().with_cache(CachePolicy::new(MINUTE)));
        let cached = AnyTool::new(cached);
        for prefix in ["", "up_"] {
            let runtime = Runtime::builder().build().unwrap();
            let source = runtime.source("up").prefixed(prefix);
            let (broken_name, cached_name) = (format!("{prefix}broken"), format!("{prefix}cached"));
            let is_hit = async || call(&runtime, &cached_name).await.unwrap().has_flag(ResultFlag::CacheHit);
            source.set([broken.clone(), cached.clone()]).await.unwrap();
            assert_kind(&call(&runtime, &broken_name).await, ErrorKind::Failed);
            assert!(!is_hit().await);
            let mut changes = runtime.dispatcher().catalog_changes();
            changes.mark_unchanged();
            source.set([cached.clone(), broken.clone()]).await.unwrap();
            assert!(!changes.has_changed().unwrap(), "the same tools in another order");
            source.set([cached.clone(), broken.clone(), tool("new", &[])]).await.unwrap();
            assert!(changes.has_changed().unwrap());
            assert_eq!(runtime.breaker(&broken_name).unwrap().state(), BreakerState::Open);
            assert!(is_hit().await);
            source.set([broken.clone()]).await.unwrap();
            source.set([cached.clone()]).await.unwrap();
            assert!(!is_hit().await, "another tool of that name might have come");
            assert!(runtime.breaker(&broken_name).is_none());
        }
    });
}

#[test]
fn a_call_that_runs_finishes_with_the_tool_it_found() {
    run(async {
        let (mocked, mut handle) = mock("slow");
        let runtime = Runtime::builder().build().unwrap();
        let source = runtime.source("up");
        source.set([AnyTool::new(mocked)]).await.unwrap();
        let mut running = Box::pin(call(&runtime, "slow"));
        assert!(poll_once(running.as_mut()).await.is_pending());
        drop(source.clear());
        assert_eq!(names(&runtime), ["slow"], "nothing happens before the first poll");
        source.clear().await.unwrap();
        assert!(names(&runtime).is_empty());
        handle.next().await.respond(Output::text("done"));
        assert_text(&running.await, "done");
    });
}

#[test]
fn settings_for_a_tool_that_may_yet_come_are_a_warning() {
    run(async {
        let settings = Settings::from_json(r#"{"tools": {"later": {"time-limit-ms": 1000}}}"#).unwrap();
        let builder = || Runtime::builder().settings(settings.clone()).any(tool("latest", &[]));
        let said = "the settings name a tool `later`, and there is none; did you mean `latest`?";
        assert_eq!(builder().build().unwrap_err().to_string(), said);
        let runtime = builder().source("up").build().unwrap();
        let source = runtime.source("up");
        assert_eq!(runtime.warnings().collect::<Vec<_>>(), [said]);
        source.set([AnyTool::new(Script::new("later").hangs())]).await.unwrap();
        assert_eq!(runtime.warnings().count(), 0);
        let begin = tokio::time::Instant::now();
        assert_kind(&call(&runtime, "later").await, ErrorKind::TimedOut);
        assert_eq!(begin.elapsed(), Duration::from_secs(1));
        source.clear().await.unwrap();
        assert_eq!(runtime.warnings().collect::<Vec<_>>(), [said]);
        // Of a source that nobody announced, from when it is there.
        let runtime = Runtime::builder().any(tool("latest", &[])).build().unwrap();
        assert_eq!(runtime.reconfigure(&settings).unwrap_err().to_string(), said);
        let _source = runtime.source("up");
        runtime.reconfigure(&settings).unwrap();
        assert_eq!(runtime.warnings().collect::<Vec<_>>(), [said]);
    });
}

/// Tools that may be given, by their names and aliases; some of them are in each other's way.
const POOL: [&[&str]; 7] = [&["a"], &["a"], &["b", "a"], &["c"], &["d", "c"], &["e"], &["f", "g"]];
const ORIGINS: [&str; 4] = ["builder", "category", "one", "two"];

/// Which tools of the pool an origin gives, in the naive model.
type Model = BTreeMap<usize, Vec<usize>>;

/// Each name with the tool and the origin that it is of, if no two tools have it.
fn resolved(model: &Model) -> Option<BTreeMap<String, (usize, usize)>> {
    let mut names = BTreeMap::new();
    for (&origin, tools) in model {
        for &tool in tools {
            for name in POOL[tool] {
                let name = if origin == 3 { format!("two_{name}") } else { (*name).to_owned() };
                if names.insert(name, (tool, origin)).is_some() {
                    return None;
                }
            }
        }
    }
    Some(names)
}

proptest! {
    /// Reloads, sources and a lazy category against a map that is made anew each time.
    #[test]
    fn origins_do_what_a_naive_model_does(
        steps in proptest::collection::vec((0..4_usize, proptest::collection::btree_set(0..POOL.len(), 0..4)), 1..20),
    ) {
        run(check(steps));
    }
}

async fn check(steps: Vec<(usize, BTreeSet<usize>)>) {
    let answers = |number: usize| {
        let named = tool_fn(POOL[number][0], move |_: NoArgs, _: Call| async move { Ok(number.to_string()) });
        AnyTool::new(named.with_spec(|spec| match POOL[number] {
            [_, alias] => spec.with_alias(*alias).unwrap(),
            _ => spec,
        }))
    };
    let pool: Arc<Vec<AnyTool>> = Arc::new((0..POOL.len()).map(answers).collect());
    let loads: Arc<Mutex<Vec<AnyTool>>> = Arc::default();
    let loaded = Arc::clone(&loads);
    let runtime = Runtime::builder()
        .lazy_category("category", move || {
            let tools = loaded.lock().unwrap().clone();
            async move { Ok(tools) }
        })
        .build()
        .unwrap();
    let (mut model, mut changes) = (Model::new(), runtime.dispatcher().catalog_changes());
    for (origin, tools) in steps {
        let tools: Vec<usize> = tools.into_iter().collect();
        let given: Vec<AnyTool> = tools.iter().map(|&tool| pool[tool].clone()).collect();
        let before = resolved(&model).unwrap();
        let catalog = runtime.dispatcher().catalog();
        let mut next = model.clone();
        // A category that is loaded is not loaded again.
        let is_loaded = origin == 1 && model.contains_key(&1);
        if !is_loaded {
            next.insert(origin, tools);
        }
        let went_well = match ORIGINS[origin] {
            "builder" => runtime.reload(&Settings::default(), given).is_ok(),
            "category" => {
                *loads.lock().unwrap() = given;
                runtime.load_category("category").await.is_ok()
            }
            "two" => runtime.source("two").prefixed("two_").set(given).await.is_ok(),
            name => runtime.source(name).set(given).await.is_ok(),
        };
        let is_sound = resolved(&next).is_some();
        assert_eq!(went_well, is_sound, "{next:?}");
        if is_sound {
            model = next;
        }
        let now = resolved(&model).unwrap();
        let is_changed = std::mem::replace(&mut changes, runtime.dispatcher().catalog_changes());
        assert_eq!(is_changed.has_changed().unwrap(), before != now, "clients are told of what differs");
        let registered: BTreeSet<(usize, usize)> = now.values().copied().collect();
        assert_eq!(names(&runtime).len(), registered.len());
        for (name, &(tool, origin)) in &now {
            assert_text(&call(&runtime, name).await, &tool.to_string());
            if before.get(name) == Some(&(tool, origin)) {
                let entry = runtime.dispatcher().catalog().find(name).map(Arc::clone);
                assert!(
                    Arc::ptr_eq(&entry.unwrap(), catalog.find(name).unwrap()),
                    "`{name}` stays what it was"
                );
            }
        }
    }
}

//! What stands in front of the tools: who sees it, what it may declare, and that it asks for what it shows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use toolpost::dispatch::{Access, CallRequest, Decision, Target};
use toolpost::json::Node;
use toolpost::tool::{AnyTool, Call, ErrorKind, NoArgs, Output, Principal, ToolSpec, tool_fn};
use toolpost::{Categories, Flat, Runtime, Settings, Surface, ToolExt as _};
use toolpost_test::{assert_kind, assert_text, run};

fn plain(name: &str) -> AnyTool {
    let answer = name.to_owned();
    AnyTool::new(tool_fn(name, move |_: NoArgs, _: Call| {
        let answer = answer.clone();
        async move { Ok(answer) }
    }))
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Named {
    tool: String,
}

/// Two tools: one lists what its caller may see, one calls it.
struct Two;

impl Surface for Two {
    fn in_front(&self, behind: &Runtime) -> Option<Vec<AnyTool>> {
        let all = behind.clone();
        let list = tool_fn("list", move |_: NoArgs, call: Call| {
            let visible = all.dispatcher().visible(&all.dispatcher().catalog(), call.principal());
            let names: Vec<&str> = visible.iter().map(|entry| entry.spec().name()).collect();
            let listed = Output::json(&names);
            async move { listed }
        });
        let all = behind.clone();
        let calls = tool_fn("call", move |args: Named, call: Call| {
            let all = all.clone();
            async move {
                let arguments = call.arguments().member("arguments").map(Node::id);
                all.dispatcher().call_within(call.redirected(args.tool, arguments)?).await
            }
        });
        Some(vec![AnyTool::new(list), AnyTool::new(calls.with_spec(ToolSpec::composite))])
    }
}

/// What it is told to put in front.
struct InFront(fn() -> Option<Vec<AnyTool>>);

impl Surface for InFront {
    fn in_front(&self, _: &Runtime) -> Option<Vec<AnyTool>> {
        (self.0)()
    }
}

fn names(runtime: &Runtime) -> Vec<String> {
    runtime.dispatcher().catalog().iter().map(|entry| entry.spec().name().to_owned()).collect()
}

#[test]
fn a_surface_of_ones_own_shows_and_calls_what_the_rule_allows() {
    run(async {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let rule = move |access: &Access<'_>| match access.target {
            Target::Tool(spec) if spec.name() == "secret" => {
                counted.fetch_add(1, Ordering::SeqCst);
                if access.principal.as_str() == "ann" { Decision::Allow } else { Decision::Hide }
            }
            Target::Tool(spec) => {
                assert!(!["list", "call"].contains(&spec.name()), "what is in front is everybody's");
                Decision::Allow
            }
            _ => Decision::Deny("nothing else".into()),
        };
        let runtime = Runtime::builder()
            .any(plain("open"))
            .any(plain("secret"))
            .authorize(rule)
            .surface(Two)
            .build()
            .unwrap();
        assert_eq!(names(&runtime), ["call", "list"]);
        let call = async |who: &str, tool: &'static str, arguments: Value| {
            let request = CallRequest::new(tool).with_arguments(&arguments).unwrap();
            runtime.dispatcher().call(request.by(Principal::new(who.to_owned()))).await
        };
        let seen =
            async |who: &str| call(who, "list", json!({})).await.unwrap().structured().unwrap().to_owned();
        assert_eq!(seen("ann").await, r#"["open","secret"]"#);
        assert_eq!(seen("bob").await, r#"["open"]"#);
        assert_text(&call("ann", "call", json!({"tool": "secret"})).await, "secret");
        assert_kind(&call("bob", "call", json!({"tool": "secret"})).await, ErrorKind::Protocol);
        assert_kind(&call("ann", "secret", json!({})).await, ErrorKind::Protocol);
        assert!(0 < asked.load(Ordering::SeqCst));
        // What comes later is behind it too, and clients are told of no change in front.
        let mut changes = runtime.dispatcher().catalog_changes();
        changes.mark_unchanged();
        runtime.source("up").set([plain("later")]).await.unwrap();
        assert_eq!(seen("bob").await, r#"["later","open"]"#);
        runtime.reload(&Settings::default(), []).unwrap();
        assert_eq!(seen("bob").await, r#"["later"]"#);
        assert!(!changes.has_changed().unwrap());
    });
}

#[test]
fn none_is_the_flat_list_and_a_surface_may_be_chosen_late() {
    run(async {
        for (surface, expected) in [
            (Box::new(Flat) as Box<dyn Surface>, vec!["a"]),
            (Box::new(InFront(|| None)), vec!["a"]),
            (Box::new(InFront(|| Some(Vec::new()))), vec![]),
            (Box::new(Two), vec!["call", "list"]),
            (
                Box::new(Categories),
                vec!["tools_dispatch", "tools_get_schema", "tools_list_categories", "tools_list_tools"],
            ),
        ] {
            let runtime = Runtime::builder().any(plain("a")).surface(surface).build().unwrap();
            assert_eq!(names(&runtime), expected);
        }
        assert_eq!(names(&Runtime::builder().any(plain("a")).build().unwrap()), ["a"]);
    });
}

#[test]
fn what_would_not_be_enforced_in_front_is_a_fault() {
    let build = |in_front: fn() -> Option<Vec<AnyTool>>| {
        Runtime::builder().any(plain("a")).surface(InFront(in_front)).build()
    };
    let declares = build(|| {
        let tool = tool_fn("front", |_: NoArgs, _: Call| async { Ok("") });
        Some(vec![AnyTool::new(tool.with_spec(|spec| spec.with_time_limit(Duration::from_secs(1))))])
    });
    assert_eq!(
        declares.unwrap_err().to_string(),
        "`front` stands in front of the tools and declares a policy, which would not be enforced there: declare it on \
         a tool behind, or put a layer around `front` by hand"
    );
    build(|| {
        let tool = tool_fn("front", |_: NoArgs, _: Call| async { Ok("") });
        let tool = tool.with_spec(|spec| spec.read_only().composite());
        Some(vec![AnyTool::new(tool.timed(Duration::from_secs(1)))])
    })
    .unwrap();
    let twice = build(|| Some(vec![plain("x"), plain("x")]));
    assert_eq!(twice.unwrap_err().to_string(), "two tools are called `x`");
    let panics = build(|| panic!("no {}", "surface"));
    assert_eq!(panics.unwrap_err().to_string(), "the surface panics: no surface");
}

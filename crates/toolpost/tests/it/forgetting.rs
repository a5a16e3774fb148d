//! Forgetting results: by call, by tool, by server, all of them.
#![expect(clippy::unwrap_used, reason = "a test unwraps")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use toolpost::cache::{Cache, Capacity, Memory};
use toolpost::json::{Frame, NodeId};
use toolpost::layers::ResultCache;
use toolpost::scheduler::rt::Gate;
use toolpost::scheduler::{Fair, Limit, QueueLimits};
use toolpost::tool::{
    AnyTool, CachePolicy, Call, CallParts, ErrorKind, NoArgs, Output, Principal, ResultFlag, RetryPolicy,
    Tool, ToolError, tool_fn,
};
use toolpost::{Runtime, ToolExt as _};
use toolpost_test::{assert_kind, assert_text, mock, poll_once, run};

const MINUTE: Duration = Duration::from_secs(60);

fn call(principal: &str, arguments: &Value) -> Call {
    let mut parts = CallParts::default();
    parts.frame = Some(Frame::from_text(arguments.to_string(), &Default::default()).unwrap());
    parts.arguments = Some(NodeId::ROOT);
    parts.principal = Principal::new(principal.to_owned());
    Call::from_parts(parts)
}

fn tool(name: &str, cache: &ResultCache) -> AnyTool {
    let tool = tool_fn(name, |_: Value, _: Call| async { Ok("found") });
    AnyTool::new(tool.with_spec(|spec| spec.with_version("1")).cached(cache, MINUTE))
}

/// Asks again, and says whether the result was remembered.
async fn hit(tool: &impl Tool, call: &Call) -> bool {
    tool.call(call.clone()).await.unwrap().has_flag(ResultFlag::CacheHit)
}

#[test]
fn one_call_is_forgotten_and_no_other() {
    run(async {
        let cache = ResultCache::new(Capacity::entries(100));
        let stock = tool_fn("stock", |_: Value, _: Call| async { Ok("found") }).cached(&cache, MINUTE);
        let (ann, bob) = (call("ann", &json!({"a": 1, "b": 2})), call("bob", &json!({"a": 1, "b": 2})));
        let other = call("ann", &json!({"a": 2}));
        for call in [&ann, &bob, &other] {
            assert!(!hit(&stock, call).await);
        }
        // By value, as they are remembered.
        assert!(stock.layer().forget(&call("ann", &json!({"b": 2, "a": 1}))).await);
        assert!(!stock.layer().forget(&ann).await);
        assert!(hit(&stock, &bob).await && hit(&stock, &other).await);
        assert!(!hit(&stock, &ann).await);
    });
}

#[test]
fn a_run_under_way_is_forgotten_with_its_call() {
    run(async {
        let cache = ResultCache::new(Capacity::entries(100));
        let (tool, mut handle) = mock("stock");
        let tool = tool.cached(&cache, MINUTE);
        let asked = call("ann", &json!({}));
        let mut early = Box::pin(tool.call(asked.clone()));
        assert!(poll_once(early.as_mut()).await.is_pending());
        assert!(!tool.layer().forget(&asked).await, "nothing was remembered yet");
        let (early, late, ()) = tokio::join!(early, tool.call(asked.clone()), async {
            handle.next().await.respond(Output::text("before"));
            handle.next().await.respond(Output::text("after"));
        });
        assert_eq!((early.unwrap().as_text(), late.unwrap().as_text()), (Some("before"), Some("after")));
        assert_eq!(tool.call(asked).await.unwrap().as_text(), Some("after"));
    });
}

#[test]
fn a_tool_is_forgotten_whoever_asked_and_whatever() {
    run(async {
        let cache = ResultCache::new(Capacity::entries(100));
        let (stock, stockroom) = (tool("stock", &cache), tool("stockroom", &cache));
        let calls = [call("ann", &json!({})), call("bob", &json!({})), call("bob", &json!({"a": 1}))];
        for call in &calls {
            assert!(!hit(&stock, call).await && !hit(&stockroom, call).await);
        }
        cache.invalidate_tool("nothing").await;
        cache.invalidate_tool("stock").await;
        for call in &calls {
            assert!(!hit(&stock, call).await);
            assert!(hit(&stockroom, call).await);
        }
    });
}

#[test]
fn a_server_is_forgotten_and_not_the_one_beside_it() {
    run(async {
        let store = Cache::<Result<Output, ToolError>>::new(Memory::new(Capacity::entries(100)));
        let cache = |server: &str| ResultCache::with_cache(store.clone()).of_server(server);
        let (shop, bank) = (cache("shop"), cache("bank"));
        let tools = [tool("list", &shop), tool("show", &shop), tool("list", &bank)];
        let asked = call("ann", &json!({}));
        for tool in &tools {
            assert!(!hit(tool, &asked).await);
        }
        shop.invalidate_tool("list").await;
        assert!(!hit(&tools[0], &asked).await);
        assert!(hit(&tools[1], &asked).await && hit(&tools[2], &asked).await);
        shop.invalidate_server().await;
        assert!(!hit(&tools[0], &asked).await && !hit(&tools[1], &asked).await);
        assert!(hit(&tools[2], &asked).await);
        assert_eq!(bank.clear().await, 3);
        assert_eq!(shop.stats().entries, 0);
        for tool in &tools {
            assert!(!hit(tool, &asked).await);
        }
        // Without a name it has the store to itself.
        ResultCache::with_cache(store.clone()).invalidate_server().await;
        assert_eq!(shop.stats().entries, 0);
    });
}

#[test]
fn what_a_runtime_remembers_is_forgotten_by_tool_and_by_call() {
    run(async {
        let policy = CachePolicy::new(MINUTE).tagged("shelf");
        let stock = tool_fn("stock", |_: NoArgs, _: Call| async { Ok("12 left") })
            .with_spec(|spec| spec.read_only().with_cache(policy));
        let runtime = Runtime::builder().tool(stock).build().unwrap();
        let asked =
            || async { runtime.call("stock", &NoArgs {}).await.unwrap().has_flag(ResultFlag::CacheHit) };
        assert!(!asked().await);
        assert!(asked().await);
        runtime.cache().invalidate_tool("stock").await;
        assert!(!asked().await);
        let catalog = runtime.dispatcher().catalog();
        let spec = catalog.find("stock").unwrap().spec();
        assert!(runtime.cache().forget(spec, &Call::new(&NoArgs {}).unwrap()).await);
        assert!(!asked().await);
        runtime.cache().invalidate("shelf").await;
        assert!(!asked().await);
        assert!(asked().await);
    });
}

/// The first attempt runs and its answer is lost; before the second, others have taken the one permit and the one place in
/// front of it.
#[test]
fn what_an_attempt_may_have_changed_is_forgotten_though_the_next_is_refused() {
    run(async {
        let stock = Arc::new(AtomicUsize::new(12));
        let (sold, left) = (Arc::clone(&stock), stock);
        let sell = tool_fn("sell", move |_: NoArgs, _: Call| {
            sold.store(11, Ordering::SeqCst);
            async { Err::<String, _>(ToolError::unavailable("the answer was lost")) }
        });
        let look = tool_fn("look", move |_: NoArgs, _: Call| {
            let left = left.load(Ordering::SeqCst).to_string();
            async move { Ok(left) }
        });
        let held = tool_fn("held", |_: NoArgs, _: Call| std::future::pending::<Result<String, ToolError>>());
        let policy = CachePolicy::new(Duration::from_secs(60)).tagged("shelf");
        let gate = Gate::with_discipline(Limit::fixed(1), Fair::default(), QueueLimits::new(1));
        let runtime =
            Runtime::builder()
                .gate(&gate)
                .tool(sell.with_spec(|spec| {
                    spec.repeatable().with_retry(RetryPolicy::new(2)).invalidating("shelf")
                }))
                .tool(look.with_spec(|spec| spec.read_only().with_cache(policy)))
                .tool(held)
                .build()
                .unwrap();
        assert_text(&runtime.call("look", &NoArgs {}).await, "12");
        let mut sale = Box::pin(runtime.call("sell", &NoArgs {}));
        assert!(poll_once(sale.as_mut()).await.is_pending(), "it waits for its second attempt");
        let (mut one, mut two) =
            (Box::pin(runtime.call("held", &NoArgs {})), Box::pin(runtime.call("held", &NoArgs {})));
        assert!(poll_once(one.as_mut()).await.is_pending() && poll_once(two.as_mut()).await.is_pending());
        assert_kind(&sale.await, ErrorKind::Unavailable);
        drop((one, two));
        assert_text(&runtime.call("look", &NoArgs {}).await, "11");
    });
}

//! Names that go and come back as other tools' names, and the host's code that runs while they do.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test unwraps, and has threads")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use toolpost::cache::{Cache, CacheKey, Capacity, Memory, SlowStore, StoreError, StoredEntry};
use toolpost::layers::ResultCache;
use toolpost::tool::{AnyTool, CachePolicy, Call, NoArgs, Output, Tool, ToolError, ToolSpec, tool_fn};
use toolpost::{Position, Runtime, Settings};
use toolpost_test::{poll_once, run};

fn cached(name: &'static str, says: &'static str) -> AnyTool {
    let tool = tool_fn(name, move |_: NoArgs, _: Call| async move { Ok(says) });
    AnyTool::new(
        tool.with_spec(|spec| spec.read_only().with_cache(CachePolicy::new(Duration::from_secs(60)))),
    )
}

fn plain(name: &'static str) -> AnyTool {
    AnyTool::new(tool_fn(name, |_: NoArgs, _: Call| async { Ok("plain") }))
}

async fn text(runtime: &Runtime, name: &str) -> String {
    runtime.call(name, &NoArgs {}).await.unwrap().as_text().unwrap().to_owned()
}

#[test]
fn a_name_that_a_reload_drops_and_a_source_takes_has_no_old_results() {
    run(async {
        let runtime = Runtime::builder().any(cached("stock", "of the builder")).build().unwrap();
        assert_eq!(text(&runtime, "stock").await, "of the builder");
        runtime.reload(&Settings::default(), []).unwrap();
        runtime.source("other").set([cached("stock", "of the source")]).await.unwrap();
        assert_eq!(text(&runtime, "stock").await, "of the source");
    });
}

type Later<'t, T> = Pin<Box<dyn Future<Output = T> + Send + 't>>;

/// An empty store that takes for ever to invalidate, and counts what it is told to.
struct Hangs(Arc<AtomicUsize>);

impl SlowStore<Result<Output, ToolError>> for Hangs {
    fn get<'a, 'b, 't>(
        &'a self,
        _: &'b CacheKey,
        _: SystemTime,
    ) -> Later<'t, Result<Option<StoredEntry<Result<Output, ToolError>>>, StoreError>>
    where
        'a: 't,
        'b: 't,
        Self: 't,
    {
        Box::pin(async { Ok(None) })
    }

    fn put<'a, 'b, 't>(
        &'a self,
        _: &'b CacheKey,
        _: StoredEntry<Result<Output, ToolError>>,
    ) -> Later<'t, Result<(), StoreError>>
    where
        'a: 't,
        'b: 't,
        Self: 't,
    {
        Box::pin(async { Ok(()) })
    }

    fn remove<'a, 'b, 't>(&'a self, _: &'b CacheKey) -> Later<'t, Result<bool, StoreError>>
    where
        'a: 't,
        'b: 't,
        Self: 't,
    {
        Box::pin(async { Ok(false) })
    }

    fn invalidate<'a, 'b, 't>(&'a self, _: &'b str) -> Later<'t, Result<(), StoreError>>
    where
        'a: 't,
        'b: 't,
        Self: 't,
    {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::pending())
    }

    fn clear<'a, 't>(&'a self) -> Later<'t, Result<(), StoreError>>
    where
        'a: 't,
        Self: 't,
    {
        Box::pin(async { Ok(()) })
    }
}

/// With a store below that hangs, two tools of one source have results in memory; then the source gives none, and is
/// dropped while it tells the store, or not yet.
#[test]
fn who_takes_names_finds_no_old_results_however_slow_the_store_below_is() {
    for is_dropped in [true, false] {
        run(async move {
            let told = Arc::new(AtomicUsize::new(0));
            let (cache, hangs) = (Cache::new(Memory::new(Capacity::entries(100))), Hangs(Arc::clone(&told)));
            let runtime =
                Runtime::builder().cache(ResultCache::with_slow_store(cache, hangs)).build().unwrap();
            let (one, two) = (runtime.source("one"), runtime.source("two"));
            one.set([cached("a", "a of one"), cached("b", "b of one")]).await.unwrap();
            text(&runtime, "a").await;
            text(&runtime, "b").await;
            let mut clearing = Box::pin(one.clear());
            assert!(poll_once(clearing.as_mut()).await.is_pending());
            assert_eq!(told.load(Ordering::SeqCst), 2, "of both, and at once");
            let clearing = (!is_dropped).then_some(clearing);
            two.set([cached("a", "a of two"), cached("b", "b of two")]).await.unwrap();
            assert_eq!(text(&runtime, "a").await, "a of two");
            assert_eq!(text(&runtime, "b").await, "b of two");
            drop(clearing);
        });
    }
}

/// A tool that is told when to begin.
struct Held(AnyTool, Arc<Notify>);

impl Tool for Held {
    fn spec(&self) -> &ToolSpec {
        self.0.spec()
    }

    async fn call(&self, call: Call) -> Result<Output, ToolError> {
        self.1.notified().await;
        self.0.call(call).await
    }
}

#[test]
fn a_call_that_comes_late_to_a_tool_that_is_gone_leaves_nothing_to_the_next_of_its_name() {
    run(async {
        let go = Arc::new(Notify::new());
        let held = Arc::clone(&go);
        let layer = move |tool| AnyTool::new(Held(tool, Arc::clone(&held)));
        let runtime = Runtime::builder().layer(Position::OutsideCache, layer).build().unwrap();
        let source = runtime.source("up");
        source.set([cached("stock", "of the old tool")]).await.unwrap();
        let mut late = Box::pin(text(&runtime, "stock"));
        assert!(poll_once(late.as_mut()).await.is_pending());
        source.clear().await.unwrap();
        go.notify_one();
        assert_eq!(late.await, "of the old tool");
        source.set([cached("stock", "of the new tool")]).await.unwrap();
        go.notify_one();
        assert_eq!(text(&runtime, "stock").await, "of the new tool");
    });
}

#[test]
fn settings_that_come_during_the_last_load_know_all_tools() {
    let (entered, has_entered) = mpsc::channel();
    let entered = Mutex::new(entered);
    let layer = move |tool: AnyTool| {
        if tool.spec().name() == "late" {
            entered.lock().unwrap().send(()).unwrap();
            // The other thread gets as far as it can.
            (0..10_000).for_each(|_| std::thread::yield_now());
        }
        tool
    };
    let builder = Runtime::builder().layer(Position::AroundAttempt, layer);
    let runtime = builder.lazy_category("web", || async { Ok(vec![plain("late")]) }).build().unwrap();
    let loads = runtime.clone();
    let loading =
        std::thread::spawn(move || run(async move { loads.load_category("web").await.map(drop).unwrap() }));
    has_entered.recv().unwrap();
    let typo = Settings::from_json(r#"{"tools": {"laet": {"time-limit-ms": 5}}}"#).unwrap();
    let error = runtime.reconfigure(&typo).unwrap_err();
    assert!(error.to_string().contains("did you mean `late`"), "{error}");
    loading.join().unwrap();
}

/// Runs `what` on a thread of its own, and fails if it takes for ever.
fn ends(what: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    std::thread::spawn(move || {
        what();
        done.send(()).unwrap();
    });
    is_done.recv_timeout(Duration::from_secs(60)).unwrap();
}

#[test]
fn a_layer_may_ask_the_runtime_while_tools_are_registered() {
    let runtime: Arc<OnceLock<Runtime>> = Arc::default();
    let asked = Arc::clone(&runtime);
    let layer = move |tool: AnyTool| {
        if let Some(runtime) = asked.get() {
            assert!(runtime.breaker(tool.spec().name()).is_none());
            assert_eq!(runtime.warnings().count(), 0);
        }
        tool
    };
    let builder = Runtime::builder().any(plain("one")).layer(Position::AroundAttempt, layer);
    let built = runtime.get_or_init(|| builder.build().unwrap()).clone();
    ends(move || built.reload(&Settings::default(), [plain("two")]).unwrap());
}

/// A tool whose `drop` is the test's.
struct Dropped<F: Fn() + Send + Sync + 'static>(ToolSpec, F);

impl<F: Fn() + Send + Sync + 'static> Tool for Dropped<F> {
    fn spec(&self) -> &ToolSpec {
        &self.0
    }

    async fn call(&self, _: Call) -> Result<Output, ToolError> {
        Ok(Output::text(""))
    }
}

impl<F: Fn() + Send + Sync + 'static> Drop for Dropped<F> {
    fn drop(&mut self) {
        (self.1)();
    }
}

#[test]
fn a_tool_may_ask_the_runtime_when_it_is_dropped() {
    let runtime: Arc<OnceLock<Runtime>> = Arc::default();
    let asked = Arc::clone(&runtime);
    let asks = move || assert_eq!(asked.get().unwrap().warnings().count(), 0);
    let builder = Runtime::builder().tool(Dropped(ToolSpec::new("asks").unwrap(), asks));
    let built = runtime.get_or_init(|| builder.build().unwrap()).clone();
    ends(move || built.reload(&Settings::default(), []).unwrap());
}

#[test]
fn a_tool_that_panics_when_it_is_dropped_fails_no_reload() {
    run(async {
        let panics = || panic!("a drop");
        let runtime =
            Runtime::builder().tool(Dropped(ToolSpec::new("bomb").unwrap(), panics)).build().unwrap();
        let reload = || runtime.reload(&Settings::default(), [plain("two")]).unwrap();
        assert!(catch_unwind(AssertUnwindSafe(reload)).is_ok());
        assert_eq!(text(&runtime, "two").await, "plain");
    });
}

//! A host's own layers: where they stand, around which tools, and what they may not do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use toolpost::breaker::BreakerState;
use toolpost::tool::{
    AnyTool, BreakerPolicy, CachePolicy, Call, ErrorKind, NoArgs, Output, Refusal, ResultFlag, RetryPolicy,
    Tool, ToolError, ToolSpec, tool_fn,
};
use toolpost::{Position, Runtime, Settings};
use toolpost_test::{Script, assert_kind, assert_text, run};

const MINUTE: Duration = Duration::from_secs(60);

/// Counts the calls that it sees, itself and with all others that were made of one count, and appends to what it answers.
struct Counted {
    tool: AnyTool,
    all: Arc<AtomicUsize>,
    own: AtomicUsize,
    appends: &'static str,
}

impl Tool for Counted {
    fn spec(&self) -> &ToolSpec {
        self.tool.spec()
    }

    async fn call(&self, call: Call) -> Result<Output, ToolError> {
        self.all.fetch_add(1, Ordering::SeqCst);
        let own = self.own.fetch_add(1, Ordering::SeqCst);
        let output = self.tool.call(call).await?;
        match self.appends {
            "" => Ok(output),
            "own" => Ok(Output::text(format!("{} {own}", output.as_text().unwrap_or_default()))),
            appends => Ok(Output::text(format!("{}{appends}", output.as_text().unwrap_or_default()))),
        }
    }
}

fn counted(
    all: &Arc<AtomicUsize>,
    appends: &'static str,
) -> impl Fn(AnyTool) -> AnyTool + Send + Sync + 'static {
    let all = Arc::clone(all);
    move |tool| AnyTool::new(Counted { tool, all: Arc::clone(&all), own: AtomicUsize::new(0), appends })
}

fn seen(count: &Arc<AtomicUsize>) -> usize {
    count.swap(0, Ordering::SeqCst)
}

fn plain(name: &str) -> AnyTool {
    let answer = name.to_owned();
    AnyTool::new(tool_fn(name, move |_: NoArgs, _: Call| {
        let answer = answer.clone();
        async move { Ok(answer) }
    }))
}

#[test]
fn a_layer_stands_outside_the_cache_or_around_each_attempt() {
    run(async {
        let (outside, attempts) = (Arc::default(), Arc::default());
        let flaky = Script::new("flaky").fails(ToolError::unavailable("later")).times(2).answers("there");
        let flaky = flaky.with_spec(|spec| {
            spec.read_only().with_retry(RetryPolicy::new(3)).with_cache(CachePolicy::new(MINUTE))
        });
        let runtime = Runtime::builder()
            .tool(flaky)
            .layer(Position::OutsideCache, counted(&outside, ""))
            .layer(Position::AroundAttempt, counted(&attempts, ""))
            .build()
            .unwrap();
        assert_text(&runtime.call("flaky", &NoArgs {}).await, "there");
        assert_eq!((seen(&outside), seen(&attempts)), (1, 3));
        assert!(runtime.call("flaky", &NoArgs {}).await.unwrap().has_flag(ResultFlag::CacheHit));
        assert_eq!((seen(&outside), seen(&attempts)), (1, 0), "a hit is no attempt");
    });
}

#[test]
fn the_later_layer_stands_around_the_earlier() {
    run(async {
        let all = Arc::default();
        for position in [Position::OutsideCache, Position::AroundAttempt] {
            let runtime = Runtime::builder()
                .any(plain("a"))
                .layer(position, counted(&all, "b"))
                .layer(position, counted(&all, "c"))
                .build()
                .unwrap();
            assert_text(&runtime.call("a", &NoArgs {}).await, "abc");
        }
    });
}

#[test]
fn tools_that_come_later_have_it_too() {
    run(async {
        let all = Arc::default();
        let runtime = Runtime::builder()
            .any(plain("first"))
            .lazy_category("web", || async { Ok(vec![plain("lazy")]) })
            .layer(Position::OutsideCache, counted(&all, "!"))
            .build()
            .unwrap();
        runtime.load_category("web").await.unwrap();
        assert_text(&runtime.call("lazy", &NoArgs {}).await, "lazy!");
        runtime.reload(&Settings::default(), [plain("second")]).unwrap();
        assert_text(&runtime.call("second", &NoArgs {}).await, "second!");
        runtime.source("up").prefixed("up_").set([plain("third")]).await.unwrap();
        assert_text(&runtime.call("up_third", &NoArgs {}).await, "third!");
        assert_text(&runtime.call("lazy", &NoArgs {}).await, "lazy!");
    });
}

#[test]
fn a_reload_that_changes_nothing_keeps_everything() {
    run(async {
        let mut breaker = BreakerPolicy::default();
        (breaker.window, breaker.minimum_calls) = (1, 1);
        let broken = Script::new("broken").fails(ToolError::new("no"));
        let broken = AnyTool::new(broken.with_spec(|spec| spec.with_breaker(breaker)));
        let cached = tool_fn("cached", |_: NoArgs, _: Call| async { Ok("kept") })
            .with_spec(|spec| spec.read_only().with_cache(CachePolicy::new(MINUTE)));
        let tools = [broken, AnyTool::new(cached), plain("counts")];
        let all = Arc::default();
        let runtime = tools
            .iter()
            .fold(Runtime::builder(), |builder, tool| builder.any(tool.clone()))
            .layer(Position::AroundAttempt, counted(&all, "own"))
            .build()
            .unwrap();
        assert_kind(&runtime.call("broken", &NoArgs {}).await, ErrorKind::Failed);
        assert_text(&runtime.call("cached", &NoArgs {}).await, "kept 0");
        assert_text(&runtime.call("counts", &NoArgs {}).await, "counts 0");
        let (catalog, mut changes) = (runtime.dispatcher().catalog(), runtime.dispatcher().catalog_changes());
        changes.mark_unchanged();
        let kept = |name: &str| {
            let now = runtime.dispatcher().catalog();
            Arc::ptr_eq(catalog.find(name).unwrap(), now.find(name).unwrap())
        };

        runtime.reload(&Settings::default(), tools.clone()).unwrap();
        runtime.reconfigure(&Settings::default()).unwrap();
        assert!(!changes.has_changed().unwrap(), "clients are told of no change");
        assert_eq!(runtime.breaker("broken").unwrap().state(), BreakerState::Open);
        assert_kind(&runtime.call("broken", &NoArgs {}).await, ErrorKind::Refused(Refusal::BreakerOpen));
        assert!(runtime.call("cached", &NoArgs {}).await.unwrap().has_flag(ResultFlag::CacheHit));
        assert_text(&runtime.call("counts", &NoArgs {}).await, "counts 1");

        // Only what changes is made anew, and its breaker stays as it was.
        let settings = Settings::from_json(r#"{"tools": {"broken": {"time-limit-ms": 5000}}}"#).unwrap();
        runtime.reload(&settings, tools.clone()).unwrap();
        assert!(changes.has_changed().unwrap());
        assert_eq!([kept("broken"), kept("cached"), kept("counts")], [false, true, true]);
        assert_kind(&runtime.call("broken", &NoArgs {}).await, ErrorKind::Refused(Refusal::BreakerOpen));
        assert_text(&runtime.call("counts", &NoArgs {}).await, "counts 2");
        runtime.reload(&Settings::default(), [plain("counts")]).unwrap();
        assert_text(&runtime.call("counts", &NoArgs {}).await, "counts 0");
    });
}

type Changes = fn(ToolSpec) -> ToolSpec;

/// A tool that says another thing of itself.
struct Says(AnyTool, ToolSpec);

impl Tool for Says {
    fn spec(&self) -> &ToolSpec {
        assert!(self.1.name() != "panics", "no spec");
        &self.1
    }

    fn call(&self, call: Call) -> impl Future<Output = Result<Output, ToolError>> + Send {
        self.0.call(call)
    }
}

#[test]
fn a_layer_that_panics_or_changes_what_the_runtime_goes_by_is_a_fault() {
    let changes: [(&str, Changes); 7] = [
        ("changes the name of `a`, which a layer may not", |_| ToolSpec::new("b").unwrap()),
        ("changes the aliases of `a`, which a layer may not", |spec| spec.with_alias("b").unwrap()),
        ("changes the category of `a`, which a layer may not", |spec| spec.with_category("b")),
        ("changes the annotations of `a`, which a layer may not", ToolSpec::read_only),
        ("changes the declared policy of `a`, which a layer may not", |spec| spec.with_time_limit(MINUTE)),
        ("panics around `a`: no spec", |_| ToolSpec::new("panics").unwrap()),
        ("panics around `a`: no layer", |_| panic!("no {}", "layer")),
    ];
    for (position, called) in
        [(Position::OutsideCache, "outside the cache"), (Position::AroundAttempt, "around each attempt")]
    {
        for (expected, change) in changes {
            let layer = move |tool: AnyTool| AnyTool::new(Says(tool.clone(), change(tool.spec().clone())));
            let (builder, line) = (Runtime::builder().any(plain("a")).layer(position, layer), line!());
            let error = builder.build().unwrap_err().to_string();
            assert_eq!(error, format!("the layer {called} that {}:{line} gives {expected}", file!()));
        }
        let texts = |tool: AnyTool| {
            let spec = tool.spec().clone().with_description("Better said.");
            AnyTool::new(Says(tool, spec))
        };
        let runtime = Runtime::builder().any(plain("a")).layer(position, texts).build().unwrap();
        let catalog = runtime.dispatcher().catalog();
        assert_eq!(catalog.find("a").unwrap().spec().description(), "Better said.");
    }
}

#[test]
fn a_layer_that_fails_on_reload_changes_nothing() {
    run(async {
        let all = Arc::default();
        let layer = counted(&all, "");
        let layer = move |tool: AnyTool| {
            assert!(tool.spec().name() != "odd", "nothing odd");
            layer(tool)
        };
        let runtime =
            Runtime::builder().any(plain("a")).layer(Position::AroundAttempt, layer).build().unwrap();
        let error = runtime.reload(&Settings::default(), [plain("odd")]).unwrap_err();
        assert!(error.to_string().ends_with("panics around `odd`: nothing odd"), "{error}");
        assert_text(&runtime.call("a", &NoArgs {}).await, "a");
    });
}

/// Panics at its first call.
struct PanicsOnce(AnyTool, AtomicUsize);

impl Tool for PanicsOnce {
    fn spec(&self) -> &ToolSpec {
        self.0.spec()
    }

    async fn call(&self, call: Call) -> Result<Output, ToolError> {
        assert!(self.1.fetch_add(1, Ordering::SeqCst) != 0, "the first call");
        self.0.call(call).await
    }
}

#[test]
fn a_layer_that_panics_in_a_call_costs_that_call_alone() {
    run(async {
        for position in [Position::OutsideCache, Position::AroundAttempt] {
            let runtime = Runtime::builder()
                .any(plain("a"))
                .layer(position, |tool| AnyTool::new(PanicsOnce(tool, AtomicUsize::new(0))))
                .build()
                .unwrap();
            assert_kind(&runtime.call("a", &NoArgs {}).await, ErrorKind::Panicked);
            assert_text(&runtime.call("a", &NoArgs {}).await, "a");
            assert_eq!((runtime.dispatcher().running(), runtime.gate().in_flight()), (0, 0));
        }
    });
}

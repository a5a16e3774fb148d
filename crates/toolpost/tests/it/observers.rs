//! What operators get to see, by metrics and by tracing.
#![cfg(all(feature = "metrics", feature = "tracing"))]
#![expect(clippy::unwrap_used, reason = "a test unwraps")]

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use serde_json::json;
use toolpost::observers::{Metrics, Tracing};
use toolpost::tool::{Call, NoArgs, RetryPolicy, ToolError, tool_fn};
use toolpost::{Runtime, Settings};
use toolpost_test::{Script, run};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};

/// Held by each test: a place that traces, met for the first time by another thread while a subscriber comes, may stay
/// silent for it.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Everything that was recorded, as text.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn sorted(&self) -> Vec<String> {
        let mut seen = self.0.lock().unwrap().clone();
        seen.sort();
        seen
    }
}

struct Named(Key, Seen);

impl Named {
    fn note(&self, value: impl fmt::Display) {
        let labels: Vec<String> = self.0.labels().map(|l| format!("{}={}", l.key(), l.value())).collect();
        self.1.0.lock().unwrap().push(format!("{} {} {value}", self.0.name(), labels.join(",")));
    }
}

impl CounterFn for Named {
    fn increment(&self, value: u64) {
        self.note(value);
    }

    fn absolute(&self, value: u64) {
        self.note(value);
    }
}

impl HistogramFn for Named {
    fn record(&self, _: f64) {
        self.note("recorded");
    }
}

impl Recorder for Seen {
    fn describe_counter(&self, key: KeyName, _: Option<Unit>, help: SharedString) {
        self.0.lock().unwrap().push(format!("# HELP {} {help}", key.as_str()));
    }

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(Named(key.clone(), self.clone())))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Named(key.clone(), self.clone())))
    }
}

/// Calls that end in each way there is to be seen.
fn calls(runtime: &Runtime) {
    run(async {
        let none = json!({});
        assert!(runtime.call("s", &none).await.is_ok());
        assert!(runtime.call("s", &none).await.is_err());
        assert!(runtime.call("s", &json!({"a": 1})).await.is_err());
        assert!(runtime.call("stranger\n", &none).await.is_err());
        runtime.drain(std::time::Duration::ZERO).await.unwrap();
        assert!(runtime.call("s", &none).await.is_err());
    });
}

fn runtime() -> Runtime {
    let tool = Script::new("s")
        .answers("fine")
        .fails(ToolError::new("broken by\n\na stranger").with_source(std::io::Error::other("because")))
        .with_spec(|spec| {
            spec.with_deprecation("use t").with_input_schema(json!({"type": "object", "maxProperties": 0}))
        });
    // Both at once: one does not take the other's place.
    Runtime::builder().tool(tool).observe(Metrics::new()).observe(Tracing::new()).build().unwrap()
}

#[test]
fn metrics_count_every_call_once() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let seen = Seen::default();
    let runtime = runtime();
    metrics::with_local_recorder(&seen, || calls(&runtime));
    let expected = [
        "# HELP toolpost_calls_total Calls of tools that ended, by outcome.",
        "# HELP toolpost_deprecated_calls_total Calls of deprecated tools.",
        "# HELP toolpost_errors_total Calls of tools that ended in an error, by its kind.",
        "# HELP toolpost_unknown_tools_total Calls that named no tool.",
        "toolpost_call_seconds tool=s recorded",
        "toolpost_call_seconds tool=s recorded",
        "toolpost_call_seconds tool=s recorded",
        "toolpost_call_seconds tool=s recorded",
        "toolpost_calls_total tool=s,outcome=completed 1",
        "toolpost_calls_total tool=s,outcome=draining 1",
        "toolpost_calls_total tool=s,outcome=failed 1",
        "toolpost_calls_total tool=s,outcome=invalid_arguments 1",
        "toolpost_deprecated_calls_total tool=s 1",
        "toolpost_deprecated_calls_total tool=s 1",
        "toolpost_errors_total tool=s,kind=draining 1",
        "toolpost_errors_total tool=s,kind=failed 1",
        "toolpost_errors_total tool=s,kind=invalid_arguments 1",
        "toolpost_unknown_tools_total  1",
    ];
    assert_eq!(seen.sorted(), expected);
}

impl tracing::Subscriber for Seen {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        if event.metadata().target() != "toolpost" {
            return;
        }
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if !["correlation", "principal", "took_us"].contains(&field.name()) {
            self.0 += &format!(" {}={value:?}", field.name());
        }
    }
}

#[test]
fn tracing_writes_every_call_once_and_no_line_breaks_of_strangers() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let seen = Seen::default();
    let runtime = runtime();
    tracing::subscriber::with_default(seen.clone(), || calls(&runtime));
    let ended: Vec<String> = seen.sorted().into_iter().filter(|line| !line.starts_with("TRACE")).collect();
    // The text about wrong arguments, which quotes them, is left out.
    let expected = [
        r#"DEBUG message=call ended tool="s" outcome="completed""#,
        r#"INFO message=call ended tool="s" outcome="draining" error=the server is shutting down"#,
        r#"INFO message=call ended tool="s" outcome="invalid_arguments""#,
        r#"WARN message=call ended tool="s" outcome="failed" error=broken by  a stranger: because"#,
        r#"WARN message=deprecated tool called tool="s" instead="use t""#,
        r#"WARN message=deprecated tool called tool="s" instead="use t""#,
        r#"WARN message=unknown tool name="stranger\n""#,
    ];
    assert_eq!(ended, expected);
}

#[test]
fn the_lines_of_a_call_share_the_correlation_that_its_tool_sees() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let seen = Seen::default();
    let tool = tool_fn("s", |_: NoArgs, call: Call| async move { Ok(call.correlation().to_string()) });
    let runtime = Runtime::builder().tool(tool).observe(Tracing::new()).build().unwrap();
    let told = tracing::subscriber::with_default(Correlated(seen.clone()), || {
        run(async { runtime.call("s", &NoArgs {}).await.unwrap().as_text().unwrap().to_owned() })
    });
    assert_eq!(seen.sorted(), [told.clone(), told]);
}

/// Keeps the correlations alone.
struct Correlated(Seen);

impl tracing::Subscriber for Correlated {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "toolpost"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut these = self;
        event.record(&mut these);
    }
}

impl Visit for &Correlated {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "correlation" {
            self.0.0.lock().unwrap().push(format!("{value:?}"));
        }
    }
}

/// Lines with the fields of the span that they were written in.
#[derive(Clone, Default)]
struct Within {
    seen: Seen,
    spans: Arc<Mutex<Vec<String>>>,
    entered: Arc<Mutex<Vec<u64>>>,
}

impl tracing::Subscriber for Within {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::INFO
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line(span.metadata().name().to_owned());
        span.record(&mut line);
        let mut spans = self.spans.lock().unwrap();
        spans.push(line.0);
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, id: &Id) {
        self.entered.lock().unwrap().push(id.into_u64());
    }

    fn exit(&self, _: &Id) {
        self.entered.lock().unwrap().pop();
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let spans = self.spans.lock().unwrap();
        let within = self.entered.lock().unwrap().last().map(|id| spans[*id as usize - 1].clone());
        let mut line = Line(String::new());
        event.record(&mut line);
        self.seen.0.lock().unwrap().push(format!("{}:{}", within.unwrap_or_default(), line.0));
    }
}

#[test]
fn what_a_tool_writes_is_within_the_span_of_its_call() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let within = Within::default();
    let tool = tool_fn("s", |_: NoArgs, _: Call| async move {
        tracing::info!("before");
        tokio::task::yield_now().await;
        tracing::info!("after");
        Ok("done")
    });
    let runtime = Runtime::builder().tool(tool).build().unwrap();
    tracing::subscriber::with_default(within.clone(), || {
        run(async {
            assert!(runtime.call("s", &NoArgs {}).await.is_ok());
            tracing::info!("elsewhere");
        });
    });
    let expected = [
        ": message=elsewhere",
        r#"call tool="s" attempt=1: message=after"#,
        r#"call tool="s" attempt=1: message=before"#,
    ];
    assert_eq!(within.seen.sorted(), expected);
}

#[test]
fn a_long_error_is_cut() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let seen = Seen::default();
    let tool = Script::new("s").fails(ToolError::new("x".repeat(100_000)));
    let runtime = Runtime::builder().tool(tool).observe(Tracing::new()).build().unwrap();
    tracing::subscriber::with_default(seen.clone(), || {
        run(async { drop(runtime.call("s", &NoArgs {}).await) })
    });
    let line = seen.sorted().into_iter().find(|line| line.starts_with("WARN")).unwrap();
    assert_eq!(line.matches('x').count(), 1_000);
}

#[test]
fn what_has_no_effect_is_written_when_a_runtime_is_built() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let seen = Seen::default();
    let tool = Script::new("s").answers("x").with_spec(|spec| spec.with_retry(RetryPolicy::new(3)));
    tracing::subscriber::with_default(seen.clone(), || {
        let runtime = Runtime::builder().tool(tool).build().unwrap();
        runtime.reconfigure(&Settings::default()).unwrap();
    });
    let [line] = seen.sorted().try_into().unwrap();
    assert!(line.starts_with("WARN message=`s` declares a retry"), "{line}");
}

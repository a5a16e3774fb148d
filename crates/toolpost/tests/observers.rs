//! What operators get to see, by metrics and by tracing.
#![cfg(all(feature = "metrics", feature = "tracing"))]
#![expect(clippy::unwrap_used, reason = "a test unwraps")]

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use serde_json::json;
use toolpost::Runtime;
use toolpost::observers::{Metrics, Tracing};
use toolpost::tool::{Call, NoArgs, ToolError, tool_fn};
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
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
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
    let tool = Script::new("s").answers("fine").fails(ToolError::new("broken")).with_spec(|spec| {
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
    let expected = [
        r#"DEBUG message=call ended tool="s" outcome="completed""#,
        r#"INFO message=call ended tool="s" outcome="draining""#,
        r#"INFO message=call ended tool="s" outcome="invalid_arguments""#,
        r#"WARN message=call ended tool="s" outcome="failed""#,
        r#"WARN message=deprecated tool called tool="s" instead="use t""#,
        r#"WARN message=deprecated tool called tool="s" instead="use t""#,
        r#"WARN message=unknown tool name="stranger\n""#,
    ];
    assert_eq!(ended, expected);
}

// Dispatch 20
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

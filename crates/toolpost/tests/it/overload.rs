//! Three times as many calls as can be run, through the whole runtime, in virtual time.
//!
//! The capacity is that of the permits: the tool waits, and takes no processor time.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test unwraps, on a paused clock")]

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use toolpost::Runtime;
use toolpost::dispatch::{Answer, CallRequest};
use toolpost::scheduler::rt::Gate;
use toolpost::scheduler::{Fair, Limit, QueueLimits};
use toolpost::tool::{BreakerPolicy, NoArgs, RetryPolicy, ToolSpec, tool_fn};
use toolpost_test::run;

const MS: Duration = Duration::from_millis(1);
const SERVICE: Duration = Duration::from_millis(20);
const SEATS: u32 = 8;

/// What that many permits can run in a second.
const CAPACITY: u32 = SEATS * 1_000 / 20;

/// How one call ended.
struct Ended {
    sent: Instant,
    took: Duration,
    /// The `_meta` of the answer as it goes over the wire, if it was a refusal.
    refusal: Option<String>,
}

/// A tool that takes 20 ms, with every stage of the pipeline declared; as many may wait as run.
fn runtime() -> Runtime {
    let declared = |spec: ToolSpec| {
        spec.repeatable()
            .with_time_limit(Duration::from_secs(1))
            .with_retry(RetryPolicy::new(2))
            .with_breaker(BreakerPolicy::default())
    };
    let tool = tool_fn("work", |_: NoArgs, _| async {
        sleep(SERVICE).await;
        Ok("done")
    });
    let gate = Gate::with_discipline(
        Limit::fixed(SEATS as usize),
        Fair::default(),
        QueueLimits::new(SEATS as usize),
    );
    Runtime::builder().tool(tool.with_spec(declared)).gate(&gate).build().unwrap()
}

/// Sends calls at an even rate from now on, and waits until all have ended.
async fn send(runtime: &Runtime, per_second: u32, during: Duration) -> Vec<Ended> {
    let begun = Instant::now();
    let mut calls = JoinSet::new();
    for number in 0..(during.as_millis() as u32 * per_second / 1_000) {
        sleep_until(begun + Duration::from_secs(1) * number / per_second).await;
        let call = runtime.dispatcher().call(CallRequest::new("work"));
        calls.spawn(async move {
            let sent = Instant::now();
            let result = call.await;
            let took = sent.elapsed();
            let refusal = result.is_err().then(|| match Answer::of(result) {
                Answer::Result(output) => {
                    let mut meta = Vec::new();
                    assert!(output.is_error() && output.write_meta(&mut meta));
                    String::from_utf8(meta).unwrap()
                }
                other => panic!("{other:?}"),
            });
            Ended { sent, took, refusal }
        });
    }
    calls.join_all().await
}

#[test]
fn under_three_times_the_capacity_the_seats_stay_busy_and_the_rest_is_refused_at_once() {
    run(async {
        let runtime = runtime();
        let (begun, minute) = (Instant::now(), Duration::from_secs(60));
        let ended = send(&runtime, 3 * CAPACITY, minute).await;
        assert_eq!(ended.len(), 60 * 3 * CAPACITY as usize, "every call ends");

        let (refused, done): (Vec<_>, Vec<_>) = ended.into_iter().partition(|call| call.refusal.is_some());
        let in_time = done.iter().filter(|call| call.sent + call.took <= begun + minute).count();
        let capacity = 60 * CAPACITY as usize;
        assert!(in_time * 10 >= capacity * 9, "{in_time} of {capacity} that were possible");
        let slowest = done.iter().map(|call| call.took).max().unwrap();
        assert!(slowest <= 2 * SERVICE + MS, "the queue is short, and so is the wait: {slowest:?}");
        for call in &refused {
            let text = call.refusal.as_deref().unwrap();
            assert!(call.took <= 10 * MS, "{:?}", call.took);
            assert!(text.contains(r#""dev.toolpost/rejection":{"reason":"#), "{text}");
            assert!(text.contains(r#""retryAfterMs":"#), "{text}");
        }
        assert!(!refused.is_empty());

        // Nobody waited for the overload to be forgotten: what comes now is served.
        let over = Instant::now();
        let ended = send(&runtime, CAPACITY / 2, Duration::from_secs(4)).await;
        let normal = |call: &&Ended| call.refusal.is_none() && call.took <= SERVICE + MS;
        let last = ended.iter().filter(|call| !normal(call)).map(|call| call.sent + call.took - over).max();
        assert!(
            last.is_none_or(|last| last <= 2 * Duration::from_secs(1)),
            "still not normal after {last:?}"
        );
        assert_eq!((runtime.gate().in_flight(), runtime.gate().waiting()), (0, 0));
    });
}

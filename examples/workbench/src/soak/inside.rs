//! Calls of a runtime in this process, through every stage there is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tokio::task::{JoinSet, yield_now};
use toolpost::Runtime;
use toolpost::dispatch::{Access, CallRequest, Decision, Event, Outcome};
use toolpost::layers::{Rate, RateLimit};
use toolpost::scheduler::rt::Gate;
use toolpost::scheduler::{Fair, Limit, QueueLimits};
use toolpost_tool::{BreakerPolicy, CachePolicy, Call, Principal, RetryPolicy, Tool, ToolError, tool_fn};

use super::trend::{BOUND, Memory};
use crate::load::goals::Goal;
use crate::load::resident;
use crate::report::Form;
use crate::serve::Failure;

/// Calls that fill every table that is bounded, before memory is measured.
const WARM_UP: u64 = 500_000;

/// Measurements after the first.
const SAMPLES: u64 = 20;

/// Callers at once: more than permits.
const CALLERS: u64 = 64;

/// More than any table of principals remembers.
const PRINCIPALS: u64 = 20_000;

/// Every other call asks one of these again; the rest ask what nobody has asked.
const REPEATED: u64 = 1_000;

#[derive(Debug, Deserialize, JsonSchema)]
struct Work {
    number: u64,
}

/// Makes so many calls, and says what must hold.
///
/// # Cancel safety
///
/// Dropping the future drops the calls.
pub(super) async fn run(calls: u64, form: Form) -> Result<Vec<Goal>, Failure> {
    let completed = Arc::new(AtomicU64::new(0));
    let runtime = runtime(&completed)?;
    let mut memory = Memory::default();
    form.progress("in this process: warming up");
    make(&runtime, 0, WARM_UP).await?;
    let mut made = WARM_UP;
    memory.add(made, resident("self")?);
    for sample in 1..=SAMPLES {
        let until = WARM_UP + calls * sample / SAMPLES;
        make(&runtime, made, until).await?;
        made = until;
        memory.add(made, resident("self")?);
        form.progress(&format!("in this process: {made} calls"));
    }
    let (growth, (first, last)) = (memory.growth(), memory.ends());
    let completed = completed.load(Ordering::Relaxed);
    let left = (runtime.dispatcher().running(), runtime.gate().in_flight(), runtime.gate().waiting());
    Ok(vec![
        ("every call in this process completed", format!("{completed} of {made}"), completed == made),
        (
            "its memory grows by at most 0.5 MB per 1000000 calls",
            format!("{growth:.3} MB over {calls} calls, from {first:.2} MB to {last:.2} MB"),
            growth <= BOUND,
        ),
        (
            "no call, permit or place in the queue is left",
            format!("{} calls, {} permits, {} places", left.0, left.1, left.2),
            left == (0, 0, 0),
        ),
    ])
}

/// Authorization, cache, rate limit, retry, permits with a queue, breaker, time limit, and an observer that counts.
fn runtime(completed: &Arc<AtomicU64>) -> Result<Runtime, Failure> {
    let completed = Arc::clone(completed);
    let gate = Gate::with_discipline(
        Limit::fixed(CALLERS as usize / 2),
        Fair::default(),
        QueueLimits::new(CALLERS as usize),
    );
    let runtime = Runtime::builder()
        .tool(tool())
        .gate(&gate)
        .rates(RateLimit::new([Rate::new(1_000_000, Duration::from_secs(1)).per_principal()]))
        .authorize(|access: &Access<'_>| match access.principal.is_anonymous() {
            true => Decision::Deny("say who you are".into()),
            false => Decision::Allow,
        })
        .observe(move |event: &Event<'_>| {
            if let Event::Finished { outcome: Outcome::Completed, .. } = event {
                completed.fetch_add(1, Ordering::Relaxed);
            }
        });
    Ok(runtime.build()?)
}

/// Some calls wait, and a few fail at their first attempt.
fn tool() -> impl Tool {
    let mut retry = RetryPolicy::new(3);
    (retry.base, retry.cap) = (Duration::from_micros(10), Duration::from_millis(1));
    tool_fn("work", |Work { number }: Work, call: Call| async move {
        if number.is_multiple_of(7) {
            yield_now().await;
        }
        match is_unlucky(number) && call.attempt() == 1 {
            true => Err(ToolError::new("not at the first attempt")),
            false => Ok(format!("work {number} is done")),
        }
    })
    .with_spec(|spec| {
        spec.read_only()
            .with_retry(retry)
            .with_breaker(BreakerPolicy::new().open_for(Duration::from_secs(1)))
            .with_time_limit(Duration::from_secs(10))
            .with_cache(CachePolicy::new(Duration::from_secs(3_600)))
    })
}

/// One number in 509, at no regular distance (the multiplier is Knuth's): callers that were all put back by the same wait
/// would else come to fail together, and spend the budget of retries at once.
const fn is_unlucky(number: u64) -> bool {
    (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32).is_multiple_of(509)
}

/// Makes the calls with numbers from `from` up to `until`.
async fn make(runtime: &Runtime, from: u64, until: u64) -> Result<(), Failure> {
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let runtime = runtime.clone();
        callers.spawn(async move {
            for number in (from + caller..until).step_by(CALLERS as usize) {
                let asked = if number.is_multiple_of(2) { number } else { number % REPEATED };
                let principal = Principal::new(format!("caller {}", asked % PRINCIPALS));
                let called = async {
                    let request = CallRequest::new("work").with_arguments(&json!({ "number": asked }))?;
                    runtime.dispatcher().call(request.by(principal)).await
                };
                called.await.map_err(|error| format!("call {number}: {error}"))?;
                // A hit never waits: without this, a caller would keep its thread to itself.
                yield_now().await;
            }
            Ok::<_, String>(())
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended??;
    }
    Ok(())
}

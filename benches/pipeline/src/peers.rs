//! The equivalent of our stages out of `tower-resilience`, around a service that has its answer.

use std::task::{Context, Waker};
use std::time::Duration;

use toolpost::tool::{Call, Output, ToolError};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};
use tower_resilience_bulkhead::{BulkheadLayer, BulkheadServiceError};
use tower_resilience_circuitbreaker::{CircuitBreakerError, CircuitBreakerLayer};
use tower_resilience_ratelimiter::RateLimiterLayer;
use tower_resilience_retry::RetryLayer;
use tower_resilience_timelimiter::{TimeLimiterError, TimeLimiterLayer};

use crate::now_or_never;

/// What an attempt can fail with.
type Attempt = BulkheadServiceError<CircuitBreakerError<TimeLimiterError<ToolError>>>;

/// Five layers, called the cheapest way there is: in place, by one caller that owns them.
pub fn in_place() -> impl FnMut(Call) -> Output {
    let mut service = stack();
    move |call| {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(service.poll_ready(&mut cx).is_ready(), "always ready");
        now_or_never(service.call(call)).unwrap_or_else(|_| panic!("an answer"))
    }
}

/// The same, as callers that share it have to: each takes a clone, and waits until that is ready.
pub fn shared() -> impl Fn(Call) -> Output {
    let service = stack();
    move |call| now_or_never(service.clone().oneshot(call)).unwrap_or_else(|_| panic!("an answer"))
}

fn stack() -> impl Service<
    Call,
    Response = Output,
    Error = impl Send,
    Future = impl Future<Output = Result<Output, impl Send>>,
> + Clone {
    let answer = Output::text("here");
    let tool = service_fn(move |_: Call| std::future::ready(Ok::<_, ToolError>(answer.clone())));
    let limited = TimeLimiterLayer::builder()
        .timeout_duration(Duration::from_secs(10))
        .cancel_running_future(true)
        .build()
        .layer(tool);
    let guarded = CircuitBreakerLayer::builder()
        .failure_rate_threshold(0.5)
        .sliding_window_size(100)
        .minimum_number_of_calls(20)
        .build()
        .expect("a valid configuration")
        .layer_fn(limited);
    let seated = BulkheadLayer::builder()
        .max_concurrent_calls(256)
        .build()
        .expect("a valid configuration")
        .layer(guarded);
    let retried = RetryLayer::<Call, Output, Attempt>::builder()
        .max_attempts(3)
        .exponential_backoff(Duration::from_millis(100))
        .build()
        .layer(seated);
    RateLimiterLayer::builder()
        .limit_for_period(1_000_000_000)
        .refresh_period(Duration::from_secs(1))
        .build()
        .expect("a valid configuration")
        .layer(retried)
}

//! The peers, each called the cheapest way it offers.

use std::future::{Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use failsafe::backoff::{Constant, constant};
use failsafe::failure_policy::{ConsecutiveFailures, consecutive_failures};
use failsafe::{CircuitBreaker, Config, StateMachine};
use tower::{Service, service_fn};
use tower_resilience_circuitbreaker::{CircuitBreakerLayer, SlidingWindowType};

const HOUR: Duration = Duration::from_secs(3_600);

/// Clock reads of a healthy call: one for the average, one for its request counter.
pub const FAILSAFE_DEFAULT_READS: f64 = 2.0;
/// Clock reads of a healthy call: the event of the permit, start, end, and the event of the success.
pub const TOWER_HEALTHY_READS: f64 = 4.0;

pub fn failsafe_default() -> impl CircuitBreaker {
    Config::new().build()
}

pub fn failsafe_consecutive(failures: u32) -> StateMachine<ConsecutiveFailures<Constant>, ()> {
    Config::new().failure_policy(consecutive_failures(failures, constant(HOUR))).build()
}

#[inline(always)]
pub fn failsafe_call(breaker: &impl CircuitBreaker, fails: bool) {
    let answer: Result<(), failsafe::Error<()>> = breaker.call(|| if fails { Err(()) } else { Ok(()) });
    _ = black_box(answer);
}

/// `tower-resilience-circuitbreaker` around a service that is always ready.
pub struct Tower {
    call: Box<dyn FnMut(bool) -> bool>,
}

impl Tower {
    pub fn count_window() -> Self {
        Self::new(SlidingWindowType::CountBased, HOUR)
    }

    pub fn time_window(span: Duration) -> Self {
        Self::new(SlidingWindowType::TimeBased, span)
    }

    fn new(window: SlidingWindowType, span: Duration) -> Self {
        let layer = CircuitBreakerLayer::builder()
            .failure_rate_threshold(0.5)
            .sliding_window_type(window)
            .sliding_window_size(100)
            .sliding_window_duration(span)
            .wait_duration_in_open(HOUR)
            .build()
            .expect("a valid configuration");
        let answer = |fails: bool| -> Ready<Result<(), ()>> { ready(if fails { Err(()) } else { Ok(()) }) };
        let mut service = layer.layer_fn(service_fn(answer));
        let call = move |fails| {
            let future = pin!(service.call(fails));
            let answer = future.poll(&mut Context::from_waker(Waker::noop()));
            matches!(
                black_box(answer),
                Poll::Ready(Err(tower_resilience_circuitbreaker::CircuitBreakerError::OpenCircuit))
            )
        };
        Self { call: Box::new(call) }
    }

    /// Calls, and returns whether it was refused.
    pub fn call(&mut self, fails: bool) -> bool {
        (self.call)(fails)
    }
}

/// How many failures in a row open it after so many successes.
pub fn failures_until_open(successes: u32) -> u32 {
    let mut tower = Tower::count_window();
    (0..successes).for_each(|_| _ = tower.call(false));
    (0..).find(|_| tower.call(true)).expect("it opens some time")
}

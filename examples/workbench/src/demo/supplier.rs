//! A tool that depends on somebody who can be out of reach: made up, and honest about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toolpost::ToolExt as _;
use toolpost::breaker::{Breaker, BreakerSettings, BreakerState, Consecutive};
use toolpost_tool::{AnyTool, CachePolicy, Json, ToolError, tool_fn};

use crate::clock;
use crate::report::Report;
use crate::tools::local;

/// Failures in a row that open the breaker.
pub(super) const FAILURES: u32 = 3;

/// Asks the demo's supplier for a price. The demo decides whether the supplier can be reached.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Quote {
    /// The part.
    part: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Price {
    part: String,
    /// In cents.
    price: u64,
    /// How many questions the supplier had been asked by then.
    asked: u64,
}

/// Whoever the tool `quote` asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Supplier(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    is_down: AtomicBool,
    asked: AtomicU64,
    opened: AtomicU64,
    half_opened: AtomicU64,
    closed: AtomicU64,
}

impl Supplier {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// `quote`: never fresh, kept for a minute in case of need, behind a breaker that opens for 200 ms.
    pub(super) fn tool(&self) -> AnyTool {
        let (supplier, told) = (Arc::clone(&self.0), Arc::clone(&self.0));
        let open_time = Duration::from_millis(200);
        let settings = BreakerSettings::new(clock::now()).open_time(open_time, open_time).probes(1).ramp(1);
        let settings = settings.on_transition(move |transition| told.count(transition.to));
        let tool = tool_fn("quote", move |args: Quote, _| {
            let supplier = Arc::clone(&supplier);
            async move { supplier.price(args).map(Json) }
        });
        let cache = CachePolicy::new(Duration::ZERO).stale_if_error(Duration::from_secs(60)).public();
        let tool = tool.with_spec(|spec| {
            local(spec, "Quote", Duration::from_secs(5)).with_category("demo").with_cache(cache)
        });
        AnyTool::new(tool.guarded(Breaker::with_settings(Consecutive::new(FAILURES), settings)))
    }

    pub(super) fn set_down(&self, is_down: bool) {
        self.0.is_down.store(is_down, Ordering::SeqCst);
    }

    /// How many questions it was asked, those it did not answer included.
    pub(super) fn asked(&self) -> u64 {
        self.0.asked.load(Ordering::SeqCst)
    }

    /// Whether the breaker has opened, half-opened and closed again.
    pub(super) fn went_round(&self) -> bool {
        [&self.0.opened, &self.0.half_opened, &self.0.closed].iter().all(|c| 0 < c.load(Ordering::SeqCst))
    }

    pub(super) fn count(&self, report: &mut Report) {
        let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        report.count(
            "breaker",
            [
                ("opened", count(&self.0.opened)),
                ("half-opened", count(&self.0.half_opened)),
                ("closed", count(&self.0.closed)),
                ("questions that reached the supplier", self.asked()),
            ],
        );
    }
}

impl Inner {
    fn price(&self, Quote { part }: Quote) -> Result<Price, ToolError> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        match self.is_down.load(Ordering::SeqCst) {
            true => Err(ToolError::unavailable("the supplier cannot be reached; try again later")),
            false => Ok(Price { price: 100 * part.len() as u64, part, asked }),
        }
    }

    fn count(&self, state: BreakerState) {
        let counter = match state {
            BreakerState::Open => &self.opened,
            BreakerState::HalfOpen => &self.half_opened,
            BreakerState::Closed => &self.closed,
            _ => return,
        };
        counter.fetch_add(1, Ordering::SeqCst);
    }
}

//! A real tool that fails now and then.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use toolpost_tool::{Call, Output, Tool, ToolError, ToolSpec};

/// A tool that fails now and then: the same calls in the same order for the same seed.
///
/// How often is said as a share of the calls, from 0 to 1. A call fails in one way, and the shares add up: first those that
/// hang, then those that are unavailable, that panic, that are slow. Nothing fails until told to.
///
/// ```
/// use toolpost_test::{Faulty, run};
/// use toolpost_tool::{Call, NoArgs, Tool, tool_fn};
///
/// let ping = tool_fn("ping", |_: NoArgs, _| async { Ok("pong") });
/// let faulty = Faulty::new(ping, 7).unavailable(0.25);
/// let failed = run(async {
///     let mut failed = 0;
///     for _ in 0..1_000 {
///         failed += u32::from(faulty.call(Call::new(&serde_json::json!({})).unwrap()).await.is_err());
///     }
///     failed
/// });
/// assert!((200..300).contains(&failed), "{failed}");
/// ```
#[derive(Debug)]
pub struct Faulty<T> {
    tool: T,
    seed: u64,
    calls: AtomicU64,
    hang: f64,
    unavailable: f64,
    panic: f64,
    slow: f64,
    latency: Duration,
}

impl<T> Faulty<T> {
    /// A tool that fails as it is told to; `seed` decides which calls.
    pub const fn new(tool: T, seed: u64) -> Self {
        let calls = AtomicU64::new(0);
        Self {
            tool,
            seed,
            calls,
            hang: 0.0,
            unavailable: 0.0,
            panic: 0.0,
            slow: 0.0,
            latency: Duration::ZERO,
        }
    }

    /// This share of calls fails as unavailable.
    #[must_use]
    pub const fn unavailable(mut self, share: f64) -> Self {
        self.unavailable = share;
        self
    }

    /// This share of calls never ends.
    #[must_use]
    pub const fn hanging(mut self, share: f64) -> Self {
        self.hang = share;
        self
    }

    /// This share of calls panics.
    #[must_use]
    pub const fn panicking(mut self, share: f64) -> Self {
        self.panic = share;
        self
    }

    /// This share of calls takes `latency` longer, on tokio's clock.
    #[must_use]
    pub const fn slow(mut self, share: f64, latency: Duration) -> Self {
        self.slow = share;
        self.latency = latency;
        self
    }
}

impl<T: Tool> Tool for Faulty<T> {
    fn spec(&self) -> &ToolSpec {
        self.tool.spec()
    }

    async fn call(&self, call: Call) -> Result<Output, ToolError> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let mut luck = share(self.seed.wrapping_add(number));
        let mut strikes = |rate: f64| {
            luck -= rate;
            luck < 0.0
        };
        if strikes(self.hang) {
            std::future::pending::<()>().await;
        }
        if strikes(self.unavailable) {
            return Err(ToolError::unavailable("injected fault"));
        }
        if strikes(self.panic) {
            #[expect(clippy::panic, reason = "injected")]
            {
                panic!("injected fault");
            }
        }
        if strikes(self.slow) {
            #[expect(clippy::disallowed_methods, reason = "injected latency, on tokio's clock")]
            tokio::time::sleep(self.latency).await;
        }
        self.tool.call(call).await
    }
}

/// A number from 0 to 1 out of any other, by the finalizer of SplitMix64.
fn share(seed: u64) -> f64 {
    let mut z = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    (z >> 11) as f64 / (1_u64 << 53) as f64
}

//! How long tasks are kept, and how often their server looks after them.

use std::time::Duration;

/// How long tasks are kept, and how often their server looks after them; changed by
/// [`ServerBuilder::task_limits`](crate::ServerBuilder::task_limits).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TaskLimits {
    /// How long a call may go on in its request before it becomes a task, where the server decides (2026-07-28). A call
    /// that ends sooner is answered at once if its tool lets it; one that needs input sooner asks in its request. Default:
    /// 250 ms.
    pub handover: Duration,
    /// For how long after its creation a task is kept, where the client does not say: its run included, which is dropped
    /// then. Default: 1 h.
    pub ttl: Duration,
    /// The longest time that a client may ask for. Default: 24 h.
    pub longest_ttl: Duration,
    /// How long clients are told to wait between two looks at a task. Default: 1 s.
    pub poll_interval: Duration,
    /// How often the server that runs a task looks at what is stored of it, at least 10 ms: as fast does it see that
    /// another server cancelled it, or took an answer to its questions. Default: 1 s.
    pub look: Duration,
    /// After how long without a word of the server that runs a task others take it for dead and the task for failed; at
    /// least four [looks](Self::look). The clocks of the servers may differ by half of it. Default: 15 s.
    pub lease: Duration,
}

impl Default for TaskLimits {
    fn default() -> Self {
        Self {
            handover: Duration::from_millis(250),
            ttl: Duration::from_secs(3_600),
            longest_ttl: Duration::from_secs(24 * 3_600),
            poll_interval: Duration::from_secs(1),
            look: Duration::from_secs(1),
            lease: Duration::from_secs(15),
        }
    }
}

impl TaskLimits {
    /// The same, with what would spin or lapse by itself set right.
    pub(crate) fn within_bounds(self) -> Self {
        let look = self.look.max(Duration::from_millis(10));
        Self { look, lease: self.lease.max(look * 4), ..self }
    }
}

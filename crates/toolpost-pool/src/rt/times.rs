//! For how long the front waits.

use std::time::Duration;

use crate::options::PoolOptions;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) get: Duration,
    pub(crate) connect: Duration,
    pub(crate) check: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self { get: Duration::from_secs(30), connect: Duration::from_secs(10), check: Duration::from_secs(1) }
    }
}

/// Times of the front `rt`.
impl PoolOptions {
    /// Sets for how long whoever gets a connection without a deadline waits for one, its making included: 30 seconds unless
    /// told otherwise.
    #[must_use]
    pub fn get_timeout(mut self, limit: Duration) -> Self {
        self.times.get = limit;
        self
    }

    /// Sets how long the making of one connection may take: 10 seconds unless told otherwise.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.times.connect = limit;
        self
    }

    /// Sets for how long a connection is waited for that is asked whether it is alive: a second unless told otherwise. One that
    /// does not answer is not.
    #[must_use]
    pub fn check_timeout(mut self, limit: Duration) -> Self {
        self.times.check = limit;
        self
    }
}

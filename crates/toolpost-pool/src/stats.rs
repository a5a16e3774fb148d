//! What a pool holds, and what it did.

/// What a pool holds now, and what it did since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Connections that nobody uses.
    pub idle: usize,
    /// Connections that are in use, being made, or being closed.
    pub in_use: usize,
    /// Those that wait for a connection.
    pub waiting: usize,
    /// Times that a connection was there for whoever asked.
    pub hits: u64,
    /// Times that a new one had to be made.
    pub misses: u64,
    /// Times that whoever asked had to wait.
    pub waits: u64,
    /// Those that waited until their deadline in vain.
    pub timeouts: u64,
    /// Those that found too many waiting, or the pool closed.
    pub refused: u64,
    /// Connections that could still be used, and made room for others.
    pub evictions: u64,
    /// Connections that were closed because they were idle for too long, over their life, or cleared.
    pub expired: u64,
    /// Connections that were found or reported broken.
    pub broken: u64,
}

impl PoolStats {
    /// The share of hits, from 0 to 1; none while nobody has got anything.
    #[must_use]
    pub fn hit_rate(&self) -> Option<f64> {
        let all = self.hits + self.misses;
        (0 < all).then(|| self.hits as f64 / all as f64)
    }
}

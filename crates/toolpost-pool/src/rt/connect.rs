//! How a connection is made.

use std::future::{Future, ready};

/// Makes the connections of a pool, and tells whether one is still good.
///
/// A connection is closed by being dropped, outside of the pool's lock. What panics here costs the connection, and whoever
/// asked for it the panic; the pool goes on.
pub trait Connect<K>: Send + Sync + 'static {
    /// What is pooled.
    type Connection: Send + Sync + 'static;
    /// Why there is none.
    type Error;

    /// Makes a connection of `key`, within the pool's connect timeout; dropped when whoever asked for it has left.
    fn connect(&self, key: &K) -> impl Future<Output = Result<Self::Connection, Self::Error>> + Send;

    /// Tells, without waiting, whether a connection can be used: it is asked before a connection is handed out and when it
    /// comes back. By default it can.
    fn is_open(&self, connection: &Self::Connection) -> bool {
        let _ = connection;
        true
    }

    /// Asks a connection that was idle for long whether it is alive, by a ping say, within the pool's check timeout. By default
    /// it is.
    fn check(&self, connection: &Self::Connection) -> impl Future<Output = bool> + Send {
        let _ = connection;
        ready(true)
    }
}

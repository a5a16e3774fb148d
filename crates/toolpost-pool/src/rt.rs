//! Connects, checks and waits, and hands connections out as guards: the front for tokio.
//!
//! ```
//! use std::convert::Infallible;
//! use toolpost_pool::PoolOptions;
//! use toolpost_pool::rt::{Connect, ConnectionPool};
//!
//! /// Makes connections that say whom they lead to.
//! struct Echo;
//!
//! impl Connect<String> for Echo {
//!     type Connection = String;
//!     type Error = Infallible;
//!
//!     async fn connect(&self, key: &String) -> Result<String, Infallible> {
//!         Ok(format!("connected to {key}"))
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let pool = ConnectionPool::new(PoolOptions::new().per_key(2), Echo);
//! let connection = pool.get("db").await?;
//! assert_eq!(*connection, "connected to db");
//! drop(connection); // Back in the pool.
//!
//! let connection = pool.get("db").await?;
//! assert_eq!(pool.stats().hits, 1);
//! connection.discard(); // Something is wrong with it: nobody else gets it.
//!
//! pool.drain().await;
//! # Ok::<(), toolpost_pool::PoolError<Infallible>>(())
//! # }).unwrap();
//! ```

mod clock;
mod connect;
mod connection_pool;
mod open;
mod pooled;
mod shared;
mod sync;
mod times;
mod waiting;

pub use self::connect::Connect;
pub use self::connection_pool::ConnectionPool;
pub use self::pooled::PooledConnection;
pub(crate) use self::times::Times;

//! Why there is no connection.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Why a connection was not handed out; `E` is the error of connecting.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PoolError<E = Infallible> {
    /// The pool is closed.
    Closed,
    /// As many wait already as may.
    Full {
        /// How many wait; see [`PoolOptions::waiting`](crate::PoolOptions::waiting).
        waiting: usize,
    },
    /// No connection became free by the deadline.
    TimedOut,
    /// A connection was not made in time.
    ConnectTimedOut(Duration),
    /// A connection could not be made.
    Connect(E),
}

impl PoolError {
    /// The same, where connecting can fail.
    #[cfg(feature = "tokio")]
    pub(crate) fn widen<E>(self) -> PoolError<E> {
        match self {
            Self::Closed => PoolError::Closed,
            Self::Full { waiting } => PoolError::Full { waiting },
            Self::TimedOut => PoolError::TimedOut,
            Self::ConnectTimedOut(limit) => PoolError::ConnectTimedOut(limit),
            Self::Connect(never) => match never {},
        }
    }
}

impl<E: fmt::Display> fmt::Display for PoolError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the pool is closed"),
            Self::Full { waiting } => write!(f, "{waiting} wait for a connection already, and no more may"),
            Self::TimedOut => f.write_str("no connection became free in time"),
            Self::ConnectTimedOut(limit) => {
                write!(f, "no connection was made within {} ms", limit.as_millis())
            }
            Self::Connect(error) => write!(f, "no connection could be made: {error}"),
        }
    }
}

impl<E: Error + 'static> Error for PoolError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Connect(error) => Some(error),
            Self::Closed | Self::Full { .. } | Self::TimedOut | Self::ConnectTimedOut(_) => None,
        }
    }
}

//! One of the endpoints of a server, and its connection.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::Notify;

use crate::connection::Connection;
use crate::{Endpoint, UpstreamState};

#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) endpoint: Endpoint,
    current: ArcSwapOption<Connection>,
    /// Somebody called while there was no connection.
    pub(crate) wanted: Notify,
}

impl Replica {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, current: ArcSwapOption::empty(), wanted: Notify::new() }
    }

    pub(crate) fn current(&self) -> Option<Arc<Connection>> {
        self.current.load_full()
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.current.load().is_some()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.current.load().as_ref().map_or(0, |connection| connection.client.in_flight())
    }

    /// From now on calls use this connection, or none.
    pub(crate) fn connected(&self, connection: Option<Arc<Connection>>) {
        self.current.store(connection);
    }
}

/// How a server is whose endpoints are so: as the best of them. Of several that are down, it is down since the last of them, and
/// tried again when the first of them is.
pub(crate) fn state_of(states: &[UpstreamState]) -> UpstreamState {
    for best in [UpstreamState::Ready, UpstreamState::Connecting] {
        if states.contains(&best) {
            return best;
        }
    }
    let mut combined = UpstreamState::Stopped;
    for state in states {
        combined = match (combined, state) {
            (
                UpstreamState::Down { reason, since, next },
                UpstreamState::Down { reason: other, since: other_since, next: other_next },
            ) => UpstreamState::Down {
                reason: if *other_next < next { Arc::clone(other) } else { reason },
                since: since.max(*other_since),
                next: next.min(*other_next),
            },
            (UpstreamState::Stopped, other) => other.clone(),
            (combined, _) => combined,
        };
    }
    combined
}

/// How soon to come back where nothing is known.
pub(crate) const SOON: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a time to reckon from")]
    fn a_server_is_as_the_best_of_its_endpoints() {
        let now = Instant::now();
        let down = |reason: &str, since: u64, next: u64| UpstreamState::Down {
            reason: reason.into(),
            since: now + Duration::from_secs(since),
            next: now + Duration::from_secs(next),
        };
        let (one, other) = (down("one", 1, 9), down("other", 2, 7));
        assert_eq!(state_of(&[one.clone(), UpstreamState::Ready]), UpstreamState::Ready);
        assert_eq!(state_of(&[one.clone(), UpstreamState::Connecting]), UpstreamState::Connecting);
        assert_eq!(state_of(&[one.clone(), other.clone()]), down("other", 2, 7));
        assert_eq!(state_of(&[other, one.clone()]), down("other", 2, 7));
        assert_eq!(state_of(std::slice::from_ref(&one)), one);
        assert_eq!(state_of(&[UpstreamState::Stopped]), UpstreamState::Stopped);
    }
}

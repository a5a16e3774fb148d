//! What a server tells without being asked.

use bytestring::ByteString;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// The largest notification that is handed on, in bytes of its params.
pub(crate) const LARGEST: usize = 64 << 10;
/// How many events are kept for who has not taken them yet.
pub(crate) const KEPT: usize = 256;

/// What a server tells without being asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// The list of tools has changed, or may have.
    ToolsChanged,
    /// The list of prompts has changed, or may have.
    PromptsChanged,
    /// The list of resources has changed, or may have.
    ResourcesChanged,
    /// A resource that was [subscribed to](crate::McpClient::subscribe) has changed.
    ResourceUpdated {
        /// The resource.
        uri: ByteString,
    },
    /// A log message.
    Log {
        /// The params of `notifications/message`: a JSON object with `level`, `data` and maybe `logger`.
        params: ByteString,
    },
    /// A notification that this crate gives no meaning.
    Notification {
        /// Its method.
        method: ByteString,
        /// Its params, a JSON object.
        params: ByteString,
    },
    /// Events were dropped because they were not taken in time: list again what matters.
    Missed {
        /// How many.
        count: u64,
    },
}

/// The events of one client from the moment on when [`McpClient::events`](crate::McpClient::events) was called.
///
/// At most 256 are kept; the oldest are dropped, and [`ClientEvent::Missed`] counts them. A notification of more than 64 KiB is
/// dropped and counts as [ignored](crate::McpClient::ignored).
#[derive(Debug)]
pub struct Events {
    pub(crate) received: broadcast::Receiver<ClientEvent>,
}

impl Events {
    /// Waits for the next event. `None` once the connection is over and everything was taken.
    ///
    /// # Cancel safety
    ///
    /// No event is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<ClientEvent> {
        match self.received.recv().await {
            Ok(event) => Some(event),
            Err(RecvError::Lagged(count)) => Some(ClientEvent::Missed { count }),
            Err(RecvError::Closed) => None,
        }
    }
}

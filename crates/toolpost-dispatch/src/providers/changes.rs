//! Signals that what is offered has changed.

use std::fmt;
use std::sync::Arc;

use tokio::sync::broadcast;

/// What has changed.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// The list of prompts.
    Prompts,
    /// The list of resources or of their templates.
    Resources,
    /// The contents of one resource.
    Resource(Arc<str>),
}

/// Signals changes to whoever listens. Cheap to clone; clones share their listeners.
///
/// ```
/// use toolpost_dispatch::{Change, Changes};
///
/// let changes = Changes::new();
/// let mut listener = changes.subscribe();
/// changes.resource_updated("file:///a");
/// assert_eq!(listener.try_recv().unwrap(), Change::Resource("file:///a".into()));
/// ```
#[derive(Clone)]
pub struct Changes(broadcast::Sender<Change>);

/// A listener that is further behind than this has missed something, and is told so.
const BACKLOG: usize = 256;

impl Changes {
    /// Nobody listens yet.
    #[must_use]
    pub fn new() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }

    /// The list of prompts has changed.
    pub fn prompts_changed(&self) {
        self.send(Change::Prompts);
    }

    /// The list of resources has changed.
    pub fn resources_changed(&self) {
        self.send(Change::Resources);
    }

    /// The contents of the resource at `uri` have changed.
    pub fn resource_updated(&self, uri: &str) {
        self.send(Change::Resource(uri.into()));
    }

    /// Listens from now on. A listener that falls behind is told how many changes it missed.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.0.subscribe()
    }

    fn send(&self, change: Change) {
        // Without listeners there is nobody to tell.
        let _unheard = self.0.send(change);
    }
}

impl Default for Changes {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").field("listeners", &self.0.receiver_count()).finish()
    }
}

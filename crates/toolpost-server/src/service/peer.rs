//! Who sent a message.

use std::num::NonZeroU64;
use std::sync::Arc;

use toolpost_dispatch::CallKey;
use toolpost_protocol::Id;
use toolpost_tool::Principal;

use super::headers::Headers;
use super::session::Session;

/// The sender of a message: which connection it is on, and for whom it speaks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peer {
    /// The number of the connection or session, unique within the server; of a request over HTTP without a
    /// session, what stands for where callers without a name come from; zero for none, whose calls nobody can cancel.
    pub(crate) connection: u64,
    pub(crate) principal: Principal,
    /// What stands for the address of a caller without a name.
    pub(crate) address: Option<NonZeroU64>,
    /// The headers it came with; `None` on a stream of lines.
    pub(crate) headers: Option<Headers>,
    /// The legacy session it belongs to.
    pub(crate) session: Option<Arc<Session>>,
    /// Whether it names a session that there is not.
    pub(crate) lost: bool,
}

impl Peer {
    /// The name under which a call from here can be cancelled. Over HTTP without a session there is
    /// none: closing the response is what cancels. In a session over HTTP each answer comes on its own, so that
    /// several calls may have one id; on a stream of lines their answers could not be told apart.
    pub(crate) fn call_key(&self, id: &Id) -> Option<CallKey> {
        if self.connection == 0 {
            return None;
        }
        let key = || CallKey::new(self.connection, id.clone());
        match (&self.headers, &self.session) {
            (None, _) => Some(key()),
            (Some(_), Some(_)) => Some(key().recurring()),
            (Some(_), None) => None,
        }
    }
}

//! What the server can do, as both eras say it.

use toolpost_protocol::Version;

use super::methods::Capability;
use super::{Service, tasks};
use crate::Peer;

impl Service {
    /// Appends the `ServerCapabilities` object of `version` for `peer`: what is there, and nothing else.
    pub(crate) fn capabilities(&self, out: &mut Vec<u8>, version: Version, peer: &Peer) {
        let has = |capability: Capability| capability.is_offered(self);
        let signaled = self.dispatcher.changes().is_some();
        out.extend_from_slice(br#"{"tools":{"listChanged":true},"logging":{}"#);
        if has(Capability::Resources) {
            out.extend_from_slice(match signaled {
                true => br#","resources":{"subscribe":true,"listChanged":true}"#,
                false => br#","resources":{}"#.as_slice(),
            });
        }
        if has(Capability::Prompts) {
            out.extend_from_slice(match signaled {
                true => br#","prompts":{"listChanged":true}"#,
                false => br#","prompts":{}"#.as_slice(),
            });
        }
        if has(Capability::Completions) {
            out.extend_from_slice(br#","completions":{}"#);
        }
        if has(Capability::Tasks) && version.has_tasks() {
            let list: &[u8] = if lists_tasks(peer) { br#""list":{},"# } else { b"" };
            out.extend_from_slice(br#","tasks":{"#);
            out.extend_from_slice(list);
            out.extend_from_slice(br#""cancel":{},"requests":{"tools":{"call":{}}}}"#);
        }
        if has(Capability::Tasks) && version.is_modern() {
            out.extend_from_slice(br#","extensions":{""#);
            out.extend_from_slice(tasks::EXTENSION.as_bytes());
            out.extend_from_slice(br#"":{}}"#);
        }
        out.push(b'}');
    }
}

/// Whether `peer` can be shown a list of its tasks: over HTTP, callers whom nobody names cannot be told apart.
pub(crate) const fn lists_tasks(peer: &Peer) -> bool {
    !peer.principal.is_anonymous() || peer.headers.is_none()
}

//! What the server can do, as both eras say it.

use super::Service;
use super::methods::Capability;

impl Service {
    /// Appends the `ServerCapabilities` object: what is there, and nothing else.
    pub(crate) fn capabilities(&self, out: &mut Vec<u8>) {
        let has = |capability: Capability| capability.is_offered(&self.dispatcher);
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
        out.push(b'}');
    }
}

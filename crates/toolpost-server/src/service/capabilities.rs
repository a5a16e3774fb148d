//! What the server can do, as both eras say it.

use super::Service;

impl Service {
    /// Appends the `ServerCapabilities` object: what is there, and nothing else.
    pub(crate) fn capabilities(&self, out: &mut Vec<u8>) {
        let dispatcher = &self.dispatcher;
        let signaled = dispatcher.changes().is_some();
        out.extend_from_slice(br#"{"tools":{"listChanged":true},"logging":{}"#);
        if dispatcher.has_resources() {
            out.extend_from_slice(match signaled {
                true => br#","resources":{"subscribe":true,"listChanged":true}"#,
                false => br#","resources":{}"#.as_slice(),
            });
        }
        if dispatcher.has_prompts() {
            out.extend_from_slice(match signaled {
                true => br#","prompts":{"listChanged":true}"#,
                false => br#","prompts":{}"#.as_slice(),
            });
        }
        if dispatcher.has_completions() {
            out.extend_from_slice(br#","completions":{}"#);
        }
        out.push(b'}');
    }
}

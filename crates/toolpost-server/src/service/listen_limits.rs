//! What those who listen for changes may cost, and what they may name.

use std::collections::BTreeSet;
use std::time::Duration;

/// Bounds on what clients that subscribe to changes may cost: `subscriptions/listen`, and the subscriptions of sessions.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ListenLimits {
    /// Streams of changes at once: of one principal over HTTP; of one address, or one connection from
    /// 127.0.0.1 or ::1, where nobody says who calls; and of one stream of lines. Default: 16.
    pub streams: usize,
    /// Streams of changes at once, of all clients together. Default: 1,024.
    pub total: usize,
    /// Resources that one stream, or one legacy session, may name. Default: 1,024.
    pub resources: usize,
    /// Bytes of the URI of one of them. Default: 8 KiB.
    pub uri_bytes: usize,
    /// Bytes of all their URIs together. Default: 64 KiB.
    pub uris_bytes: usize,
    /// Messages of one stream that wait for a client that does not read. Default: 64.
    pub buffer: usize,
    /// How long so many wait before the stream is ended. Default: 30 s.
    pub read_timeout: Duration,
}

impl Default for ListenLimits {
    fn default() -> Self {
        Self {
            streams: 16,
            total: 1_024,
            resources: 1_024,
            uri_bytes: 8 << 10,
            uris_bytes: 64 << 10,
            buffer: 64,
            read_timeout: Duration::from_secs(30),
        }
    }
}

impl ListenLimits {
    /// Says why not if nobody may name `uri` beside `count` others of `bytes` bytes.
    pub(crate) fn allow(&self, uri: &str, count: usize, bytes: usize) -> Result<(), String> {
        let Self { resources, uri_bytes, uris_bytes, .. } = self;
        if *uri_bytes < uri.len() {
            return Err(format!("a URI of {} bytes is named, and the limit is {uri_bytes}", uri.len()));
        }
        if *resources <= count {
            return Err(format!("{resources} resources are named already; name fewer"));
        }
        if *uris_bytes < bytes.saturating_add(uri.len()) {
            return Err(format!("the URIs named have more than {uris_bytes} bytes together; name fewer"));
        }
        Ok(())
    }
}

/// Whether `uri` is one of `uris`, or below one.
pub(crate) fn covers(uris: &BTreeSet<String>, uri: &str) -> bool {
    let below = |known: &String| {
        uri.strip_prefix(known.as_str()).is_some_and(|rest| known.ends_with('/') || rest.starts_with('/'))
    };
    uris.contains(uri) || uris.iter().any(below)
}

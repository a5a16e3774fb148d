//! `server/discover`: what there is, before anything is asked.

use toolpost_protocol::Version;

use crate::service::identity::supported_versions;
use crate::service::{Era, RequestEnvelope, Service, page};
use crate::{Peer, Reply};

/// For how long a client may keep the answer: an hour.
const TTL_MS: u64 = 3_600_000;

pub(super) fn answer(service: &Service, request: &RequestEnvelope, peer: &Peer) -> Reply {
    service.complete(Era::Modern, &request.id, |out| {
        out.extend_from_slice(br#""supportedVersions":"#);
        supported_versions(out);
        out.extend_from_slice(br#","capabilities":"#);
        service.capabilities(out, Version::LATEST, peer);
        out.extend_from_slice(&service.identity.instructions);
        page::caching(out, TTL_MS, true);
    })
}

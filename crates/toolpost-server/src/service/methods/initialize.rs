//! `initialize`: settles revision and capabilities for the session, until the next one does.
//!
//! Over HTTP each opens a session of its own, whatever session the request names.

use toolpost_json::write;
use toolpost_protocol::{Code, Error, Version};
use toolpost_tool::InputCapabilities;

use crate::service::result::failed;
use crate::service::session::Agreed;
use crate::service::{Era, RequestEnvelope, Service};
use crate::{Peer, Reply};

pub(super) fn answer(service: &Service, request: &RequestEnvelope, peer: &Peer) -> Reply {
    let params = request.params.map(|at| request.frame.node(at));
    let requested = params.and_then(|params| params.member("protocolVersion")).and_then(|node| node.as_str());
    let Some(requested) = requested else {
        let error = Error::new(Code::INVALID_PARAMS, "params.protocolVersion is missing or not a string");
        return failed(Era::Legacy, &request.id, &error);
    };
    // An unknown revision, or one without `initialize`, is answered by the newest that has it.
    let version = Version::parse(&requested).filter(|version| !version.is_modern());
    let version = version.unwrap_or(Version::LATEST_WITH_SESSIONS);
    let client = params
        .and_then(|params| params.member("capabilities"))
        .map(InputCapabilities::read)
        .unwrap_or_default();
    if let Some(session) = &peer.session {
        session.agree(Agreed { version, client });
    }
    Reply::result(&request.id, |out| {
        out.extend_from_slice(br#"{"protocolVersion":"#);
        write::string(out, version.as_str());
        out.extend_from_slice(br#","capabilities":"#);
        service.capabilities(out, version, peer);
        out.extend_from_slice(br#","serverInfo":"#);
        out.extend_from_slice(&service.identity.implementation);
        out.extend_from_slice(&service.identity.instructions);
        out.push(b'}');
    })
}

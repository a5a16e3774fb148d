//! `resources/subscribe` and `resources/unsubscribe`: for the whole session.

use toolpost_protocol::{Code, Error};

use crate::service::result::failed;
use crate::service::session::Session;
use crate::service::{Era, RequestEnvelope, Service};
use crate::{Peer, Reply};

pub(super) fn subscribe(service: &Service, request: &RequestEnvelope, peer: &Peer) -> Reply {
    change(request, peer, |uri, session| {
        let limits = &service.listen_limits;
        limits.allow(uri, 0, 0).map_err(|why| Error::new(Code::INVALID_PARAMS, why))?;
        if !service.dispatcher.may_watch(&peer.principal, uri) {
            return Err(Error::new(Code::RESOURCE_NOT_FOUND, "there is no resource with this URI"));
        }
        session.subscribe(uri, limits).map_err(|why| Error::new(Code::INVALID_REQUEST, why))
    })
}

pub(super) fn unsubscribe(_: &Service, request: &RequestEnvelope, peer: &Peer) -> Reply {
    change(request, peer, |uri, session| {
        session.unsubscribe(uri);
        Ok(())
    })
}

fn change(
    request: &RequestEnvelope,
    peer: &Peer,
    make: impl FnOnce(&str, &Session) -> Result<(), Error>,
) -> Reply {
    let uri = request.params.and_then(|at| request.frame.node(at).member("uri")?.as_str());
    let made = match (uri, &peer.session) {
        (Some(uri), Some(session)) => make(&uri, session),
        _ => Err(Error::new(Code::INVALID_PARAMS, "params.uri is missing or not a string")),
    };
    match made {
        Ok(()) => Reply::done(&request.id),
        Err(error) => failed(Era::Legacy, &request.id, &error),
    }
}

//! `completion/complete`.

use toolpost_dispatch::Completing;
use toolpost_json::write;
use toolpost_protocol::model::{RawJson, Request};
use toolpost_protocol::{Code, Error};

use crate::service::context::not_done;
use crate::service::result::failed;
use crate::service::{RequestEnvelope, Service};
use crate::{Peer, Reply};

/// The most values that MCP allows in one answer.
const MOST: usize = 100;

pub(super) async fn answer(service: &Service, request: &RequestEnvelope, peer: &Peer) -> Reply {
    let (era, id) = (request.era, &request.id);
    let invalid = |why: String| failed(era, id, &Error::new(Code::INVALID_PARAMS, why));
    let Some(params) = request.params else { return invalid("params are missing".into()) };
    let params = RawJson::parse(request.frame.node(params).raw());
    let (reference, argument, context) =
        match params.and_then(|params| Request::decode("completion/complete", Some(params))) {
            Ok(Request::Complete { reference, argument, context, .. }) => (reference, argument, context),
            Ok(other) => return invalid(format!("params are those of {}", other.method())),
            Err(error) => return invalid(format!("params: {error}")),
        };
    let mut completing = Completing::new(reference, argument, peer.principal.clone());
    completing.given = context.and_then(|context| context.arguments).unwrap_or_default();
    let values = match service.dispatcher.complete(completing, peer.call_key(id)).await {
        Ok(values) => values,
        Err(error) => return not_done(era, id, &error),
    };
    service.complete(era, id, |out| {
        out.extend_from_slice(br#""completion":{"values":"#);
        // Text, so it encodes.
        let _encodes = write::value(out, &values[..values.len().min(MOST)]);
        out.extend_from_slice(br#","total":"#);
        out.extend_from_slice(values.len().to_string().as_bytes());
        out.extend_from_slice(br#","hasMore":"#);
        out.extend_from_slice(if MOST < values.len() { b"true}" } else { b"false}" });
    })
}

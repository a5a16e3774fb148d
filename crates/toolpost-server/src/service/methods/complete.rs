//! `completion/complete`.

use serde::de::DeserializeOwned;
use toolpost_dispatch::Completing;
use toolpost_json::{Node, write};
use toolpost_protocol::model::{CompletionArgument, CompletionContext, CompletionReference};
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
    let params = request.frame.node(params);
    // `_meta` is read by the envelope alone.
    let (reference, argument, context) = match read(params) {
        Ok(read) => read,
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

type Read = (CompletionReference, CompletionArgument, Option<CompletionContext>);

fn read(params: Node<'_>) -> Result<Read, String> {
    let required = |name| params.member(name).ok_or_else(|| format!("missing field `{name}`"));
    let context = params.member("context").filter(|context| !context.is_null());
    Ok((decode(required("ref")?)?, decode(required("argument")?)?, context.map(decode).transpose()?))
}

fn decode<T: DeserializeOwned>(node: Node<'_>) -> Result<T, String> {
    node.decode().map_err(|error| error.to_string())
}

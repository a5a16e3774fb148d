//! From rmcp's request to the parts of a call.

use std::sync::Arc;
use std::time::Instant;

use rmcp::model::{CallToolRequestParams, ClientCapabilities, JsonObject, NumberOrString, RequestMetaObject};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde::Serialize;
use toolpost_json::Frame;
use toolpost_protocol::{Era, Id, MetaIndex};
use toolpost_tool::{CallParts, InputCapabilities, Principal, Priority, TraceContext};

use crate::answer;
use crate::round::Round;
use crate::sealed::Seal;

/// What a tool sees of a message that rmcp has taken apart.
#[derive(Serialize)]
struct Message<'a> {
    arguments: &'a JsonObject,
    #[serde(rename = "_meta")]
    meta: &'a RequestMetaObject,
}

/// The parts of the call that `request` asks for, and which round of it this is.
pub(crate) fn parts(
    request: CallToolRequestParams,
    context: &Arc<RequestContext<RoleServer>>,
    seal: &Seal,
    identify: impl FnOnce(&RequestContext<RoleServer>) -> Principal,
) -> Result<(CallParts, Round), ErrorData> {
    let unfit = |error: serde_json::Error| ErrorData::invalid_params(error.to_string(), None);
    let mut parts = CallParts::default();
    let arguments = request.arguments.unwrap_or_default();
    let frame =
        Frame::from_serialize(&Message { arguments: &arguments, meta: &context.meta }).map_err(unfit)?;
    let meta = MetaIndex::read(Some(frame.root()));
    parts.arguments = frame.root().member("arguments").map(|node| node.id());
    parts.meta = meta.node();
    parts.priority = Priority::asked(&meta, &frame);
    parts.deadline = meta.deadline(&frame).map(|wait| now() + wait);
    parts.set_trace(TraceContext::read(&meta, &frame));
    parts.frame = Some(frame);
    parts.tool = String::from(request.name).into();
    parts.request_id = Some(id(&context.id));
    parts.principal = identify(context);
    if answer::version(context).era() == Era::Modern {
        parts.client = context.client_capabilities().as_ref().map(client).unwrap_or_default();
    }
    let answers = request.input_responses.map(|answers| Frame::from_serialize(&answers).map_err(unfit));
    let answers = answers.transpose()?;
    let round = Round::open(&mut parts, answers.as_ref(), request.request_state.as_deref(), seal)?;
    parts.set_extension(Some(Arc::clone(context) as _));
    Ok((parts, round))
}

fn id(id: &rmcp::model::RequestId) -> Id {
    match id {
        NumberOrString::Number(number) => Id::from(*number),
        NumberOrString::String(text) => Id::from(&**text),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where this crate reads a clock, and it is tokio's"
)]
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn client(capabilities: &ClientCapabilities) -> InputCapabilities {
    let elicitation = capabilities.elicitation.as_ref();
    let mut client = InputCapabilities::default();
    client.elicitation_url = elicitation.is_some_and(|elicitation| elicitation.url.is_some());
    // One that says nothing more means forms.
    client.elicitation =
        elicitation.is_some_and(|elicitation| elicitation.form.is_some() || elicitation.url.is_none());
    client.sampling = capabilities.sampling.is_some();
    client.roots = capabilities.roots.is_some();
    client
}

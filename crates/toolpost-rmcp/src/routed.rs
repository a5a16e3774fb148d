//! rmcp's tools as toolpost tools.

use std::fmt;
use std::sync::Arc;

use rmcp::handler::server::tool::{ToolCallContext, ToolRoute, ToolRouter};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ErrorCode, InputRequiredResult, InputResponses,
    JsonObject,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::Value;
use toolpost_protocol::{Code, Error};
use toolpost_tool::{
    AnyTool, Call, ErrorKind, InputRequest, InputRequired, InvalidToolName, Output, Tool, ToolError, ToolSpec,
};

use crate::describe;
use crate::unconnected::Unconnected;

/// How rmcp begins the message of an error that says that arguments do not decode.
const ARGUMENTS: &str = "failed to deserialize parameters:";

/// Makes toolpost tools of the tools of `router`, called on `service`; they declare no policy.
///
/// As [`tools_declared`], which says what holds for them.
///
/// # Errors
///
/// As [`tools_declared`].
pub fn tools<S: Send + Sync + 'static>(
    router: ToolRouter<S>,
    service: S,
) -> Result<Vec<AnyTool>, InvalidToolName> {
    tools_declared(router, service, |spec| spec)
}

/// Makes toolpost tools of the tools of `router`, called on `service`, under the policy that `declare`
/// adds to each.
///
/// Name, title, description, schemas, annotations, icons and `_meta` are rmcp's. Tools that the router
/// has disabled are left out. The tools come in the order of their names.
///
/// # What a tool gets
///
/// A tool that is called through [`Tools`](crate::Tools) gets the
/// [`RequestContext`] of the request that made the call: its peer, `_meta` and extensions. Its
/// cancellation token is the call's own: cancelled when the call is dropped, by whomever. A tool that
/// is called otherwise (from a workflow outside a request, by another server, in a test) gets a
/// context whose peer is closed, and with it an error from whatever it asks the client.
///
/// A retry, a hedge, a shared flight or a refresh in the background gets the context of the request
/// that *began* the work. So a tool that asks its peer for something, or answers from its context,
/// must not be declared cacheable, unless what it answers is the same for each caller who shares it.
///
/// An `Err(ErrorData)` stays the JSON-RPC error it is; layers count those that are not the caller's
/// fault as failures of the tool. Arguments that do not decode are a result with `isError` set, as in
/// rmcp. A tool that answers with a task fails: a task outlives the call that the policy is about.
///
/// # Errors
///
/// If a tool's name is not 1 to 64 characters out of `A-Z a-z 0-9 _ . / -`; rmcp only warns of such.
pub fn tools_declared<S: Send + Sync + 'static>(
    router: ToolRouter<S>,
    service: S,
    declare: impl Fn(ToolSpec) -> ToolSpec,
) -> Result<Vec<AnyTool>, InvalidToolName> {
    let service = Arc::new(service);
    let unconnected = Arc::new(Unconnected::default());
    let mut routes: Vec<ToolRoute<S>> = router.into_iter().collect();
    routes.sort_by(|a, b| a.attr.name.cmp(&b.attr.name));
    let tool = |route: ToolRoute<S>| {
        let spec = declare(describe::spec(&route.attr)?);
        let (service, unconnected) = (Arc::clone(&service), Arc::clone(&unconnected));
        Ok(AnyTool::new(Routed { spec, route, service, unconnected }))
    };
    routes.into_iter().map(tool).collect()
}

struct Routed<S> {
    spec: ToolSpec,
    route: ToolRoute<S>,
    service: Arc<S>,
    unconnected: Arc<Unconnected>,
}

impl<S: Send + Sync + 'static> Tool for Routed<S> {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, call: Call) -> Result<Output, ToolError> {
        let mut request = CallToolRequestParams::new(self.route.attr.name.clone());
        request.arguments = Some(call.args::<JsonObject>()?);
        request.input_responses = answers(&call)?;
        request.request_state = call.state::<String>()?;
        let context = context(&call, &self.unconnected);
        // Dropped with this future, or at its end.
        let _cancels = context.ct.clone().drop_guard();
        let context = ToolCallContext::new(&*self.service, request, context);
        match (self.route.call)(context).await {
            Ok(CallToolResponse::Complete(result)) => output(result),
            Ok(CallToolResponse::InputRequired(required)) => Err(suspended(required)?),
            Ok(_) => Err(ToolError::new("the tool answered with a task, which a runtime does not pass on")),
            Err(error) => Err(failure(error)),
        }
    }
}

impl<S> fmt::Debug for Routed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Routed").field(&self.spec.name()).finish()
    }
}

/// The context of the request behind `call`, but with a cancellation token of its own: work that is
/// shared goes on when the request that began it is cancelled.
fn context(call: &Call, unconnected: &Unconnected) -> RequestContext<RoleServer> {
    let Some(carried) = call.extension::<RequestContext<RoleServer>>() else { return unconnected.context() };
    let mut context = RequestContext::new(carried.id.clone(), carried.peer.clone());
    context.meta = carried.meta.clone();
    context.extensions = carried.extensions.clone();
    context
}

fn answers(call: &Call) -> Result<Option<InputResponses>, ToolError> {
    let Some(answers) = call.answers() else { return Ok(None) };
    Ok(Some(answers.decode::<InputResponses>()?))
}

fn output(result: CallToolResult) -> Result<Output, ToolError> {
    let CallToolResult { content, structured_content, is_error, meta, .. } = result;
    let plain = match content.as_slice() {
        [block] => block.as_text().filter(|text| text.annotations.is_none() && text.meta.is_none()),
        _ => None,
    };
    let mut output = match plain {
        Some(text) => Output::text(&*text.text),
        None => Output::blocks(&content)?,
    };
    if let Some(structured) = &structured_content {
        output = output.with_structured(structured)?;
    }
    for (name, value) in meta.iter().flat_map(|meta| meta.iter()) {
        output = output.with_meta(name, value)?;
    }
    Ok(if is_error == Some(true) { output.into_error() } else { output })
}

fn suspended(required: InputRequiredResult) -> Result<ToolError, ToolError> {
    let mut suspended = InputRequired::new();
    for (key, request) in required.input_requests.into_iter().flatten() {
        suspended = suspended.asking(key, question(&serde_json::to_value(&request)?)?);
    }
    if let Some(state) = required.request_state {
        suspended = suspended.with_state(&state)?;
    }
    Ok(ToolError::input_required(suspended))
}

fn question(request: &Value) -> Result<InputRequest, ToolError> {
    let params = &request["params"];
    let text = |name: &str| params[name].as_str().unwrap_or_default();
    match (request["method"].as_str().unwrap_or_default(), params["mode"].as_str()) {
        ("elicitation/create", Some("url")) => Ok(InputRequest::visit(text("message"), text("url"))),
        ("elicitation/create", _) => Ok(InputRequest::elicit(text("message"), &params["requestedSchema"])),
        ("sampling/createMessage", _) => Ok(InputRequest::sample(params)),
        ("roots/list", _) => Ok(InputRequest::roots()),
        (method, _) => Err(ToolError::new(format!("the tool asks its client for `{method}`"))),
    }
}

fn failure(error: ErrorData) -> ToolError {
    let ErrorData { code, message, data, .. } = error;
    if code == ErrorCode::INVALID_PARAMS && message.starts_with(ARGUMENTS) {
        return ToolError::invalid_arguments(message);
    }
    let callers = [
        ErrorCode::INVALID_PARAMS,
        ErrorCode::INVALID_REQUEST,
        ErrorCode::METHOD_NOT_FOUND,
        ErrorCode::RESOURCE_NOT_FOUND,
        ErrorCode(Code::MISSING_CLIENT_CAPABILITY.0 as i32),
    ];
    let mut told = Error::new(Code(code.0.into()), message);
    if let Some(data) = data {
        told = told.with_data(&data);
    }
    match callers.contains(&code) {
        true => ToolError::protocol(told),
        false => ToolError::protocol(told).of_kind(ErrorKind::Failed),
    }
}

//! Requests of several rounds: what earlier rounds left is opened, what this one asks for is sent.

use std::sync::Arc;
use std::time::Instant;

use bytestring::ByteString;
use serde_json::json;
use toolpost_json::{Frame, Kind, Node, NodeId, write};
use toolpost_protocol::{Code, Error, Id};
pub(crate) use toolpost_tool::merge_answers as merge;
use toolpost_tool::{CallParts, InputCapabilities, InputRequired};

use super::outbox::CallSink;
use super::result::failed;
use super::seal::{self, Binding};
use super::{Era, Service};
use crate::{Reply, clock};

/// Where a request has what earlier rounds left, if it has any of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Carried {
    /// `inputResponses`.
    pub(crate) responses: Option<NodeId>,
    /// `requestState`.
    pub(crate) state: Option<NodeId>,
}

impl Carried {
    pub(crate) const fn is_none(&self) -> bool {
        self.responses.is_none() && self.state.is_none()
    }
}

/// What a second run takes.
#[derive(Default)]
pub(crate) struct RetryContext {
    pub(super) text: ByteString,
    pub(super) client: InputCapabilities,
    pub(super) deadline: Option<Instant>,
    pub(super) answers: Option<Arc<Frame>>,
    /// How many rounds in a row have brought no answer to what was asked.
    pub(super) fruitless: u8,
    /// Whether this round brought no answer under a key that was asked.
    pub(super) is_unanswered: bool,
    pub(super) sink: Option<Arc<CallSink>>,
}

/// Gives `parts` the answers and the state that the request carries. What is known of the rounds until now is left in
/// `again`.
#[cold]
pub(crate) fn resume(
    service: &Service,
    parts: &mut CallParts,
    frame: &Frame,
    carried: Carried,
    binding: Binding,
    again: &mut RetryContext,
) -> Result<(), Error> {
    let invalid = |what: &'static str| Error::new(Code::INVALID_PARAMS, what);
    let responses = carried.responses.map(|at| frame.node(at));
    if responses.is_some_and(|node| node.kind() != Kind::Object) {
        return Err(invalid("params.inputResponses must be an object"));
    }
    let mut earlier = None;
    if let Some(state) = carried.state {
        let sealed = frame.node(state).as_str();
        let sealed = sealed.ok_or_else(|| invalid("params.requestState must be a string"))?;
        let content = service.sealer.open(binding, clock::unix(), &sealed).ok_or_else(|| {
            invalid("params.requestState was changed, belongs to another request, or is too old; start again")
        })?;
        let content = Frame::from_text(content, &service.limits)?;
        parts.set_state(content.root().member("state").map(|state| ByteString::from(state.raw())));
        earlier = Some(content);
    }
    let earlier = earlier.as_ref().map(Frame::root);
    let member = |name| earlier.and_then(|content: Node<'_>| content.member(name));
    again.fruitless = member("fruitless").and_then(|count| count.decode().ok()).unwrap_or(0);
    let asked = member("asked");
    again.is_unanswered =
        !(asked.is_some_and(Node::is_empty) || InputRequired::is_answered(asked, responses));
    let merged = merge(
        member("answers"),
        responses.into_iter().flat_map(Node::members).map(|(key, node)| (key.name(), node.raw())),
    );
    let answers = Arc::new(Frame::from_text(merged, &service.limits)?);
    parts.set_answers(Some(Arc::clone(&answers)));
    again.answers = Some(answers);
    Ok(())
}

/// The error if `suspended` asks what `client` never said that it can be asked.
pub(crate) fn check_asked(suspended: &InputRequired, client: &InputCapabilities) -> Result<(), Error> {
    let unfit = suspended.requests().values().filter(|request| !request.fits(client));
    let mut needed = serde_json::Map::new();
    let mut named = Vec::new();
    for request in unfit {
        if named.contains(&request.capability()) {
            continue;
        }
        named.push(request.capability());
        let serde_json::Value::Object(capability) = request.required_capability() else { continue };
        for (name, modes) in capability {
            // Two modes of one capability stand side by side.
            match (needed.get_mut(&name), modes) {
                (Some(serde_json::Value::Object(known)), serde_json::Value::Object(modes)) => {
                    known.extend(modes);
                }
                (_, modes) => drop(needed.insert(name, modes)),
            }
        }
    }
    if named.is_empty() {
        return Ok(());
    }
    let why = format!("the client did not declare a capability that is needed: {}", named.join(", "));
    let error = Error::new(Code::MISSING_CLIENT_CAPABILITY, why);
    Err(error.with_data(&json!({ "requiredCapabilities": needed })))
}

/// Answers that input is required: the questions, and the state to be handed back with the answers.
#[cold]
pub(crate) fn suspend(
    service: &Service,
    id: &Id,
    suspended: &InputRequired,
    again: &RetryContext,
    binding: Binding,
) -> Reply {
    if let Err(error) = check_asked(suspended, &again.client) {
        return failed(Era::Modern, id, &error);
    }
    let answers = again.answers.as_deref().map(Frame::root).filter(|answers| !answers.is_empty());
    let keeps = suspended.state().is_some()
        || answers.is_some()
        || 0 < again.fruitless
        || suspended.requests().is_empty();
    let sealed = keeps.then(|| {
        let state = suspended.state().map(|state| format!(r#""state":{state},"#)).unwrap_or_default();
        let (answers, fruitless) = (answers.map_or("{}", Node::raw), again.fruitless);
        let asked = json!(suspended.requests().keys().collect::<Vec<_>>());
        let content = format!(r#"{{{state}"fruitless":{fruitless},"asked":{asked},"answers":{answers}}}"#);
        let expires = clock::unix().saturating_add(seal::LIFETIME.as_secs());
        service.sealer.seal(binding, expires, &content)
    });
    if let Some(None) = sealed {
        let error = Error::new(Code::INTERNAL_ERROR, "the server cannot seal the state of this request");
        return failed(Era::Modern, id, &error);
    }
    Reply::result(id, |out| {
        out.extend_from_slice(br#"{"resultType":"input_required","inputRequests":{"#);
        for (n, (key, request)) in suspended.requests().iter().enumerate() {
            if 0 < n {
                out.push(b',');
            }
            write::string(out, key);
            out.extend_from_slice(br#":{"method":"#);
            write::string(out, request.method());
            if let Some(params) = request.params() {
                out.extend_from_slice(br#","params":"#);
                out.extend_from_slice(params.as_bytes());
            }
            out.push(b'}');
        }
        out.extend_from_slice(b"},");
        if let Some(sealed) = sealed.flatten() {
            out.extend_from_slice(br#""requestState":"#);
            write::string(out, &sealed);
            out.push(b',');
        }
        service.close(out, |_| false);
    })
}

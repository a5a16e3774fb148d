//! One request to a server on behalf of a call: through its rounds of questions, to a result or an error of the call.

use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use serde::{Deserialize, Serialize};
use toolpost_client::{ClientError, RawJson, RawResult, RequestOptions};
use toolpost_json::{Frame, Limits, Node, write};
use toolpost_protocol::{Code, Error, Version, meta};
use toolpost_tool::{Call, ErrorKind, InputCapabilities, InputRequest, InputRequired, Refusal, ToolError};

use crate::asker::{Asked, Asker, Next, Open, Running, declined, saying};
use crate::clean::{clean, line};
use crate::clock;
use crate::connection::Lease;
use crate::upstream::Shared;

/// The longest text of an error that is handed on, in bytes.
const ERROR_MAX: usize = 4 << 10;
/// The largest state of a server that travels through the client, in bytes.
const STATE_MAX: usize = 64 << 10;
/// The most questions of one round.
const QUESTIONS_MAX: usize = 16;
/// How often a server may say "come again" to one request, and the first wait before that.
const AGAIN_MAX: u32 = 8;
const AGAIN: Duration = Duration::from_millis(50);
/// How much of the caller's `_meta` is handed on, in bytes.
const META_MAX: usize = 16 << 10;

/// What is asked of a server.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    /// A tool is called, with the arguments of the call.
    Tool { name: ByteString },
    /// A prompt is made, with these arguments: a JSON object.
    Prompt { name: ByteString, arguments: Frame },
    /// A resource is read.
    Resource { uri: ByteString },
}

/// What a suspended call keeps with its client, within the sealed state of this server.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Carried {
    /// The server's own state.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    /// The keys of the questions of the last round.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    asked: Vec<String>,
    /// Where the call is kept that a server of the older revisions holds open, and of which upstream's start.
    #[serde(skip_serializing_if = "Option::is_none")]
    parked: Option<(u64, u64)>,
}

/// Asks on behalf of `call`; the result, and of which revision it is.
///
/// What one of several endpoints did not get, or lost, and may be repeated, goes to another: once, so that no request wanders
/// through all of them.
pub(crate) async fn ask(
    shared: &Arc<Shared>,
    request: &Request,
    is_repeatable: bool,
    call: &Call,
) -> Result<(RawResult, Version), ToolError> {
    let carried: Option<Carried> = call.state()?;
    if let Some((start, id)) = carried.as_ref().and_then(|carried| carried.parked) {
        let running = (start == shared.start).then(|| shared.parking.take(id, call.principal())).flatten();
        let mut running = running.ok_or_else(|| gone(&shared.name))?;
        if let Some(again) = answer(&mut running, call) {
            return Err(park(shared, running, again, call));
        }
        let led = led(shared, running, is_repeatable, call).await;
        return led.map_err(|unanswered| unanswered.error);
    }
    let lease = shared.lease(call, is_repeatable, &[]).await?;
    let first = lease.endpoint();
    match ask_over(shared, lease, request, is_repeatable, call, carried.as_ref()).await {
        Err(Unanswered { error, may_go_elsewhere: true }) if first.is_some() => {
            let Ok(lease) = shared.lease(call, is_repeatable, first.as_slice()).await else {
                return Err(error);
            };
            let again = ask_over(shared, lease, request, is_repeatable, call, carried.as_ref()).await;
            again.map_err(|unanswered| unanswered.error)
        }
        ended => ended.map_err(|unanswered| unanswered.error),
    }
}

/// Why a request had no result.
struct Unanswered {
    error: ToolError,
    /// Whether it did not reach its server, or may be repeated.
    may_go_elsewhere: bool,
}

impl From<ToolError> for Unanswered {
    fn from(error: ToolError) -> Self {
        Self { error, may_go_elsewhere: false }
    }
}

fn failed(name: &str, lease: &Lease, error: ClientError, is_repeatable: bool) -> Unanswered {
    lease.failed(&error);
    let may_go_elsewhere = match error {
        ClientError::NotConnected(_) | ClientError::Unavailable { .. } => true,
        ClientError::ConnectionLost(_) | ClientError::BadStatus { status: 500.. } => is_repeatable,
        _ => false,
    };
    Unanswered { error: tool_error(name, error, is_repeatable), may_go_elsewhere }
}

async fn ask_over(
    shared: &Arc<Shared>,
    lease: Lease,
    request: &Request,
    is_repeatable: bool,
    call: &Call,
    carried: Option<&Carried>,
) -> Result<(RawResult, Version), Unanswered> {
    let version = lease.connection.version;
    let client = lease.connection.client.clone();
    if !version.is_modern() {
        let offers = common(call.client(), &shared.options.offers);
        if offers == InputCapabilities::default() {
            let result = request.send(&client, call, None, options(call)).await;
            let result = result.map_err(|error| failed(&shared.name, &lease, error, is_repeatable))?;
            lease.answered();
            return Ok((result, version));
        }
        let asker = Asker::new(offers);
        let options = options(call).respond(Arc::<Asker>::clone(&asker));
        let (request, call_of_it) = (request.clone(), call.clone());
        let request = Box::pin(async move { request.send(&client, &call_of_it, None, options).await });
        let running = Running { lease, request, asker, open: None, asked: 0 };
        return led(shared, running, is_repeatable, call).await;
    }
    let mut again = 0;
    let mut round = carried.map(|carried| round(carried, call));
    loop {
        let options = options(call).respond(saying(call.client())).by_hand();
        let result = request.send(&client, call, round.as_deref(), options).await;
        let result = result.map_err(|error| failed(&shared.name, &lease, error, is_repeatable))?;
        lease.answered();
        let kind = result.node().member("resultType").and_then(Node::as_str);
        match kind.as_deref() {
            None | Some("complete") => return Ok((result, version)),
            Some("input_required") => {}
            Some(other) => {
                let other = line(other, 80);
                let message = format!("`{}` answered by a result of the unknown type `{other}`", shared.name);
                return Err(ToolError::new(message).into());
            }
        }
        match suspended(&shared.name, result.node())? {
            Suspended::Asks(required) => return Err(ToolError::input_required(required).into()),
            Suspended::ComesAgain(state) if again < AGAIN_MAX => {
                clock::until(Some(clock::now() + AGAIN * 2_u32.pow(again))).await;
                again += 1;
                round = Some(members(None, Some(&state)));
            }
            Suspended::ComesAgain(_) => {
                let message = format!("`{}` put the request off {AGAIN_MAX} times", shared.name);
                return Err(ToolError::unavailable(message).into());
            }
        }
    }
}

impl Request {
    /// Sends it. `round` are more members, each followed by a comma.
    async fn send(
        &self,
        client: &toolpost_client::McpClient,
        call: &Call,
        round: Option<&str>,
        options: RequestOptions,
    ) -> Result<RawResult, ClientError> {
        let Some(round) = round else {
            return match self {
                Self::Tool { name } => client.call_tool(name, call.arguments(), options).await,
                Self::Prompt { name, arguments } => client.get_prompt(name, arguments.root(), options).await,
                Self::Resource { uri } => client.read_resource(uri, options).await,
            };
        };
        let (method, key, value, arguments) = match self {
            Self::Tool { name } => ("tools/call", "name", name, Some(call.arguments())),
            Self::Prompt { name, arguments } => ("prompts/get", "name", name, Some(arguments.root())),
            Self::Resource { uri } => ("resources/read", "uri", uri, None),
        };
        let mut text = format!("{{{round}");
        let mut out = Vec::new();
        write::string(&mut out, key);
        out.push(b':');
        write::string(&mut out, value);
        text.push_str(&String::from_utf8_lossy(&out));
        if let Some(arguments) = arguments {
            text.push_str(r#","arguments":"#);
            text.push_str(arguments.raw());
        }
        text.push('}');
        let params = Frame::from_text(text, &Limits::new().bytes(16 << 20).depth(128));
        let params = params.map_err(|violation| ClientError::NotConnected(violation.to_string().into()))?;
        client.request(method, params.root(), options).await
    }
}

/// What the client of a call can be asked, of what the server was told.
const fn common(client: &InputCapabilities, told: &InputCapabilities) -> InputCapabilities {
    let mut both = *client;
    both.elicitation &= told.elicitation;
    both.elicitation_url &= told.elicitation_url;
    both.sampling &= told.sampling;
    both.roots &= told.roots;
    both
}

/// What goes with every request: who traces it, what its caller says to tools, and where its progress goes. Nothing of who the
/// caller is.
fn options(call: &Call) -> RequestOptions {
    let mut options = RequestOptions::new();
    // The runtime limits a call in time, by dropping it; this one is further away than any of those.
    options = options.time_limit(Duration::from_secs(24 * 60 * 60));
    if !call.principal().is_anonymous() {
        options = options.on_behalf_of(call.principal().as_str());
    }
    let trace = call.trace();
    let traced = [
        (meta::TRACEPARENT, &trace.parent),
        (meta::TRACESTATE, &trace.state),
        (meta::BAGGAGE, &trace.baggage),
    ];
    for (key, value) in traced {
        if let Some(value) = value {
            options = options.meta(key, RawJson::from(&**value));
        }
    }
    if let Some(said) = call.meta().filter(|said| said.raw().len() <= META_MAX) {
        for (key, value) in said.members() {
            let name = key.name();
            if is_foreign(&name)
                && let Ok(value) = RawJson::parse(value.raw())
            {
                options = options.meta(name, value);
            }
        }
    }
    if call.is_observed() {
        let call = call.clone();
        options = options.progress(move |done, total, message| call.progress(done, total, message));
    }
    options
}

/// Whether a member of the caller's `_meta` is for the tool, rather than for this server.
fn is_foreign(key: &str) -> bool {
    let ours = [
        meta::PROGRESS_TOKEN,
        meta::TRACEPARENT,
        meta::TRACESTATE,
        meta::BAGGAGE,
        meta::PRIORITY,
        meta::DEADLINE_MS,
    ];
    !key.starts_with("io.modelcontextprotocol/") && !ours.contains(&key)
}

/// Leads a request to its end, or until its user is asked something: then it is kept.
async fn led(
    shared: &Arc<Shared>,
    mut running: Running,
    is_repeatable: bool,
    call: &Call,
) -> Result<(RawResult, Version), Unanswered> {
    loop {
        match running.next().await {
            Next::Ended(ended) => {
                let version = running.lease.connection.version;
                let result = ended.map_err(|error| {
                    let unanswered = failed(&shared.name, &running.lease, error, is_repeatable);
                    // What was asked of a user is not asked again.
                    let may_go_elsewhere = unanswered.may_go_elsewhere && running.asked == 0;
                    Unanswered { may_go_elsewhere, ..unanswered }
                })?;
                running.lease.answered();
                return Ok((result, version));
            }
            Next::Asked(asked) => {
                running.lease.answered();
                if let Some(open) = opened(&mut running, asked, call) {
                    return Err(park(shared, running, open, call).into());
                }
            }
        }
    }
}

/// A question as the call's client can be asked it; otherwise it is declined.
fn opened(running: &mut Running, asked: Asked, call: &Call) -> Option<Open> {
    let Asked { question, answer } = asked;
    let params = Frame::from_text(question.params().clone(), &Limits::new());
    let request = params.ok().and_then(|params| InputRequest::read(question.method(), Some(params.root())));
    match request.filter(|request| request.fits(call.client())) {
        Some(request) => {
            running.asked += 1;
            Some(Open { key: format!("question-{}", running.asked), request, answer })
        }
        None => {
            drop(answer.send(Err(declined("the client of this call cannot be asked that"))));
            None
        }
    }
}

/// Gives the server the answer of the call's user; the question again, if the answer is none.
fn answer(running: &mut Running, call: &Call) -> Option<Open> {
    let open = running.open.take()?;
    let answer = call.answer(&open.key).filter(|answer| open.request.accepts(*answer));
    match answer.and_then(|answer| RawJson::parse(answer.raw()).ok()) {
        Some(answer) => {
            drop(open.answer.send(Ok(answer)));
            None
        }
        None => Some(open),
    }
}

/// Keeps a call that waits for its user, and says so.
fn park(shared: &Arc<Shared>, mut running: Running, open: Open, call: &Call) -> ToolError {
    let required = InputRequired::new().asking(open.key.clone(), open.request.clone());
    let asked = vec![open.key.clone()];
    running.open = Some(open);
    match shared.parking.park(running, call.principal(), clock::now()) {
        Some(id) => {
            shared.look.notify_one();
            let carried = Carried { state: None, asked, parked: Some((shared.start, id)) };
            required.with_state(&carried).map_or_else(|error| error, ToolError::input_required)
        }
        // The request is dropped, and so cancelled.
        None => ToolError::refused(
            Refusal::QueueFull,
            format!("as many calls of `{}` wait for their users as may", shared.name),
            None,
        ),
    }
}

enum Suspended {
    Asks(InputRequired),
    ComesAgain(String),
}

/// What an `input_required` result asks, with the server's state inside of ours.
fn suspended(name: &str, result: Node<'_>) -> Result<Suspended, ToolError> {
    let fault = |what: &str| ToolError::new(format!("`{name}` asked for input, and {what}"));
    let questions = result.member("inputRequests").into_iter().flat_map(Node::members);
    let state = result.member("requestState").and_then(Node::as_str).map(|state| state.into_owned());
    if state.as_ref().is_some_and(|state| STATE_MAX < state.len()) {
        return Err(fault("its state is longer than 64 KiB"));
    }
    let mut required = InputRequired::new();
    let mut asked = Vec::new();
    for (key, question) in questions {
        let method = question.member("method").and_then(Node::as_str).unwrap_or_default();
        let request = InputRequest::read(&method, question.member("params")).ok_or_else(|| {
            fault(&format!("`{}` is nothing that a client can be asked", line(&method, 80)))
        })?;
        let key = key.name().into_owned();
        asked.push(key.clone());
        if QUESTIONS_MAX < asked.len() || 256 < key.len() {
            return Err(fault("it is more than 16 questions, or a key of more than 256 bytes"));
        }
        required = required.asking(key, request);
    }
    match (asked.is_empty(), state) {
        (true, None) => Err(fault("asked nothing")),
        (true, Some(state)) => Ok(Suspended::ComesAgain(state)),
        (false, state) => {
            Ok(Suspended::Asks(required.with_state(&Carried { state, asked, parked: None })?))
        }
    }
}

/// The members that go with the next round: the answers to what was asked, and the server's state.
fn round(carried: &Carried, call: &Call) -> String {
    members(Some((carried, call)), carried.state.as_deref())
}

fn members(answers: Option<(&Carried, &Call)>, state: Option<&str>) -> String {
    let mut out = Vec::new();
    if let Some((carried, call)) = answers {
        out.extend_from_slice(br#""inputResponses":{"#);
        let given = carried.asked.iter().filter_map(|key| Some((key, call.answer(key)?)));
        for (n, (key, answer)) in given.enumerate() {
            if 0 < n {
                out.push(b',');
            }
            write::string(&mut out, key);
            out.push(b':');
            out.extend_from_slice(answer.raw().as_bytes());
        }
        out.extend_from_slice(b"},");
    }
    if let Some(state) = state {
        out.extend_from_slice(br#""requestState":"#);
        write::string(&mut out, state);
        out.push(b',');
    }
    // Made of text alone.
    String::from_utf8(out).unwrap_or_default()
}

fn gone(name: &str) -> ToolError {
    ToolError::with_kind(
        ErrorKind::Failed,
        format!(
            "`{name}` no longer waits for this answer: it came too late, or to another server; call again"
        ),
    )
}

/// Why a call has no result. What a server that is not trusted says of it is cleaned and bounded.
pub(crate) fn tool_error(name: &str, error: ClientError, is_repeatable: bool) -> ToolError {
    match error {
        ClientError::NotConnected(why) => {
            ToolError::unavailable(format!("`{name}` cannot be reached: {}", line(&why, ERROR_MAX)))
        }
        ClientError::ConnectionLost(why) => {
            let why = line(&why, ERROR_MAX);
            match is_repeatable {
                true => ToolError::unavailable(format!("`{name}` was lost before it answered: {why}")),
                false => ToolError::with_kind(
                    ErrorKind::OutcomeUnknown,
                    format!(
                        "`{name}` was lost before it answered, and the call may have done its work: {why}"
                    ),
                ),
            }
        }
        ClientError::Refused(error) => {
            let message = clean(error.message(), ERROR_MAX).into_owned();
            match error.code() {
                // Of the older revisions: there is no such resource.
                Code::INVALID_PARAMS | Code(-32_002) => {
                    ToolError::protocol(Error::new(Code::INVALID_PARAMS, message))
                }
                code => ToolError::new(format!("`{name}` refused the call: {message} ({})", code.0)),
            }
        }
        ClientError::TimedOut { limit } => ToolError::timed_out(limit),
        ClientError::TooMany { what, limit } => ToolError::refused(
            Refusal::QueueFull,
            format!("`{name}` has more than {limit} {what}"),
            Some(Duration::from_millis(100)),
        ),
        ClientError::Unavailable { retry_after, .. } => {
            let unavailable = ToolError::unavailable(format!("`{name}`: {error}"));
            match retry_after {
                Some(time) => unavailable.with_retry_after(time),
                None => unavailable,
            }
        }
        other => {
            let message = format!("`{name}`: {}", line(&other.to_string(), ERROR_MAX));
            match (other.is_outcome_unknown(), is_repeatable) {
                (true, false) => ToolError::with_kind(ErrorKind::OutcomeUnknown, message),
                (true, true) if matches!(other, ClientError::BadStatus { .. }) => {
                    ToolError::unavailable(message)
                }
                _ => ToolError::new(message),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_run_is_unknown_and_what_was_not_taken_says_when_to_come_back() {
        let bad = ClientError::BadStatus { status: 502 };
        let large = ClientError::TooLarge { limit: 1 };
        let wait = Some(Duration::from_secs(7));
        let busy = ClientError::Unavailable { status: 503, retry_after: wait };
        for (error, is_repeatable, kind, retry_after) in [
            (&bad, false, ErrorKind::OutcomeUnknown, None),
            (&bad, true, ErrorKind::Unavailable, None),
            (&large, false, ErrorKind::OutcomeUnknown, None),
            (&large, true, ErrorKind::Failed, None),
            (&ClientError::TaskCancelled, false, ErrorKind::OutcomeUnknown, None),
            (&ClientError::BadStatus { status: 418 }, false, ErrorKind::Failed, None),
            (&busy, false, ErrorKind::Unavailable, wait),
            (&busy, true, ErrorKind::Unavailable, wait),
        ] {
            let told = tool_error("shop", error.clone(), is_repeatable);
            assert_eq!((told.kind(), told.retry_after()), (kind, retry_after), "{told}");
            assert!(told.to_string().starts_with("`shop`"), "{told}");
        }
    }
}

//! One request of the host: its rounds of questions, its task, its time limit.

use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use tokio::time::timeout;
use toolpost_json::{Kind as JsonKind, Node};
use toolpost_protocol::Error as RpcError;

use crate::core::{Kind, error_of};
use crate::params::{Params, member, spliced};
use crate::questions;
use crate::respond::Respond;
use crate::shared::{Shared, Wire};
use crate::{ClientError, Question, RawResult, RequestOptions, clock};

/// The first wait before a request is repeated that was asked nothing but to come again.
const AGAIN: Duration = Duration::from_millis(50);
/// How often a task is looked at: if it does not say, at most, at least.
const LOOK: Duration = Duration::from_secs(1);
const OFTEN: Duration = Duration::from_millis(20);
const SELDOM: Duration = Duration::from_secs(30);

/// Makes a request, within its time limit.
pub(crate) async fn request(
    shared: &Arc<Shared>,
    method: &str,
    params: &Params,
    options: &RequestOptions,
) -> Result<RawResult, ClientError> {
    let limit = options.time_limit.unwrap_or(shared.options.time_limit);
    within(shared, limit, rounds(shared, method, params, options)).await
}

/// Limits a future in time.
pub(crate) async fn within<T>(
    shared: &Shared,
    limit: Duration,
    work: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    match timeout(limit, work).await {
        Ok(outcome) => outcome,
        Err(_) if shared.is_agreed() => Err(ClientError::TimedOut { limit }),
        Err(_) => Err(ClientError::NotConnected(format!("still connecting after {limit:?}").into())),
    }
}

async fn rounds(
    shared: &Arc<Shared>,
    method: &str,
    params: &Params,
    options: &RequestOptions,
) -> Result<RawResult, ClientError> {
    let is_modern = shared.ready().await?.profile.version.is_modern();
    let mut round = Vec::new();
    for asked in 0..=shared.options.rounds {
        let wire = Wire {
            method,
            round: &round,
            respond: options.respond.as_ref(),
            progress: options.progress.as_ref(),
            whom: options.whom.as_ref(),
            ..Wire::default()
        };
        let result = shared.send(params, &wire)?.await?;
        if !is_modern {
            return Ok(result);
        }
        match result_type(result.node()).as_deref() {
            None | Some("complete") => return Ok(result),
            Some("task") if method == "tools/call" => return task(shared, result, options).await,
            Some("input_required") if options.by_hand => return Ok(result),
            Some("input_required") => round = answers(shared, result.node(), options, asked).await?,
            Some(other) => {
                return Err(ClientError::malformed(format!(
                    "a result of the unknown type `{}`",
                    short(other)
                )));
            }
        }
    }
    Err(ClientError::TooMany { what: "rounds of questions", limit: shared.options.rounds })
}

/// The members that answer what a result asks.
async fn answers(
    shared: &Shared,
    result: Node<'_>,
    options: &RequestOptions,
    asked: usize,
) -> Result<Vec<u8>, ClientError> {
    let mut round = Vec::new();
    let questions = result.member("inputRequests").filter(|node| !node.is_empty());
    let state = result.member("requestState").filter(|node| node.kind() == JsonKind::String);
    match questions {
        Some(questions) => {
            let responses = respond(respond_of(shared, options), questions).await?;
            member(&mut round, "inputResponses", |out| out.extend_from_slice(&responses));
        }
        None if state.is_some() => clock::sleep(AGAIN * 2_u32.pow(asked.min(8) as u32)).await,
        None => return Err(ClientError::malformed("`input_required` that asks nothing")),
    }
    if let Some(state) = state {
        member(&mut round, "requestState", |out| spliced(out, state.raw()));
    }
    Ok(round)
}

fn respond_of<'a>(shared: &'a Shared, options: &'a RequestOptions) -> &'a dyn Respond {
    &**options.respond.as_ref().unwrap_or(&shared.options.respond)
}

/// An object with the answer to each question, one after the other: a person reads one at a time.
async fn respond(respond: &dyn Respond, questions: Node<'_>) -> Result<Vec<u8>, ClientError> {
    let mut out = vec![b'{'];
    for (key, question) in questions.members() {
        let method = question.member("method").and_then(Node::as_str);
        let Some(method) = method else {
            return Err(ClientError::malformed("a question without a method"));
        };
        let params = question.member("params").map_or("{}", Node::raw);
        let question = Question::new(ByteString::from(&*method), ByteString::from(params));
        match questions::answer(respond, question).await {
            Ok(answer) => {
                member(&mut out, &key.name(), |out| out.extend_from_slice(answer.as_str().as_bytes()))
            }
            Err(_) => return Err(ClientError::Unanswered(short(&method).into())),
        }
    }
    crate::params::end(&mut out);
    Ok(out)
}

/// Waits for the end of the task that a call has become. Dropped before, it cancels the task.
async fn task(
    shared: &Arc<Shared>,
    created: RawResult,
    options: &RequestOptions,
) -> Result<RawResult, ClientError> {
    let Some(id) = created.node().member("taskId").and_then(Node::as_str) else {
        return Err(ClientError::malformed("a task without `taskId`"));
    };
    let params = Params::default().with_str("taskId", &id).named(&id);
    let mut running = RunningTask { shared, params: &params, over: false };
    let ended = looked_at(shared, &params, &created, options).await;
    // Whatever is the matter with the connection, the task's end is known only in these cases.
    running.over = matches!(ended, Ok(_) | Err(ClientError::Refused(_) | ClientError::TaskCancelled));
    ended.map_err(begun)
}

/// Why the end of a task is not known: that a look at it did not reach the server says nothing of the task, which has begun.
fn begun(error: ClientError) -> ClientError {
    match error {
        ClientError::NotConnected(_)
        | ClientError::Unavailable { .. }
        | ClientError::Unauthorized { .. }
        | ClientError::BadStatus { .. } => error.sent(),
        other => other,
    }
}

async fn looked_at(
    shared: &Arc<Shared>,
    params: &Params,
    created: &RawResult,
    options: &RequestOptions,
) -> Result<RawResult, ClientError> {
    let mut every = interval(created.node()).unwrap_or(LOOK);
    let mut answered = 0;
    let mut known: Vec<String> = Vec::new();
    loop {
        clock::sleep(every).await;
        let task = own(shared, "tasks/get", params, &[]).await?;
        every = interval(task.node()).unwrap_or(every);
        let status = task.node().member("status").and_then(Node::as_str);
        match status.as_deref() {
            Some("working") => {}
            Some("completed") => {
                let Some(result) = task.node().member("result").map(|node| node.id()) else {
                    return Err(ClientError::malformed("a completed task without a result"));
                };
                return Ok(task.narrowed(result));
            }
            Some("failed") => {
                let error = task.node().member("error").map(error_of);
                return Err(ClientError::Refused(error.unwrap_or_else(unexplained)));
            }
            Some("cancelled") => return Err(ClientError::TaskCancelled),
            Some("input_required") => {
                let questions = task.node().member("inputRequests");
                let open = questions
                    .filter(|node| node.members().any(|(key, _)| !known.iter().any(|known| key.is(known))));
                // Answers take effect in time; until then the same questions are told.
                let Some(questions) = open else { continue };
                answered += 1;
                if shared.options.rounds < answered {
                    return Err(ClientError::TooMany {
                        what: "rounds of questions",
                        limit: shared.options.rounds,
                    });
                }
                let responses = respond(respond_of(shared, options), questions).await?;
                known = questions.members().map(|(key, _)| key.name().into_owned()).collect();
                let mut round = Vec::new();
                member(&mut round, "inputResponses", |out| out.extend_from_slice(&responses));
                own(shared, "tasks/update", params, &round).await?;
            }
            _ => return Err(ClientError::malformed("a task without a known status")),
        }
    }
}

/// A request of the client's own about something of the host's.
async fn own(
    shared: &Arc<Shared>,
    method: &str,
    params: &Params,
    round: &[u8],
) -> Result<RawResult, ClientError> {
    let wire = Wire { method, kind: Some(Kind::Own), round, ..Wire::default() };
    shared.send(params, &wire)?.await
}

/// How long to wait until the next look at a task.
fn interval(task: Node<'_>) -> Option<Duration> {
    let millis = task.member("pollIntervalMs")?.as_number()?.as_u64()?;
    Some(Duration::from_millis(millis).clamp(OFTEN, SELDOM))
}

/// A task that nobody may wait for any more when this is dropped.
struct RunningTask<'a> {
    shared: &'a Arc<Shared>,
    params: &'a Params,
    over: bool,
}

impl Drop for RunningTask<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.shared.leave("tasks/cancel", self.params);
        }
    }
}

fn result_type(result: Node<'_>) -> Option<std::borrow::Cow<'_, str>> {
    result.member("resultType").and_then(Node::as_str)
}

fn unexplained() -> RpcError {
    RpcError::new(toolpost_protocol::Code::INTERNAL_ERROR, "the task failed")
}

fn short(text: &str) -> String {
    text.chars().take(64).collect()
}

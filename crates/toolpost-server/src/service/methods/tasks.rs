//! What is asked of tasks: how they stand, what they ended with, that they end.

use std::sync::Arc;

use serde_json::{Value, json};
use toolpost_json::{Kind, Node, write};
use toolpost_protocol::model::TaskStatus;
use toolpost_protocol::{Code, Error};
use toolpost_tool::ToolError;

use super::call_task::unkept;
use crate::service::capabilities::lists_tasks;
use crate::service::context::PATIENCE;
use crate::service::result::failed;
use crate::service::seal::Binding;
use crate::service::session::{self, Asked, Session};
use crate::service::tasks::{
    DetailedTask, LegacyTask, RELATED_TASK, Tasks, Watcher, error as error_of, is_declared, undeclared,
};
use crate::service::{Era, Outbox, RequestEnvelope, Service};
use crate::tasks::{Answered, StoredTask, TaskStoreError};
use crate::{Peer, Reply, clock};

/// The most tasks of one page.
const PAGE: usize = 100;

/// `tasks/get`.
pub(super) async fn get(service: Arc<Service>, request: RequestEnvelope, peer: Peer) -> Reply {
    let asked = match Asking::of(&service, &request, &peer) {
        Ok(asked) => asked,
        Err(reply) => return reply,
    };
    match asked.tasks.find(&asked.id, &peer.principal).await {
        Ok(Some(task)) => asked.standing(&task),
        other => asked.without(other.err()),
    }
}

/// `tasks/cancel`.
pub(super) async fn cancel(service: Arc<Service>, request: RequestEnvelope, peer: Peer) -> Reply {
    let asked = match Asking::of(&service, &request, &peer) {
        Ok(asked) => asked,
        Err(reply) => return reply,
    };
    match asked.tasks.cancel(&asked.id, &peer.principal).await {
        Ok(Some(_)) if request.era == Era::Modern => asked.acknowledged(),
        Ok(Some((task, true))) => asked.standing(&task),
        Ok(Some((task, false))) => {
            let why = format!("the task has ended: it is {}", task.status());
            failed(request.era, &request.id, &Error::new(Code::INVALID_PARAMS, why))
        }
        other => asked.without(other.err()),
    }
}

/// `tasks/update`: answers to what a task asks.
pub(super) async fn update(service: Arc<Service>, request: RequestEnvelope, peer: Peer) -> Reply {
    let asked = match Asking::of(&service, &request, &peer) {
        Ok(asked) => asked,
        Err(reply) => return reply,
    };
    let params = request.params.and_then(|at| request.frame.node(at).member("inputResponses"));
    let Some(responses) = params.filter(|node| node.kind() == Kind::Object) else {
        let error = Error::new(Code::INVALID_PARAMS, "params.inputResponses is missing or not an object");
        return failed(request.era, &request.id, &error);
    };
    let given = |(key, answer): (toolpost_json::Key<'_>, Node<'_>)| {
        (key.name().into_owned(), Answered::Given(answer.raw().to_owned()))
    };
    let answers: Vec<_> = responses.members().map(given).collect();
    let found = match asked.tasks.find(&asked.id, &peer.principal).await {
        Ok(Some(_)) => asked.tasks.answer(&asked.id, &answers).await,
        other => other,
    };
    match found {
        Ok(Some(_)) => asked.acknowledged(),
        other => asked.without(other.err()),
    }
}

/// `tasks/result`: waits for the end of a task, and asks the client what the task needs until then.
pub(super) async fn result(
    service: Arc<Service>,
    request: RequestEnvelope,
    peer: Peer,
    outbox: Option<Arc<Outbox>>,
) -> Reply {
    let asked = match Asking::of(&service, &request, &peer) {
        Ok(asked) => asked,
        Err(reply) => return reply,
    };
    let undecided = asked.tasks.undecided(peer.call_key(&request.id));
    tokio::select! {
        biased;
        () = undecided.taken_back.cancelled() => Reply::accepted(),
        reply = asked.until_end(&peer, outbox) => reply,
    }
}

/// `tasks/list`.
pub(super) async fn list(service: Arc<Service>, request: RequestEnvelope, peer: Peer) -> Reply {
    let RequestEnvelope { era, id, .. } = &request;
    let tasks = service.tasks.as_ref().filter(|_| session::version(&peer).has_tasks() && lists_tasks(&peer));
    let Some(tasks) = tasks else { return request.unknown_method() };
    let binding = Binding::list(&peer.principal, request.method.name);
    let cursor = request.params.and_then(|at| request.frame.node(at).member("cursor"));
    let after = cursor.filter(|node| !node.is_null()).map(|node| {
        let sealed = node.as_str()?;
        service.sealer.open(binding, clock::unix(), &sealed)
    });
    if let Some(None) = after {
        let why = "params.cursor is not one of this list; start again without";
        return failed(*era, id, &Error::new(Code::INVALID_PARAMS, why));
    }
    let (after, most) = (after.flatten(), service.page_size.min(PAGE));
    let mut page = match tasks.page(&peer.principal, after.as_deref(), most + 1).await {
        Ok(page) => page,
        Err(error) => return unkept(*era, id, &error),
    };
    let has_more = most < page.len();
    page.truncate(most);
    let next = page.last().filter(|_| has_more);
    let next = next.and_then(|last| service.sealer.seal(binding, u64::MAX, last.id()));
    let now = clock::unix_ms();
    Reply::result(id, |out| {
        out.extend_from_slice(br#"{"tasks":["#);
        for (n, task) in page.iter().filter(|task| now < task.expires_at()).enumerate() {
            out.extend_from_slice(if n == 0 { b"{" } else { b",{" });
            LegacyTask { task, limits: tasks.limits() }.write(out);
            out.push(b'}');
        }
        out.push(b']');
        if let Some(next) = next {
            out.extend_from_slice(br#","nextCursor":"#);
            write::string(out, &next);
        }
        out.push(b'}');
    })
}

/// What is asked of one task.
struct Asking<'a> {
    service: &'a Service,
    tasks: &'a Arc<Tasks>,
    request: &'a RequestEnvelope,
    id: String,
}

impl<'a> Asking<'a> {
    fn of(service: &'a Service, request: &'a RequestEnvelope, peer: &Peer) -> Result<Self, Reply> {
        let knows = request.era == Era::Modern || session::version(peer).has_tasks();
        let Some(tasks) = service.tasks.as_ref().filter(|_| knows) else {
            return Err(request.unknown_method());
        };
        let refused = |error: &Error| failed(request.era, &request.id, error);
        if request.era == Era::Modern && !is_declared(&request.meta, &request.frame) {
            return Err(refused(&undeclared("this is asked of tasks")));
        }
        let id = request.params.and_then(|at| request.frame.node(at).member("taskId")?.as_str());
        let id = id.ok_or_else(|| {
            refused(&Error::new(Code::INVALID_PARAMS, "params.taskId is missing or not a string"))
        })?;
        Ok(Self { service, tasks, request, id: id.into_owned() })
    }

    /// Answers with how the task stands.
    fn standing(&self, task: &StoredTask) -> Reply {
        let RequestEnvelope { era, id, .. } = self.request;
        let limits = self.tasks.limits();
        match era {
            Era::Modern => self.service.complete(*era, id, |out| DetailedTask { task, limits }.write(out)),
            Era::Legacy => self.service.complete(*era, id, |out| LegacyTask { task, limits }.write(out)),
        }
    }

    /// Answers that it is done, and nothing else.
    fn acknowledged(&self) -> Reply {
        Reply::result(&self.request.id, |out| {
            out.extend_from_slice(br#"{"resultType":"complete","#);
            self.service.close(out, |_| false);
        })
    }

    /// Answers that there is no such task, or why nobody knows. Somebody else's is none, word by word.
    fn without(&self, error: Option<TaskStoreError>) -> Reply {
        let RequestEnvelope { era, id, .. } = self.request;
        match error {
            Some(error) => unkept(*era, id, &error),
            None => {
                failed(*era, id, &Error::new(Code::INVALID_PARAMS, "there is no such task, or no longer"))
            }
        }
    }

    async fn until_end(&self, peer: &Peer, outbox: Option<Arc<Outbox>>) -> Reply {
        loop {
            let mut watcher = self.tasks.watch(&self.id);
            let task = match self.tasks.find(&self.id, &peer.principal).await {
                Ok(Some(task)) => task,
                other => return self.without(other.err()),
            };
            let session = peer.session.as_ref();
            let stream = || outbox.clone().or_else(|| session?.streams.newest());
            match (task.status(), session) {
                _ if task.is_ended() => return self.ended(&task),
                (TaskStatus::InputRequired, Some(session)) if task.outstanding().next().is_some() => {
                    // Who cannot be asked here may be asked elsewhere, or come with a stream later.
                    let Some(stream) = stream() else {
                        watcher.changed().await;
                        continue;
                    };
                    let answered = tokio::select! {
                        answered = self.ask(session, &stream, &task) => answered,
                        () = self.moved_on(&mut watcher, peer, &task) => continue,
                    };
                    if let Err(error) = answered {
                        let error = Error::new(Code::INTERNAL_ERROR, error.to_string());
                        return failed(Era::Legacy, &self.request.id, &error);
                    }
                }
                _ => watcher.changed().await,
            }
        }
    }

    /// Resolves when the task asks something else than it did, or nothing.
    async fn moved_on(&self, watcher: &mut Watcher, peer: &Peer, before: &StoredTask) {
        loop {
            watcher.changed().await;
            let Ok(now) = self.tasks.find(&self.id, &peer.principal).await else { continue };
            let asks = |task: &StoredTask| task.outstanding().map(|one| one.key.clone()).collect::<Vec<_>>();
            if now.is_none_or(|now| asks(&now) != asks(before)) {
                return;
            }
        }
    }

    /// Asks the session what the task asks, and stores the answers.
    async fn ask(&self, session: &Session, stream: &Arc<Outbox>, task: &StoredTask) -> Result<(), ToolError> {
        let mut asked = Vec::new();
        for question in task.outstanding() {
            let params = related(question.params.as_deref(), task.id());
            let one = session.ask(stream, &self.request.id, &question.method, Some(&params))?;
            asked.push((question.key.clone(), one));
        }
        let answers = async {
            let mut answers = Vec::new();
            for (key, asked) in asked {
                answers.push((
                    key,
                    match Asked::answer(asked).await {
                        Ok(answer) => Answered::Given(answer),
                        Err(error) => Answered::Refused(error.to_string()),
                    },
                ));
            }
            answers
        };
        let answers = tokio::select! {
            answers = answers => answers,
            () = session.closed.cancelled() => {
                return Err(ToolError::new("the client was asked, and ended its session"));
            }
            () = clock::sleep(PATIENCE) => {
                return Err(ToolError::new("the client was asked, and did not answer in time"));
            }
        };
        let kept = self.tasks.answer(task.id(), &answers).await;
        kept.map(drop).map_err(|error| ToolError::new(error.to_string()))
    }

    /// The answer with what a task ended with.
    fn ended(&self, task: &StoredTask) -> Reply {
        let id = &self.request.id;
        match task.status() {
            TaskStatus::Completed => {
                let limits = self.tasks.limits();
                Reply::result(id, |out| LegacyTask { task, limits }.result(out))
            }
            TaskStatus::Failed => {
                let error = serde_json::from_str(error_of(task));
                let unknown = |_| Error::new(Code::INTERNAL_ERROR, "the task failed");
                failed(Era::Legacy, id, &error.unwrap_or_else(unknown))
            }
            _ => failed(Era::Legacy, id, &Error::new(Code::INVALID_PARAMS, "the task was cancelled")),
        }
    }
}

/// The params of a question, with the task that it belongs to.
fn related(params: Option<&str>, id: &str) -> String {
    let params = params.and_then(|params| serde_json::from_str(params).ok());
    let mut params = params.filter(Value::is_object).unwrap_or_else(|| json!({}));
    // A tool may have put anything there.
    if !params["_meta"].is_object() {
        params["_meta"] = json!({});
    }
    params["_meta"][RELATED_TASK] = json!({ "taskId": id });
    params.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_says_which_task_it_belongs_to_whatever_its_tool_put_there() {
        for (params, kept) in [
            (None, json!({ "_meta": {} })),
            (Some(r#"{"a":1}"#), json!({ "a": 1, "_meta": {} })),
            (Some(r#"{"_meta":{"b":2}}"#), json!({ "_meta": { "b": 2 } })),
            (Some(r#"{"_meta":"c"}"#), json!({ "_meta": {} })),
            (Some("[]"), json!({ "_meta": {} })),
        ] {
            let mut expected = kept;
            expected["_meta"][RELATED_TASK] = json!({ "taskId": "t" });
            assert_eq!(serde_json::from_str::<Value>(&related(params, "t")).unwrap(), expected, "{params:?}");
        }
    }
}

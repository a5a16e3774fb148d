//! `tools/call` of a tool whose calls may outlive their requests.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use toolpost_dispatch::{Answer, CallRequest};
use toolpost_json::{Frame, Kind};
use toolpost_protocol::model::TaskSupport;
use toolpost_protocol::{Code, Error, Id, Version};
use toolpost_tool::{BoxFuture, Output, Sink, ToolError};

use super::call_tool;
use crate::service::context::{RequestContext, Subject, not_done};
use crate::service::result::failed;
use crate::service::rounds::RetryContext;
use crate::service::session;
use crate::service::tasks::{
    DetailedTask, LegacyTask, Run, TaskSink, Tasks, is_declared, millis, undeclared,
};
use crate::service::{Era, RequestEnvelope, Service};
use crate::tasks::TaskStoreError;
use crate::{Disposition, Peer, Reply, clock};

/// How a call is to be made.
pub(super) enum As {
    /// In its request.
    Request,
    /// As a task, if it does not end at once; the client asks to have it kept for so long.
    Task { support: TaskSupport, ttl: Option<Duration> },
    /// Not at all.
    Refused(Reply),
}

/// How a request that stands alone is to be made: there the server decides.
pub(super) fn modern(context: &RequestContext, frame: &Frame, subject: &Subject) -> As {
    match support(&context.service, context.peer(), subject) {
        Some(support) if is_declared(context.meta(), frame) => As::Task { support, ttl: None },
        Some(TaskSupport::Required) => {
            As::Refused(failed(Era::Modern, &context.id, &undeclared("the tool runs as a task alone")))
        }
        _ => As::Request,
    }
}

/// How a request within a session is to be made: there the client asks.
pub(super) fn legacy(
    service: &Service,
    request: &RequestEnvelope,
    peer: &Peer,
    subject: &Subject,
    version: Version,
) -> As {
    let asked = request.params.and_then(|at| request.frame.node(at).member("task"));
    let asked = asked.filter(|node| node.kind() == Kind::Object && version.has_tasks());
    let refused =
        |why: String| As::Refused(failed(Era::Legacy, &request.id, &Error::new(Code::METHOD_NOT_FOUND, why)));
    let named = &subject.name;
    match (support(service, peer, subject), asked) {
        (None, None) | (Some(TaskSupport::Optional), None) => As::Request,
        (None, Some(_)) if !exists(service, peer, subject) => As::Request,
        (None, Some(_)) => refused(format!("tool `{named}` does not run as a task; call it without `task`")),
        (Some(_), None) => refused(format!("tool `{named}` runs as a task alone; ask for one by `task`")),
        (Some(support), Some(task)) => {
            let ttl = task.member("ttl").and_then(|ttl| ttl.as_number()?.as_u64());
            As::Task { support, ttl: ttl.map(Duration::from_millis) }
        }
    }
}

/// Makes a call that may become a task.
pub(super) async fn call(
    tasks: Arc<Tasks>,
    context: RequestContext,
    frame: Frame,
    subject: Subject,
    support: TaskSupport,
    ttl: Option<Duration>,
) -> Reply {
    let (service, era) = (Arc::clone(&context.service), context.era());
    let undecided = tasks.undecided(context.call_key());
    let mut again = RetryContext::default();
    let mut parts = match context.begin(frame, &subject, &mut again) {
        Ok(parts) => parts,
        Err(reply) => return reply,
    };
    let sink = TaskSink::new(again.sink.take());
    parts.set_sink(Some(Arc::clone(&sink) as Arc<dyn Sink>));
    let mut call = Box::pin(service.dispatcher.call(CallRequest::from_parts(parts)));
    // Who asked for a task has nothing to wait for but a refusal.
    let wait = if era == Era::Legacy { Duration::ZERO } else { tasks.limits().handover };
    let early = tokio::select! {
        biased;
        () = undecided.taken_back.cancelled() => return Reply::accepted(),
        result = &mut call => Some(result),
        () = async { if !wait.is_zero() { clock::sleep(wait).await } } => None,
    };
    let call = match early {
        None => call as BoxFuture<'static, Result<Output, ToolError>>,
        Some(result) => match settle(&context, &subject, &mut again, result, &support).await {
            Ok(reply) => return finished(&sink, reply),
            Err(result) => Box::pin(ready(*result)),
        },
    };
    let run = Run { context, subject, again, call, sink };
    let id = run.context.id.clone();
    match tasks.start(run, ttl).await {
        Ok(task) => match era {
            Era::Modern => Reply::result(&id, |out| {
                out.extend_from_slice(br#"{"resultType":"task","#);
                DetailedTask { task: &task, limits: tasks.limits() }.head(out);
                out.push(b',');
                service.close(out, |_| false);
            }),
            Era::Legacy => Reply::result(&id, |out| {
                out.extend_from_slice(br#"{"task":{"#);
                LegacyTask { task: &task, limits: tasks.limits() }.write(out);
                out.extend_from_slice(b"}}");
            }),
        },
        // It was asked for a result, so it is waited for.
        Err((run, _)) if era == Era::Modern && support == TaskSupport::Optional => {
            let Run { context, call, sink, subject, mut again, .. } = *run;
            let result = tokio::select! {
                biased;
                () = undecided.taken_back.cancelled() => return Reply::accepted(),
                result = call => result,
            };
            match settle(&context, &subject, &mut again, result, &TaskSupport::Optional).await {
                Ok(reply) => finished(&sink, reply),
                Err(_) => Reply::accepted(),
            }
        }
        Err((_, error)) => unkept(era, &id, &error),
    }
}

/// The answer to a call that ended before it became a task; its result again if a task is to have it.
async fn settle(
    context: &RequestContext,
    subject: &Subject,
    again: &mut RetryContext,
    result: Result<Output, ToolError>,
    support: &TaskSupport,
) -> Result<Reply, Box<Result<Output, ToolError>>> {
    let (service, era) = (Arc::clone(&context.service), context.era());
    let result = match result {
        Err(error) if error.as_input_required().is_some() => {
            if era == Era::Legacy {
                // Asked by the task.
                return Err(Box::new(Err(error)));
            }
            let start =
                |parts, key| service.dispatcher.call(CallRequest::from_parts(parts).cancelled_by(key));
            match context.suspended(subject, again, error, start).await {
                Ok(result) => result,
                Err(reply) => return Ok(reply),
            }
        }
        result => result,
    };
    if let Err(error) = &result
        && error.required_scopes().is_some()
        && context.peer().headers.is_some()
    {
        return Ok(not_done(era, &context.id, error));
    }
    let is_refused = matches!(&result, Err(error) if error.as_protocol().is_some());
    if is_refused || era == Era::Modern && *support == TaskSupport::Optional {
        return Ok(match era {
            Era::Modern => call_tool::answered(&service, &context.id, Answer::of(result)),
            Era::Legacy => call_tool::answered_in(
                &service,
                &context.id,
                Answer::of(result),
                session::version(context.peer()),
            ),
        });
    }
    Err(Box::new(result))
}

fn finished(sink: &TaskSink, reply: Reply) -> Reply {
    sink.leave_request();
    reply
}

/// What the tool says of tasks, if it lets its calls become any and the caller may call it.
fn support(service: &Service, peer: &Peer, subject: &Subject) -> Option<TaskSupport> {
    // Without a runtime nothing outlives anything.
    tokio::runtime::Handle::try_current().ok()?;
    let catalog = service.dispatcher.catalog();
    let spec = catalog.find(&subject.name)?.spec();
    let support = spec.task_support();
    let takes = matches!(support, TaskSupport::Optional | TaskSupport::Required);
    (takes && service.dispatcher.may(&peer.principal, spec)).then(|| support.clone())
}

fn exists(service: &Service, peer: &Peer, subject: &Subject) -> bool {
    let catalog = service.dispatcher.catalog();
    catalog.find(&subject.name).is_some_and(|entry| service.dispatcher.may(&peer.principal, entry.spec()))
}

/// The answer to what the store has no room for, or cannot do now. What it says itself is for the operator.
pub(in crate::service) fn unkept(era: Era, id: &Id, error: &TaskStoreError) -> Reply {
    let disposition = if era == Era::Legacy { Disposition::Answered } else { Disposition::Busy };
    let mut unkept = Error::new(Code::INTERNAL_ERROR, error.to_string());
    if let TaskStoreError::Full { retry_after } = error {
        let data = json!({ "reason": "too_many_tasks", "retryAfterMs": millis(*retry_after).max(1) });
        unkept = unkept.with_data(&data);
    }
    Reply::error(disposition, id, &unkept)
}

//! The one server that runs a task: from its creation to its end.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::future::ready;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytestring::ByteString;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use toolpost_dispatch::{Answer, CallRequest};
use toolpost_json::Frame;
use toolpost_protocol::model::TaskStatus;
use toolpost_protocol::{Code, Era, Error, Version};
use toolpost_tool::{BoxFuture, InputRequired, Output, Sink, ToolError};

use super::{Running, TaskSink, Tasks, millis};
use crate::clock;
use crate::service::context::{ROUNDS, RequestContext, Subject};
use crate::service::methods::call_tool;
use crate::service::rounds::{self, RetryContext};
use crate::service::session::Session;
use crate::tasks::{Answered, Question, Stored, StoredTask, TaskStoreError};

/// No task is kept for less.
const SHORTEST_TTL: Duration = Duration::from_secs(1);

/// A call that becomes a task.
pub(in crate::service) struct Run {
    pub(in crate::service) context: RequestContext,
    pub(in crate::service) subject: Subject,
    pub(in crate::service) again: RetryContext,
    pub(in crate::service) call: BoxFuture<'static, Result<Output, ToolError>>,
    pub(in crate::service) sink: Arc<TaskSink>,
}

/// What becomes of a task that needed input.
enum Next {
    /// It runs again.
    Run,
    /// It ends with this.
    End(ToolError),
    /// Its server ends.
    Stopped,
    /// It ended elsewhere.
    Over,
}

impl Tasks {
    /// Creates a task of `run`, and runs it from then on, whatever becomes of the request; or gives the run back.
    pub(in crate::service) async fn start(
        self: &Arc<Self>,
        mut run: Run,
        ttl: Option<Duration>,
    ) -> Result<StoredTask, (Box<Run>, TaskStoreError)> {
        let now = clock::unix_ms();
        let ttl = ttl.unwrap_or(self.limits.ttl).min(self.limits.longest_ttl).max(SHORTEST_TTL);
        let id = match Self::draw(now) {
            Ok(id) => id,
            Err(error) => return Err((Box::new(run), error)),
        };
        let mut task = StoredTask::new(id, &run.context.peer().principal, now, ttl);
        task.0.lease_until = now.saturating_add(millis(self.limits.lease));
        task.0.origin = run.context.peer().address;
        // The call goes on while it is stored, however long that takes.
        let mut create = pin!(self.create(task.clone()));
        let (created, ended) = tokio::select! {
            biased;
            created = &mut create => (Some(created), None),
            result = &mut run.call => (None, Some(result)),
        };
        if let Some(result) = ended {
            run.call = Box::pin(ready(result));
        }
        let created = match created {
            Some(created) => created,
            None => create.await,
        };
        if let Err(error) = created {
            return Err((Box::new(run), error));
        }
        let session = run.context.leave_request();
        run.sink.leave_request();
        let (id, cancelled) = (task.id().to_owned(), CancellationToken::new());
        let registered = self.register(id, cancelled.clone(), session);
        let tasks = Arc::clone(self);
        self.tracker.spawn(async move { tasks.own(&registered.id, run, cancelled).await });
        Ok(task)
    }

    /// Stores a new task, whether or not the one who asks for it waits: who does not is told of none, so that it is cancelled.
    async fn create(self: &Arc<Self>, task: StoredTask) -> Result<(), TaskStoreError> {
        let (tell, told) = oneshot::channel();
        let tasks = Arc::clone(self);
        self.tracker.spawn(async move {
            let created = tasks.ask(|store| store.create(&task)).await;
            let is_created = created.is_ok();
            if tell.send(created).is_err() && is_created {
                let why = "its client left before it was told of the task";
                tasks.finish(task.id(), |task, now| task.end(TaskStatus::Cancelled, why, now)).await;
            }
            tasks.expire(task.0.created_at).await;
        });
        told.await.unwrap_or_else(|_| Err(TaskStoreError::failed("the server ended")))
    }

    fn register(
        self: &Arc<Self>,
        id: String,
        cancelled: CancellationToken,
        session: Weak<Session>,
    ) -> Registered {
        let running = Running { changed: watch::Sender::new(()), cancelled, session };
        self.running().insert(id.clone(), running);
        Registered { tasks: Arc::clone(self), id }
    }

    /// Runs a task until it ends, here or elsewhere.
    async fn own(&self, id: &str, mut run: Run, cancelled: CancellationToken) {
        let (mut keys, mut rounds) = (BTreeSet::new(), 0);
        loop {
            let result = tokio::select! {
                biased;
                () = cancelled.cancelled() => return,
                () = self.stop.cancelled() => return self.stopped(id).await,
                result = &mut run.call => result,
                _ended = self.beat(id, &run.sink, |_| false) => return,
            };
            let error = match result {
                Err(error) if error.as_input_required().is_some() => error,
                result => return self.end(id, &run.context, result).await,
            };
            let Some(suspended) = error.as_input_required() else { return };
            rounds += 1;
            let next = match ROUNDS < rounds {
                true => Next::End(ToolError::new("too many rounds of questions were asked")),
                false => self.suspended(id, &mut run, suspended, &mut keys, &cancelled).await,
            };
            match next {
                Next::Run => {}
                Next::End(error) => return self.end(id, &run.context, Err(error)).await,
                Next::Stopped => return self.stopped(id).await,
                Next::Over => return,
            }
        }
    }

    /// Asks the client for what a run needs, and makes it run again when the answers have come.
    async fn suspended(
        &self,
        id: &str,
        run: &mut Run,
        suspended: &InputRequired,
        keys: &mut BTreeSet<String>,
        cancelled: &CancellationToken,
    ) -> Next {
        let lacks = |answers: &Frame| suspended.lacks(answers.root(), true);
        match run.again.answers.as_deref().and_then(lacks) {
            None => run.again.fruitless = 0,
            Some(lacking) => {
                run.again.fruitless = run.again.fruitless.saturating_add(1);
                if InputRequired::FRUITLESS_ROUNDS <= run.again.fruitless {
                    return Next::End(ToolError::new(lacking));
                }
            }
        }
        if let Err(error) = rounds::check_asked(suspended, &run.again.client) {
            return Next::End(ToolError::protocol(error));
        }
        if !suspended.requests().is_empty() {
            match self.answers(id, run, questions(suspended, keys), cancelled).await {
                Ok(answers) => run.again.answers = Some(Arc::new(answers)),
                Err(next) => return next,
            }
        }
        let (context, service) = (&run.context, &run.context.service);
        let frame = match Frame::from_text(run.again.text.clone(), &service.limits) {
            Ok(frame) => frame,
            Err(error) => return Next::End(error.into()),
        };
        let mut parts = context.parts(frame, &run.subject, &run.again);
        parts.set_state(suspended.state().map(ByteString::from));
        parts.set_sink(Some(Arc::clone(&run.sink) as Arc<dyn Sink>));
        run.call = Box::pin(service.dispatcher.call(CallRequest::from_parts(parts)));
        Next::Run
    }

    /// Asks `questions`, and waits for all answers; with those of earlier rounds.
    async fn answers(
        &self,
        id: &str,
        run: &mut Run,
        questions: Vec<Question>,
        cancelled: &CancellationToken,
    ) -> Result<Frame, Next> {
        let asked = self.change(id, |task, now| {
            task.ask(questions.clone(), now);
            true
        });
        match asked.await {
            Ok(Some(task)) if !task.is_ended() => self.tell(Some(&task)),
            Ok(_) => return Err(Next::Over),
            Err(error) => {
                return Err(Next::End(ToolError::new("the client cannot be asked now").with_source(error)));
            }
        }
        let is_answered = |task: &StoredTask| task.outstanding().next().is_none();
        let answered = tokio::select! {
            biased;
            () = cancelled.cancelled() => return Err(Next::Over),
            () = self.stop.cancelled() => return Err(Next::Stopped),
            answered = self.beat(id, &run.sink, is_answered) => answered.ok_or(Next::Over)?,
        };
        let mut answers = Vec::new();
        for question in &answered.0.questions {
            match &question.answer {
                Some(Answered::Given(answer)) => {
                    answers.push((question.name.as_str().into(), answer.as_str()))
                }
                Some(Answered::Refused(why)) => {
                    let why = format!("the client was asked for input, and refused: {why}");
                    return Err(Next::End(ToolError::new(why)));
                }
                None => {}
            }
        }
        let earlier = run.again.answers.as_deref().map(Frame::root);
        let merged = rounds::merge(earlier, answers.into_iter());
        let answers = Frame::from_text(merged, &run.context.service.limits);
        let resumed = self.change(id, |task, now| {
            task.resume(now);
            true
        });
        // What the store does not take now is seen again, if anything of it matters, with the next beat.
        if let Ok(resumed) = resumed.await {
            self.tell(resumed.as_ref());
        }
        answers.map_err(|error| Next::End(error.into()))
    }

    /// Says now and then that the task's owner lives, and stores what the run says of itself. Resolves with the task once
    /// `until` holds of it, and with nothing once it has ended or expired.
    async fn beat(
        &self,
        id: &str,
        sink: &TaskSink,
        until: impl Fn(&StoredTask) -> bool,
    ) -> Option<StoredTask> {
        let (mut watcher, lease) = (self.watch(id), millis(self.limits.lease));
        let mut may_say = clock::now();
        loop {
            watcher.changed().await;
            // What is said changes the task and so wakes this too: once in a look, however much the tool says.
            let is_due = may_say <= clock::now();
            let (message, mut is_said) = (if is_due { sink.take() } else { None }, false);
            let known = self.change(id, |task, now| {
                is_said = message.as_deref().is_some_and(|message| task.say(message, now));
                let lapses = task.lease_until.saturating_sub(now) < lease / 3 * 2;
                if lapses {
                    task.lease_until = now.saturating_add(lease);
                }
                is_said || lapses
            });
            match known.await {
                Ok(Some(task)) if !task.is_ended() && clock::unix_ms() < task.expires_at() => {
                    if is_said {
                        may_say = clock::now() + self.limits.look;
                        self.tell(Some(&task));
                    }
                    if until(&task) {
                        return Some(task);
                    }
                }
                Ok(_) => return None,
                // The run goes on while the store is away; if that is for too long, others have taken it for dead, and
                // the store says so.
                Err(_) => {}
            }
        }
    }

    /// Stores the end of a run.
    async fn end(&self, id: &str, context: &RequestContext, result: Result<Output, ToolError>) {
        let answer = match Answer::of(result) {
            // A code of the other era.
            Answer::Error(error)
                if context.era() == Era::Legacy && error.code() == Code::MISSING_CLIENT_CAPABILITY =>
            {
                Answer::Result(Output::text(error.message().to_owned()).into_error())
            }
            answer => answer,
        };
        match answer {
            Answer::Result(output) => self.completed(id, context, &output).await,
            Answer::Error(error) => self.finish(id, |task, now| fail_with(task, &error, now)).await,
            _ => {
                let why = "the call was taken back";
                self.finish(id, |task, now| task.end(TaskStatus::Cancelled, why, now)).await;
            }
        }
    }

    async fn completed(&self, id: &str, context: &RequestContext, output: &Output) {
        let written = |version| {
            let bytes = context.service.within_limit(output, |output| {
                let mut out = Vec::with_capacity(output.weight() + 64);
                call_tool::write_result(&mut out, output, version);
                out
            });
            String::from_utf8(bytes).unwrap_or_default()
        };
        let result = written(Version::LATEST);
        let legacy = Some(written(Version::LATEST_WITH_SESSIONS)).filter(|legacy| *legacy != result);
        self.finish(id, |task, now| {
            task.end(TaskStatus::Completed, if output.is_error() { "the tool failed" } else { "" }, now);
            (task.result, task.legacy_result) = (Some(result.clone()), legacy.clone());
            task.is_error = output.is_error();
        })
        .await;
    }

    async fn stopped(&self, id: &str) {
        let why = "the server stopped before the task ended; nothing is known of its effects";
        self.finish(id, |task, now| fail(task, why, now)).await;
    }

    /// Stores an end, and tells of it. A store that fails is asked again for as long as nobody takes the task for failed.
    async fn finish(&self, id: &str, end: impl Fn(&mut Stored, u64)) {
        let give_up = clock::now() + self.limits.lease;
        let mut is_full = false;
        loop {
            let ended = self.change(id, |task, now| {
                match is_full {
                    true => fail(task, "there is no room to keep what the task ended with", now),
                    false => end(task, now),
                }
                true
            });
            match ended.await {
                Ok(task) => return self.tell(task.as_ref()),
                Err(TaskStoreError::Full { .. }) if !is_full => is_full = true,
                Err(_) if give_up <= clock::now() => return,
                Err(_) => clock::sleep(self.limits.look).await,
            }
        }
    }
}

/// Ends `task` as failed for a reason that is no error of its call.
pub(super) fn fail(task: &mut Stored, why: &str, now: u64) {
    fail_with(task, &Error::new(Code::INTERNAL_ERROR, why.to_owned()), now);
}

fn fail_with(task: &mut Stored, error: &Error, now: u64) {
    task.end(TaskStatus::Failed, error.message(), now);
    task.error = serde_json::to_string(error).ok();
}

/// What is asked, each under a key that the task has not used yet.
fn questions(suspended: &InputRequired, keys: &mut BTreeSet<String>) -> Vec<Question> {
    let mut free = |name: &str| {
        let numbered = |n: &dyn Display| format!("{name}.{n}");
        let key = std::iter::once(name.to_owned()).chain((2_u32..).map(|n| numbered(&n)));
        let key = key.into_iter().find(|key| !keys.contains(key)).unwrap_or_default();
        keys.insert(key.clone());
        key
    };
    let questions = suspended.requests().iter().map(|(name, request)| Question {
        key: free(name),
        name: name.clone(),
        method: request.method().to_owned(),
        params: request.params().map(str::to_owned),
        answer: None,
    });
    questions.collect()
}

/// A task among those that run here, until this is dropped.
struct Registered {
    tasks: Arc<Tasks>,
    id: String,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.tasks.running().remove(&self.id);
    }
}

//! A request that runs code of the server's author (a tool, a prompt, a resource), round by round.
//!
//! Modern: a run that needs input ends the request, and the client makes it again with the answers.
//! Legacy: the server asks within the request, and runs the code again when the answer has come.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytestring::ByteString;
use toolpost_dispatch::CallKey;
use toolpost_json::{Frame, Kind, NodeId};
use toolpost_protocol::{Code, Error, Id, MetaIndex};
use toolpost_tool::{
    CallParts, ErrorKind, InputCapabilities, InputRequired, LogLevel, Refusal, Sink, ToolError, TraceContext,
};

use super::heartbeat;
use super::outbox::CallSink;
use super::result::failed;
use super::rounds::{self, Carried, RetryContext};
use super::seal::Binding;
use super::session::{Asked, Session};
use super::{Era, Method, Outbox, RequestEnvelope, Service};
use crate::{Disposition, Peer, Reply, clock};

/// In a session, a request is run again this often at most.
pub(super) const ROUNDS: usize = 32;
/// In a session, this is how long a client may take over one round of questions.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);

/// What a request names, and what it brings along.
#[derive(Debug, Default)]
pub(crate) struct Subject {
    pub(crate) name: ByteString,
    pub(crate) arguments: Option<NodeId>,
    carried: Carried,
}

impl Subject {
    /// Reads the params of a request whose method has a subject.
    pub(crate) fn read(request: &RequestEnvelope) -> Result<Self, Error> {
        let RequestEnvelope { frame, params, method, .. } = request;
        let member = method.subject.unwrap_or_default();
        let unnamed =
            || Error::new(Code::INVALID_PARAMS, format!("params.{member} is missing or not a string"));
        let params = params.map(|at| frame.node(at)).ok_or_else(unnamed)?;
        let (mut subject, mut name) = (Self::default(), None);
        for (key, value) in params.members() {
            match &*key.name() {
                // Null for "none", as some serializers write it.
                "arguments" | "inputResponses" | "requestState" if value.is_null() => {}
                "arguments" if value.kind() == Kind::Object => subject.arguments = Some(value.id()),
                "arguments" => {
                    return Err(Error::new(Code::INVALID_PARAMS, "params.arguments must be an object"));
                }
                "inputResponses" => subject.carried.responses = Some(value.id()),
                "requestState" => subject.carried.state = Some(value.id()),
                key if key == member => name = value.to_byte_string(),
                _ => {}
            }
        }
        subject.name = name.ok_or_else(unnamed)?;
        Ok(subject)
    }
}

/// A request being answered.
pub(crate) struct RequestContext {
    pub(crate) service: Arc<Service>,
    peer: Peer,
    outbox: Option<Arc<Outbox>>,
    era: Era,
    method: &'static Method,
    pub(crate) id: Id,
    meta: MetaIndex,
}

impl RequestContext {
    /// The context of `request`, and the frame that is to be [run](Self::run).
    pub(crate) fn new(
        service: Arc<Service>,
        request: RequestEnvelope,
        peer: Peer,
        outbox: Option<Arc<Outbox>>,
    ) -> (Self, Frame) {
        let RequestEnvelope { frame, id, method, meta, era, .. } = request;
        (Self { service, peer, outbox, era, method, id, meta }, frame)
    }

    pub(super) const fn era(&self) -> Era {
        self.era
    }

    pub(super) const fn peer(&self) -> &Peer {
        &self.peer
    }

    pub(super) const fn meta(&self) -> &MetaIndex {
        &self.meta
    }

    /// Keeps nothing of the connection that the request came on; its session, while there is one.
    pub(super) fn leave_request(&mut self) -> Weak<Session> {
        self.outbox = None;
        self.peer.headers = None;
        let session = self.peer.session.take().filter(|_| self.era == Era::Legacy);
        session.map_or_else(Weak::new, |session| Arc::downgrade(&session))
    }

    /// Runs what the request names until it ends; a reply instead if it needs input first, or if it
    /// was not to be run.
    pub(crate) async fn run<T, F>(
        &self,
        frame: Frame,
        subject: Subject,
        start: impl Fn(CallParts, Option<CallKey>) -> F,
    ) -> Result<Result<T, ToolError>, Reply>
    where
        F: Future<Output = Result<T, ToolError>>,
    {
        let mut again = RetryContext::default();
        let parts = self.begin(frame, &subject, &mut again)?;
        let beats = again.sink.clone().zip(self.service.heartbeat).filter(|(sink, _)| sink.wants_progress());
        // Started where it is awaited: what is named first is held twice. And most ask for no progress.
        let result = match &beats {
            None => start(parts, self.call_key()).await,
            Some(_) => heartbeat::beating(beats.as_ref(), Box::pin(start(parts, self.call_key()))).await,
        };
        let result = match result {
            Err(error) if error.as_input_required().is_some() => {
                let answered = Box::pin(self.suspended(&subject, &mut again, error, start));
                Box::pin(heartbeat::beating(beats.as_ref(), answered)).await
            }
            result => Ok(result),
        };
        if let Some(sink) = &again.sink {
            sink.finish();
        }
        match result {
            // A client that reads this of the status can ask for more.
            Ok(Err(error)) if self.peer.headers.is_some() && error.required_scopes().is_some() => {
                Err(not_done(self.era, &self.id, &error))
            }
            result => result,
        }
    }

    /// What the first run takes; what a second one would take is left in `again`.
    pub(super) fn begin(
        &self,
        frame: Frame,
        subject: &Subject,
        again: &mut RetryContext,
    ) -> Result<CallParts, Reply> {
        again.sink = self.listener(&frame).map_err(|error| failed(self.era, &self.id, &error))?;
        again.client = self.client(&frame);
        again.deadline = self.meta.deadline(&frame).map(|wait| clock::now() + wait);
        again.text = frame.text().clone();
        let mut parts = self.parts(frame, subject, again);
        if self.era == Era::Modern && !subject.carried.is_none() {
            self.resume(&mut parts, subject, again)?;
        }
        Ok(parts)
    }

    pub(super) fn call_key(&self) -> Option<CallKey> {
        self.peer.call_key(&self.id)
    }

    #[cold]
    fn resume(
        &self,
        parts: &mut CallParts,
        subject: &Subject,
        again: &mut RetryContext,
    ) -> Result<(), Reply> {
        let Some(frame) = parts.frame.take() else { return Ok(()) };
        let binding = self.binding(&frame, subject);
        let resumed = rounds::resume(&self.service, parts, &frame, subject.carried, binding, again);
        parts.frame = Some(frame);
        resumed.map_err(|error| failed(self.era, &self.id, &error))
    }

    /// What becomes of a run that needs input.
    pub(super) async fn suspended<T, F>(
        &self,
        subject: &Subject,
        again: &mut RetryContext,
        mut error: ToolError,
        start: impl Fn(CallParts, Option<CallKey>) -> F,
    ) -> Result<Result<T, ToolError>, Reply>
    where
        F: Future<Output = Result<T, ToolError>>,
    {
        for _ in 0..ROUNDS {
            let Some(suspended) = error.as_input_required() else { return Ok(Err(error)) };
            let is_answered = !again.is_unanswered;
            let lacks = |answers: &Frame| suspended.lacks(answers.root(), is_answered);
            if let Some(lacking) = again.answers.as_deref().and_then(lacks) {
                again.fruitless = again.fruitless.saturating_add(1);
                if InputRequired::FRUITLESS_ROUNDS <= again.fruitless {
                    return Ok(Err(ToolError::new(lacking)));
                }
            } else {
                again.fruitless = 0;
            }
            // The run had the frame; its text is the same, and so are the places in it.
            let Ok(frame) = Frame::from_text(again.text.clone(), &self.service.limits) else {
                return Ok(Err(error));
            };
            if self.era == Era::Modern {
                let binding = self.binding(&frame, subject);
                return Err(rounds::suspend(&self.service, &self.id, suspended, again, binding));
            }
            again.answers = Some(match self.ask(suspended, again).await {
                Ok(answers) => Arc::new(answers),
                Err(error) => return Ok(Err(error)),
            });
            let mut parts = self.parts(frame, subject, again);
            parts.set_state(suspended.state().map(ByteString::from));
            match start(parts, self.call_key()).await {
                Err(next) if next.as_input_required().is_some() => error = next,
                result => return Ok(result),
            }
        }
        Ok(Err(ToolError::new("too many rounds of questions were asked")))
    }

    /// Asks the client within its session, and waits for all the answers.
    async fn ask(&self, suspended: &InputRequired, again: &RetryContext) -> Result<Frame, ToolError> {
        if let Err(error) = rounds::check_asked(suspended, &again.client) {
            return Err(ToolError::new(error.message().to_owned()));
        }
        let session = self.peer.session.as_ref();
        // Who takes no events with the answer may listen to a stream of its session's own.
        let outbox = self.outbox.clone().or_else(|| session?.streams.newest());
        let (Some(session), Some(outbox)) = (session, &outbox) else {
            return Err(ToolError::new("the client must be asked, and accepts no stream to be asked on"));
        };
        let mut asked = Vec::new();
        for (key, request) in suspended.requests() {
            asked.push((key, session.ask(outbox, &self.id, request.method(), request.params())?));
        }
        let patience = match again.deadline {
            Some(deadline) => PATIENCE.min(deadline.saturating_duration_since(clock::now())),
            None => PATIENCE,
        };
        let answers = async {
            let mut answers = Vec::new();
            for (key, asked) in asked {
                answers.push((key, Asked::answer(asked).await?));
            }
            Ok::<_, ToolError>(answers)
        };
        let answers = tokio::select! {
            answers = answers => answers?,
            () = session.closed.cancelled() => {
                return Err(ToolError::new("the client was asked, and ended its session"));
            }
            () = clock::sleep(patience) => {
                return Err(ToolError::new("the client was asked, and did not answer in time"));
            }
        };
        let newer = answers.iter().map(|(key, answer)| (key.as_str().into(), answer.as_str()));
        let earlier = again.answers.as_deref().map(Frame::root);
        Ok(Frame::from_text(rounds::merge(earlier, newer), &self.service.limits)?)
    }

    /// Where progress and log lines go, if the client wants any.
    fn listener(&self, frame: &Frame) -> Result<Option<Arc<CallSink>>, Error> {
        let level = match self.era {
            Era::Modern => match self.meta.log_level(frame) {
                None => None,
                Some(named) => {
                    Some(named.as_str().and_then(|name| LogLevel::parse(&name)).ok_or_else(|| {
                        Error::new(Code::INVALID_PARAMS, "params._meta has an unknown log level")
                    })?)
                }
            },
            Era::Legacy => self.peer.session.as_ref().and_then(|session| session.log_level()),
        };
        let token = self.meta.progress_token(frame);
        if token.is_some_and(|token| Id::MAX_LEN < token.raw().len()) {
            let why = format!("params._meta.progressToken is longer than {} bytes", Id::MAX_LEN);
            return Err(Error::new(Code::INVALID_PARAMS, why));
        }
        let token = token.map(|token| frame.text().slice_ref(token.raw()));
        Ok(self.outbox.as_ref().and_then(|outbox| CallSink::new(Arc::clone(outbox), token, level)))
    }

    fn client(&self, frame: &Frame) -> InputCapabilities {
        let agreed = || self.peer.session.as_ref().and_then(|session| session.agreed());
        match self.era {
            Era::Modern => self.meta.client_capabilities(frame).map(InputCapabilities::read),
            Era::Legacy => agreed().map(|agreed| agreed.client),
        }
        .unwrap_or_default()
    }

    pub(super) fn parts(&self, frame: Frame, subject: &Subject, again: &RetryContext) -> CallParts {
        let mut parts = CallParts::default();
        parts.tool = subject.name.clone();
        if self.method.is_tool_call() {
            parts.arguments = subject.arguments;
        }
        parts.meta = self.meta.node();
        parts.request_id = Some(self.id.clone());
        parts.principal = self.peer.principal.clone();
        parts.set_origin(self.peer.address);
        parts.set_trace(TraceContext::read(&self.meta, &frame));
        parts.client = again.client;
        parts.deadline = again.deadline;
        parts.set_answers(again.answers.clone());
        parts.priority = self.service.priority(&self.meta, &frame, &self.peer);
        parts.set_sink(again.sink.clone().map(|sink| sink as Arc<dyn Sink>));
        parts.frame = Some(frame);
        parts
    }

    fn binding(&self, frame: &Frame, subject: &Subject) -> Binding {
        let arguments = subject.arguments.map(|at| frame.node(at));
        Binding::request(&self.peer.principal, self.method.name, &subject.name, arguments)
    }
}

/// The answer to a request other than `tools/call` that failed: a JSON-RPC error.
pub(crate) fn not_done(era: Era, id: &Id, error: &ToolError) -> Reply {
    if let Some(error) = error.as_protocol() {
        return match (era, error.code()) {
            // A code of the other era.
            (Era::Legacy, Code::MISSING_CLIENT_CAPABILITY) => {
                failed(era, id, &Error::new(Code::INVALID_REQUEST, error.message().to_owned()))
            }
            _ => failed(era, id, error),
        };
    }
    let text = error.to_string();
    match error.kind() {
        ErrorKind::Cancelled => Reply::accepted(),
        ErrorKind::InvalidArguments => failed(era, id, &Error::new(Code::INVALID_PARAMS, text)),
        ErrorKind::Refused(refusal) => {
            let data = serde_json::json!({
                "reason": refusal.as_str(),
                "retryAfterMs": error.retry_after().map(|wait| wait.as_millis().max(1) as u64),
            });
            let scopes = error.required_scopes();
            let disposition = match refusal {
                Refusal::Denied if scopes.is_some() => Disposition::Denied,
                _ if era == Era::Legacy => Disposition::Answered,
                Refusal::Denied => Disposition::Denied,
                Refusal::RateLimited => Disposition::TooMany,
                _ => Disposition::Busy,
            };
            let error = Error::new(Code::INTERNAL_ERROR, text).with_data(&data);
            Reply { scopes: scopes.map(Box::from), ..Reply::error(disposition, id, &error) }
        }
        _ => failed(era, id, &Error::new(Code::INTERNAL_ERROR, text)),
    }
}

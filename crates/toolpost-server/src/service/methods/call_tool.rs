//! `tools/call`, as either era is answered.

use std::sync::Arc;

use toolpost_dispatch::{Answer, CallRequest};
use toolpost_protocol::{Code, Id, Version, reply};
use toolpost_tool::Output;

use super::call_task::{self, As};
use crate::service::context::{RequestContext, Subject};
use crate::service::result::failed;
use crate::service::session;
use crate::service::{Era, Outbox, ReplyFuture, RequestEnvelope, Service};
use crate::{Disposition, Peer, Reply};

/// The answer to a request that stands alone.
pub(in crate::service) fn modern(
    service: Arc<Service>,
    request: RequestEnvelope,
    peer: Peer,
    outbox: Option<Arc<Outbox>>,
) -> impl Future<Output = Reply> + Send {
    let subject = Subject::read(&request);
    let (context, frame) = RequestContext::new(service, request, peer, outbox);
    async move {
        let subject = match subject {
            Ok(subject) => subject,
            Err(error) => return failed(Era::Modern, &context.id, &error),
        };
        if let Some(tasks) = &context.service.tasks {
            match call_task::modern(&context, &frame, &subject) {
                As::Request => {}
                As::Refused(reply) => return reply,
                As::Task { support, ttl } => {
                    let tasks = Arc::clone(tasks);
                    return Box::pin(call_task::call(tasks, context, frame, subject, support, ttl)).await;
                }
            }
        }
        let (service, id) = (&context.service, &context.id);
        let start = |parts, key| service.dispatcher.call(CallRequest::from_parts(parts).cancelled_by(key));
        match context.run(frame, subject, start).await.map(Answer::of) {
            Ok(answer) => answered(service, id, answer),
            Err(reply) => reply,
        }
    }
}

/// The answer to a request that stands alone and ended this way.
pub(in crate::service) fn answered(service: &Service, id: &Id, answer: Answer) -> Reply {
    match answer {
        Answer::Result(output) => complete(service, id, &output),
        Answer::Error(error) => failed(Era::Modern, id, &error),
        _ => Reply::accepted(),
    }
}

fn complete(service: &Service, id: &Id, output: &Output) -> Reply {
    let write = |output: &Output| {
        let mut bytes = Vec::with_capacity(output.weight() + output.weight() / 8 + 384);
        reply::result(&mut bytes, id, |out| {
            out.extend_from_slice(br#"{"resultType":"complete","#);
            output.write(out, Version::LATEST);
            out.push(b',');
            service.close(out, |out| output.write_meta(out));
        });
        bytes
    };
    Reply::new(Disposition::Answered, service.within_limit(output, write))
}

/// The answer within a session.
pub(in crate::service) fn legacy(
    service: Arc<Service>,
    request: RequestEnvelope,
    peer: Peer,
    outbox: Option<Arc<Outbox>>,
) -> ReplyFuture {
    Box::pin(async move {
        let version = session::version(&peer);
        let subject = match Subject::read(&request) {
            Ok(subject) => subject,
            Err(error) => return failed(Era::Legacy, &request.id, &error),
        };
        let mut task = None;
        if let Some(tasks) = &service.tasks {
            match call_task::legacy(&service, &request, &peer, &subject, version) {
                As::Request => {}
                As::Refused(reply) => return reply,
                As::Task { support, ttl } => task = Some((Arc::clone(tasks), support, ttl)),
            }
        }
        let (context, frame) = RequestContext::new(service, request, peer, outbox);
        if let Some((tasks, support, ttl)) = task {
            return call_task::call(tasks, context, frame, subject, support, ttl).await;
        }
        let (service, id) = (&context.service, &context.id);
        let start = |parts, key| service.dispatcher.call(CallRequest::from_parts(parts).cancelled_by(key));
        match context.run(frame, subject, start).await.map(Answer::of) {
            Ok(answer) => answered_in(service, id, answer, version),
            Err(reply) => reply,
        }
    })
}

/// The answer to a request within a session that ended this way.
pub(in crate::service) fn answered_in(service: &Service, id: &Id, answer: Answer, version: Version) -> Reply {
    match answer {
        Answer::Result(output) => complete_in(service, id, &output, version),
        // A code of the other era.
        Answer::Error(error) if error.code() == Code::MISSING_CLIENT_CAPABILITY => {
            complete_in(service, id, &Output::text(error.message().to_owned()).into_error(), version)
        }
        Answer::Error(error) => failed(Era::Legacy, id, &error),
        _ => Reply::accepted(),
    }
}

fn complete_in(service: &Service, id: &Id, output: &Output, version: Version) -> Reply {
    let write = |output: &Output| {
        let mut bytes = Vec::with_capacity(output.weight() + output.weight() / 8 + 256);
        reply::result(&mut bytes, id, |out| write_result(out, output, version));
        bytes
    };
    Reply::new(Disposition::Answered, service.within_limit(output, write))
}

/// Appends the result as `version` has it, with nothing in it of the answer that carries it.
pub(in crate::service) fn write_result(out: &mut Vec<u8>, output: &Output, version: Version) {
    out.push(b'{');
    output.write(out, version);
    let without = out.len();
    out.extend_from_slice(br#","_meta":{"#);
    if output.write_meta(out) {
        out.push(b'}');
    } else {
        out.truncate(without);
    }
    out.push(b'}');
}

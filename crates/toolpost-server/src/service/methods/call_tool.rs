//! `tools/call`, as either era is answered.

use std::sync::Arc;

use toolpost_dispatch::{Answer, CallRequest};
use toolpost_protocol::{Code, Id, Version, reply};
use toolpost_tool::Output;

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
        let (service, id) = (&context.service, &context.id);
        let start = |parts, key| service.dispatcher.call(CallRequest::from_parts(parts).cancelled_by(key));
        match context.run(frame, subject, start).await.map(Answer::of) {
            Ok(Answer::Result(output)) => complete(service, id, &output),
            Ok(Answer::Error(error)) => failed(Era::Modern, id, &error),
            Ok(_) => Reply::accepted(),
            Err(reply) => reply,
        }
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
        let (context, frame) = RequestContext::new(service, request, peer, outbox);
        let (service, id) = (&context.service, &context.id);
        let start = |parts, key| service.dispatcher.call(CallRequest::from_parts(parts).cancelled_by(key));
        match context.run(frame, subject, start).await.map(Answer::of) {
            Ok(Answer::Result(output)) => complete_in(service, id, &output, version),
            // A code of the other era.
            Ok(Answer::Error(error)) if error.code() == Code::MISSING_CLIENT_CAPABILITY => {
                complete_in(service, id, &Output::text(error.message().to_owned()).into_error(), version)
            }
            Ok(Answer::Error(error)) => failed(Era::Legacy, id, &error),
            Ok(_) => Reply::accepted(),
            Err(reply) => reply,
        }
    })
}

fn complete_in(service: &Service, id: &Id, output: &Output, version: Version) -> Reply {
    let write = |output: &Output| {
        let mut bytes = Vec::with_capacity(output.weight() + output.weight() / 8 + 256);
        reply::result(&mut bytes, id, |out| {
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
        });
        bytes
    };
    Reply::new(Disposition::Answered, service.within_limit(output, write))
}

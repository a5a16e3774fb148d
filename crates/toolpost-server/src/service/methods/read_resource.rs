//! `resources/read`.

use std::sync::Arc;

use toolpost_json::write;
use toolpost_protocol::{Code, Error};
use toolpost_tool::ToolError;

use crate::service::context::{RequestContext, Subject, not_done};
use crate::service::page::caching;
use crate::service::result::failed;
use crate::service::{Era, Outbox, RequestEnvelope, Service};
use crate::{Peer, Reply};

pub(super) async fn answer(
    service: Arc<Service>,
    request: RequestEnvelope,
    peer: Peer,
    outbox: Option<Arc<Outbox>>,
) -> Reply {
    let (era, id) = (request.era, request.id.clone());
    let subject = match Subject::read(&request) {
        Ok(subject) => subject,
        Err(error) => return failed(era, &id, &error),
    };
    let uri = subject.name.clone();
    let (context, frame) = RequestContext::new(service, request, peer, outbox);
    let service = &context.service;
    let result =
        context.run(frame, subject, |parts, key| service.dispatcher.read_resource(uri.clone(), parts, key));
    match result.await {
        Ok(Ok(contents)) => service.within(era, &id, |out| {
            out.extend_from_slice(br#""contents":"#);
            // Of plain types, so it encodes.
            let _encodes = write::value(out, &contents);
            if era == Era::Modern {
                // What is read may depend on who reads, and nobody says for how long it holds.
                caching(out, 0, false);
            }
        }),
        Ok(Err(error)) => not_done(era, &id, &in_era(era, error)),
        Err(reply) => reply,
    }
}

/// That there is no such resource has a code of its own in the older revisions.
fn in_era(era: Era, error: ToolError) -> ToolError {
    match error.as_protocol() {
        Some(known)
            if era == Era::Legacy && known.code() == Code::INVALID_PARAMS && known.data().is_some() =>
        {
            let legacy = Error::new(Code::RESOURCE_NOT_FOUND, known.message().to_owned());
            ToolError::protocol(match known.data() {
                Some(data) => legacy.with_data(data),
                None => legacy,
            })
        }
        _ => error,
    }
}

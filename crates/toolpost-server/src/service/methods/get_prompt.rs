//! `prompts/get`.

use std::collections::BTreeMap;
use std::sync::Arc;

use toolpost_json::{Frame, write};
use toolpost_protocol::{Code, Error};

use crate::service::context::{RequestContext, Subject, not_done};
use crate::service::result::failed;
use crate::service::session;
use crate::service::{Era, Outbox, RequestEnvelope, Service};
use crate::{Peer, Reply};

pub(super) async fn answer(
    service: Arc<Service>,
    request: RequestEnvelope,
    peer: Peer,
    outbox: Option<Arc<Outbox>>,
) -> Reply {
    let (era, id) = (request.era, request.id.clone());
    let read = Subject::read(&request).and_then(|subject| {
        let arguments = arguments(&request.frame, &subject)?;
        Ok((subject, arguments))
    });
    let (subject, arguments) = match read {
        Ok(read) => read,
        Err(error) => return failed(era, &id, &error),
    };
    let version = (era == Era::Legacy).then(|| session::version(&peer));
    let name = subject.name.clone();
    let (context, frame) = RequestContext::new(service, request, peer, outbox);
    let service = &context.service;
    let result = context.run(frame, subject, |parts, key| {
        service.dispatcher.prompt(name.clone(), arguments.clone(), parts, key)
    });
    let mut result = result.await;
    if let (Some(version), Ok(Ok(prompt))) = (version, &mut result) {
        for message in &mut prompt.messages {
            if let Some(text) = message.content.instead(version) {
                message.content = text;
            }
        }
    }
    match result {
        Ok(Ok(prompt)) => service.within(era, &id, |out| {
            if let Some(description) = &prompt.description {
                out.extend_from_slice(br#""description":"#);
                write::string(out, description);
                out.push(b',');
            }
            out.extend_from_slice(br#""messages":"#);
            // Of plain types, so it encodes.
            let _encodes = write::value(out, &prompt.messages);
        }),
        Ok(Err(error)) => not_done(era, &id, &error),
        Err(reply) => reply,
    }
}

fn arguments(frame: &Frame, subject: &Subject) -> Result<BTreeMap<String, String>, Error> {
    let Some(at) = subject.arguments else { return Ok(BTreeMap::new()) };
    let decoded = frame.node(at).decode::<BTreeMap<String, String>>();
    decoded.map_err(|error| Error::new(Code::INVALID_PARAMS, format!("params.arguments: {error}")))
}

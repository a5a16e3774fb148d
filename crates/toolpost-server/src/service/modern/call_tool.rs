//! `tools/call`.

use std::sync::Arc;

use toolpost_dispatch::{Answer, Request};
use toolpost_protocol::{Id, reply};
use toolpost_tool::{Form, Output};

use crate::service::exchange::{Exchange, Named};
use crate::service::result::failed;
use crate::service::{Era, Intake, Outbox, Service};
use crate::{Origin, Reply};

pub(super) fn answer(
    service: Arc<Service>,
    intake: Intake,
    origin: Origin,
    outbox: Option<Arc<Outbox>>,
) -> impl Future<Output = Reply> + Send {
    let named = Named::read(&intake.frame, intake.params, "name");
    let (exchange, frame) = Exchange::new(service, intake, origin, outbox);
    async move {
        let named = match named {
            Ok(named) => named,
            Err(error) => return failed(Era::Modern, &exchange.id, &error),
        };
        let (service, id) = (&exchange.service, &exchange.id);
        let start = |parts, key| service.dispatcher.call(Request::from_parts(parts).cancelled_by(key));
        match exchange.run(frame, named, start).await.map(Answer::of) {
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
            output.write(out, Form::default());
            out.push(b',');
            service.close(out, |out| output.write_meta(out));
        });
        bytes
    };
    Reply::new(http::StatusCode::OK, service.within_limit(output, write))
}

//! `tools/call`.

use std::sync::Arc;

use http::StatusCode;
use toolpost_dispatch::{Answer, Request};
use toolpost_protocol::{Code, Id, reply};
use toolpost_tool::{Form, Output};

use super::version;
use crate::service::exchange::{Exchange, Named};
use crate::service::session::form;
use crate::service::{Intake, Outbox, Service};
use crate::{Origin, Reply};

pub(super) async fn answer(
    service: Arc<Service>,
    intake: Intake,
    origin: Origin,
    outbox: Option<Arc<Outbox>>,
) -> Reply {
    let form = form(version(&origin));
    let named = match Named::read(&intake.frame, intake.params, "name") {
        Ok(named) => named,
        Err(error) => return Reply::error(StatusCode::OK, &intake.id, &error),
    };
    let (exchange, frame) = Exchange::new(service, intake, origin, outbox);
    let (service, id) = (&exchange.service, &exchange.id);
    let start = |parts, key| service.dispatcher.call(Request::from_parts(parts).cancelled_by(key));
    match exchange.run(frame, named, start).await.map(Answer::of) {
        Ok(Answer::Result(output)) => complete(service, id, &output, form),
        // A code of the other era.
        Ok(Answer::Error(error)) if error.code() == Code::MISSING_CLIENT_CAPABILITY => {
            complete(service, id, &Output::text(error.message().to_owned()).into_error(), form)
        }
        Ok(Answer::Error(error)) => Reply::error(StatusCode::OK, id, &error),
        Ok(_) => Reply::accepted(),
        Err(reply) => reply,
    }
}

fn complete(service: &Service, id: &Id, output: &Output, form: Form) -> Reply {
    let write = |output: &Output| {
        let mut bytes = Vec::with_capacity(output.weight() + output.weight() / 8 + 256);
        reply::result(&mut bytes, id, |out| {
            out.push(b'{');
            output.write(out, form);
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
    Reply::new(StatusCode::OK, service.within_limit(output, write))
}

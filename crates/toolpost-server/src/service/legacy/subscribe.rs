//! `resources/subscribe` and `resources/unsubscribe`: for the whole session.

use http::StatusCode;
use toolpost_protocol::{Code, Error};

use crate::service::{Intake, Method, Service};
use crate::{Origin, Reply};

pub(super) fn answer(service: &Service, intake: &Intake, origin: &Origin) -> Reply {
    let failed = |code, why: String| Reply::error(StatusCode::OK, &intake.id, &Error::new(code, why));
    let uri = intake.params.and_then(|at| intake.frame.node(at).member("uri")?.as_str());
    let (Some(uri), Some(session)) = (uri, &origin.session) else {
        return failed(Code::INVALID_PARAMS, "params.uri is missing or not a string".into());
    };
    if intake.method == Method::Unsubscribe {
        session.unsubscribe(&uri);
    } else if let Err(why) = service.listen_limits.allow(&uri, 0, 0) {
        return failed(Code::INVALID_PARAMS, why);
    } else if !service.dispatcher.may_watch(&origin.principal, &uri) {
        return failed(Code::RESOURCE_NOT_FOUND, "there is no resource with this URI".into());
    } else if let Err(why) = session.subscribe(&uri, &service.listen_limits) {
        return failed(Code::INVALID_REQUEST, why);
    }
    Reply::result(&intake.id, |out| out.extend_from_slice(b"{}"))
}

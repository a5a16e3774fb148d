//! Up to 2025-11-25: `initialize` first, then requests within that session.

use std::sync::Arc;

use http::StatusCode;
use toolpost_protocol::{Code, Error, Version};

use super::intake::{Intake, Method};
use super::{Answering, Outbox, Service, offered};
use crate::{Origin, Reply};

mod call_tool;
mod initialize;
mod set_log_level;
mod subscribe;

/// Whether a request without modern `_meta` may be made here.
pub(super) fn admits(method: Method, origin: &Origin) -> Result<(), (StatusCode, Error)> {
    if origin.lost {
        return Err(lost());
    }
    if method == Method::Ping {
        return Ok(());
    }
    let agreed = origin.session.as_ref().is_some_and(|session| session.agreed().is_some());
    // Over HTTP a missing session is the transport's to refuse, or to allow.
    if agreed || origin.headers.is_some() {
        return Ok(());
    }
    let what = "send `initialize` first, or say the revision in params._meta[\"io.modelcontextprotocol/protocolVersion\"]";
    Err((StatusCode::BAD_REQUEST, Error::new(Code::INVALID_PARAMS, what)))
}

/// What everything is answered with that names a session that there is not: so the client learns to start again.
/// (Except `initialize`, which does just that.)
#[cold]
pub(super) fn lost() -> (StatusCode, Error) {
    (StatusCode::NOT_FOUND, Error::new(Code::INVALID_REQUEST, "there is no such session"))
}

/// Answers what needs no waiting.
pub(super) fn at_once(service: &Service, intake: &Intake, origin: &Origin) -> Option<Reply> {
    Some(match intake.method {
        Method::CallTool => return None,
        Method::Initialize => initialize::answer(service, intake, origin),
        Method::Ping => Reply::result(&intake.id, |out| out.extend_from_slice(b"{}")),
        Method::SetLogLevel => set_log_level::answer(intake, origin),
        Method::Subscribe | Method::Unsubscribe
            if service.dispatcher.has_resources() && service.dispatcher.changes().is_some() =>
        {
            subscribe::answer(service, intake, origin)
        }
        // Errors of the method ride on 200 in this era.
        _ => return offered::at_once(service, intake, origin, StatusCode::OK),
    })
}

/// Answers what [`at_once`] leaves.
pub(super) fn answer(
    service: Arc<Service>,
    intake: Intake,
    origin: Origin,
    outbox: Option<Arc<Outbox>>,
) -> Answering {
    match intake.method {
        Method::CallTool => Box::pin(call_tool::answer(service, intake, origin, outbox)),
        _ => offered::answer(service, intake, origin, outbox),
    }
}

/// The revision spoken here: the session's, or the newest legacy one.
pub(super) fn version(origin: &Origin) -> Version {
    let agreed = origin.session.as_ref().and_then(|session| session.agreed());
    agreed.map_or(Version::LATEST_WITH_SESSIONS, |agreed| agreed.version)
}

//! Up to 2025-11-25: `initialize` first, then requests within that session.

use std::sync::Arc;

use futures_util::future::Either;
use http::StatusCode;
use toolpost_protocol::{Code, Error, Version};

use super::answering::now;
use super::intake::{Intake, Method};
use super::{Outbox, Service, offered};
use crate::{Origin, Reply};

mod call_tool;
mod initialize;
mod set_log_level;
mod subscribe;

/// Whether a request without modern `_meta` may be made here.
pub(super) fn admits(method: Method, origin: &Origin) -> Result<(), (StatusCode, Error)> {
    if matches!(method, Method::Initialize | Method::Ping) {
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

/// Routes a request to its method.
pub(super) fn answer(
    service: &Service,
    intake: Intake,
    origin: Origin,
    outbox: Option<Arc<Outbox>>,
) -> impl Future<Output = Reply> + Send {
    Either::Right(match intake.method {
        Method::CallTool => return Either::Left(call_tool::answer(service, intake, origin, outbox)),
        Method::Initialize => now(initialize::answer(service, &intake, &origin)),
        Method::Ping => now(Reply::result(&intake.id, |out| out.extend_from_slice(b"{}"))),
        Method::SetLogLevel => now(set_log_level::answer(&intake, &origin)),
        Method::Subscribe | Method::Unsubscribe
            if service.dispatcher.has_resources() && service.dispatcher.changes().is_some() =>
        {
            now(subscribe::answer(service, &intake, &origin))
        }
        // Errors of the method ride on 200 in this era.
        _ => offered::answer(service, intake, origin, outbox, StatusCode::OK),
    })
}

/// The revision spoken here: the session's, or the newest legacy one.
fn version(origin: &Origin) -> Version {
    let agreed = origin.session.as_ref().and_then(|session| session.agreed());
    agreed.map_or(Version::LATEST_WITH_SESSIONS, |agreed| agreed.version)
}

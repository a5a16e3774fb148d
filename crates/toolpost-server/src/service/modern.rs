//! 2026-07-28: every request stands alone.

use std::sync::Arc;

use futures_util::future::Either;
use http::StatusCode;

use super::intake::{Intake, Method};
use super::{Outbox, Service, listen, offered};
use crate::{Origin, Reply};

mod call_tool;
mod discover;

/// Answers what needs no waiting.
pub(super) fn at_once(service: &Service, intake: &Intake, origin: &Origin) -> Option<Reply> {
    match intake.method {
        Method::CallTool | Method::Listen => None,
        Method::Discover => Some(discover::answer(service, intake)),
        // What only the older revisions know is gone from this one.
        _ => offered::at_once(service, intake, origin, StatusCode::NOT_FOUND),
    }
}

/// Answers what [`at_once`] leaves.
pub(super) fn answer(
    service: Arc<Service>,
    intake: Intake,
    origin: Origin,
    outbox: Option<Arc<Outbox>>,
) -> impl Future<Output = Reply> + Send {
    Either::Right(match intake.method {
        Method::CallTool => return Either::Left(call_tool::answer(service, intake, origin, outbox)),
        Method::Listen => Box::pin(async move { listen::answer(&service, &intake, &origin, outbox).await }),
        _ => offered::answer(service, intake, origin, outbox),
    })
}

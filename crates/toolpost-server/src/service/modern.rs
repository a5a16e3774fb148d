//! 2026-07-28: every request stands alone.

use std::sync::Arc;

use futures_util::future::Either;
use http::StatusCode;

use super::answering::{later, now};
use super::intake::{Intake, Method};
use super::{Outbox, Service, listen, offered};
use crate::{Origin, Reply};

mod call_tool;
mod discover;

/// Routes a request to its method.
pub(super) fn answer(
    service: &Service,
    intake: Intake,
    origin: Origin,
    outbox: Option<Arc<Outbox>>,
) -> impl Future<Output = Reply> + Send {
    Either::Right(match intake.method {
        Method::CallTool => return Either::Left(call_tool::answer(service, intake, origin, outbox)),
        Method::Discover => now(discover::answer(service, &intake)),
        Method::Listen => later(async move { listen::answer(service, &intake, &origin, outbox).await }),
        // What only the older revisions know is gone from this one.
        _ => offered::answer(service, intake, origin, outbox, StatusCode::NOT_FOUND),
    })
}

//! 2026-07-28: every request stands alone.

use std::sync::Arc;

use http::StatusCode;

use super::intake::{Intake, Method};
use super::{Outbox, Service, listen, offered};
use crate::{Origin, Reply};

mod call_tool;
mod discover;

/// Routes a request to its method.
pub(super) async fn answer(
    service: &Service,
    intake: Intake,
    origin: Origin,
    outbox: Option<Arc<Outbox>>,
) -> Reply {
    match intake.method {
        Method::CallTool => call_tool::answer(service, intake, origin, outbox).await,
        Method::Discover => discover::answer(service, &intake),
        Method::Listen => Box::pin(listen::answer(service, &intake, &origin, outbox)).await,
        // What only the older revisions know is gone from this one.
        _ => match offered::answer(service, intake, origin, outbox).await {
            Ok(reply) => reply,
            Err(intake) => intake.unknown_method(StatusCode::NOT_FOUND),
        },
    }
}

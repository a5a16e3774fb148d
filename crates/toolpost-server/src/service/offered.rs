//! The methods that both eras have: lists, resources, prompts and completions.

use std::sync::Arc;

use http::StatusCode;

use super::{Answering, Intake, Method, Outbox, Service, page};
use crate::{Origin, Reply};

mod complete;
mod get_prompt;
mod list_prompts;
mod list_resources;
mod list_templates;
mod list_tools;
mod read_resource;

/// Answers what needs no waiting; a method that is none of these, or not offered, with `unknown`.
pub(super) fn at_once(
    service: &Service,
    intake: &Intake,
    origin: &Origin,
    unknown: StatusCode,
) -> Option<Reply> {
    let dispatcher = &service.dispatcher;
    Some(match intake.method {
        Method::ListTools => list_tools::answer(service, intake, origin),
        Method::ListResources if dispatcher.has_resources() => {
            list_resources::answer(service, intake, origin)
        }
        Method::ListTemplates if dispatcher.has_resources() => {
            list_templates::answer(service, intake, origin)
        }
        Method::ListPrompts if dispatcher.has_prompts() => list_prompts::answer(service, intake, origin),
        Method::ReadResource if dispatcher.has_resources() => return None,
        Method::GetPrompt if dispatcher.has_prompts() => return None,
        Method::Complete if dispatcher.has_completions() => return None,
        Method::ListPrompts if service.empty_lists => page::empty(service, intake, "prompts"),
        Method::ListResources if service.empty_lists => page::empty(service, intake, "resources"),
        Method::ListTemplates if service.empty_lists => page::empty(service, intake, "resourceTemplates"),
        _ => intake.unknown_method(unknown),
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
        Method::ReadResource => Box::pin(read_resource::answer(service, intake, origin, outbox)),
        Method::GetPrompt => Box::pin(get_prompt::answer(service, intake, origin, outbox)),
        _ => Box::pin(async move { complete::answer(&service, &intake, &origin).await }),
    }
}

//! The methods that both eras have: lists, resources, prompts and completions.

use std::sync::Arc;

use http::StatusCode;

use super::answering::{Other, later, now};
use super::{Intake, Method, Outbox, Service};
use crate::Origin;

mod complete;
mod get_prompt;
mod list_prompts;
mod list_resources;
mod list_templates;
mod list_tools;
mod read_resource;

/// Routes a request to its method; if it is none of these, or not offered, answers with `unknown`.
pub(super) fn answer(
    service: &Service,
    intake: Intake,
    origin: Origin,
    outbox: Option<Arc<Outbox>>,
    unknown: StatusCode,
) -> Other<'_> {
    let dispatcher = &service.dispatcher;
    match intake.method {
        Method::ListTools => now(list_tools::answer(service, &intake, &origin)),
        Method::ListResources if dispatcher.has_resources() => {
            now(list_resources::answer(service, &intake, &origin))
        }
        Method::ListTemplates if dispatcher.has_resources() => {
            now(list_templates::answer(service, &intake, &origin))
        }
        Method::ReadResource if dispatcher.has_resources() => {
            later(read_resource::answer(service, intake, origin, outbox))
        }
        Method::ListPrompts if dispatcher.has_prompts() => {
            now(list_prompts::answer(service, &intake, &origin))
        }
        Method::GetPrompt if dispatcher.has_prompts() => {
            later(get_prompt::answer(service, intake, origin, outbox))
        }
        Method::Complete if dispatcher.has_completions() => {
            later(async move { complete::answer(service, &intake, &origin).await })
        }
        _ => now(intake.unknown_method(unknown)),
    }
}

//! The methods that both eras have: lists, resources, prompts and completions.

use std::sync::Arc;

use super::{Intake, Method, Outbox, Service};
use crate::{Origin, Reply};

mod complete;
mod get_prompt;
mod list_prompts;
mod list_resources;
mod list_templates;
mod list_tools;
mod read_resource;

/// Routes a request to its method; hands it back if it is none of these, or not offered.
pub(super) async fn answer(
    service: &Service,
    intake: Intake,
    origin: Origin,
    outbox: Option<Arc<Outbox>>,
) -> Result<Reply, Intake> {
    let dispatcher = &service.dispatcher;
    Ok(match intake.method {
        Method::ListTools => list_tools::answer(service, &intake, &origin),
        Method::ListResources if dispatcher.has_resources() => {
            list_resources::answer(service, &intake, &origin)
        }
        Method::ListTemplates if dispatcher.has_resources() => {
            list_templates::answer(service, &intake, &origin)
        }
        Method::ReadResource if dispatcher.has_resources() => {
            Box::pin(read_resource::answer(service, intake, origin, outbox)).await
        }
        Method::ListPrompts if dispatcher.has_prompts() => list_prompts::answer(service, &intake, &origin),
        Method::GetPrompt if dispatcher.has_prompts() => {
            Box::pin(get_prompt::answer(service, intake, origin, outbox)).await
        }
        Method::Complete if dispatcher.has_completions() => {
            Box::pin(complete::answer(service, &intake, &origin)).await
        }
        _ => return Err(intake),
    })
}

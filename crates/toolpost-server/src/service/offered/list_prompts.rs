//! `prompts/list`.

use toolpost_protocol::reply;

use crate::service::page::Page;
use crate::service::{Intake, Service};
use crate::{Origin, Reply};

pub(super) fn answer(service: &Service, intake: &Intake, origin: &Origin) -> Reply {
    let prompts = service.dispatcher.prompts(&origin.principal);
    let page = Page::of(service, intake, "prompts", service.dispatcher.prompts_are_shared());
    page.answer(
        &prompts,
        |item| &item.name,
        |out, item| {
            // Of plain types, so it encodes.
            let _encodes = reply::value(out, item);
        },
    )
}

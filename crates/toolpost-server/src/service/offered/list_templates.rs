//! `resources/templates/list`.

use toolpost_protocol::reply;

use crate::service::page::Page;
use crate::service::{Intake, Service};
use crate::{Origin, Reply};

pub(super) fn answer(service: &Service, intake: &Intake, origin: &Origin) -> Reply {
    let resources = service.dispatcher.resource_templates(&origin.principal);
    let page = Page::of(service, intake, "resourceTemplates", service.dispatcher.resources_are_shared());
    page.answer(
        &resources,
        |item| &item.uri_template,
        |out, item| {
            // Of plain types, so it encodes.
            let _encodes = reply::value(out, item);
        },
    )
}

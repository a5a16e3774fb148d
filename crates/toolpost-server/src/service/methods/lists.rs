//! The lists: tools, resources, templates of resources, prompts.

use serde::Serialize;
use toolpost_json::write;

use crate::service::page::Page;
use crate::service::{RequestEnvelope, Service};
use crate::{Peer, Reply};

/// `tools/list`.
pub(super) fn tools(service: &Service, request: &RequestEnvelope, peer: &Peer) -> Reply {
    let list = service.tools.encoded(&service.dispatcher, request.era);
    let shared = service.dispatcher.is_open();
    let page = Page::of(service, request, &peer.principal, shared);
    if shared && page.is_whole(list.len()) {
        return page.whole(list.text());
    }
    let visible: Vec<_> = list
        .iter()
        .filter(|(entry, _)| shared || service.dispatcher.may(&peer.principal, entry.spec()))
        .collect();
    page.answer(&visible, |(entry, _)| entry.spec().name(), |out, (_, text)| out.extend_from_slice(text))
}

/// `resources/list`.
pub(super) fn resources(service: &Service, request: &RequestEnvelope, peer: &Peer) -> Reply {
    let items = service.dispatcher.resources(&peer.principal);
    let shared = service.dispatcher.resources_are_shared();
    Page::of(service, request, &peer.principal, shared).answer(&items, |item| &item.uri, encode)
}

/// `resources/templates/list`.
pub(super) fn templates(service: &Service, request: &RequestEnvelope, peer: &Peer) -> Reply {
    let items = service.dispatcher.resource_templates(&peer.principal);
    let shared = service.dispatcher.resources_are_shared();
    Page::of(service, request, &peer.principal, shared).answer(&items, |item| &item.uri_template, encode)
}

/// `prompts/list`.
pub(super) fn prompts(service: &Service, request: &RequestEnvelope, peer: &Peer) -> Reply {
    let items = service.dispatcher.prompts(&peer.principal);
    let shared = service.dispatcher.prompts_are_shared();
    Page::of(service, request, &peer.principal, shared).answer(&items, |item| &item.name, encode)
}

fn encode(out: &mut Vec<u8>, item: &impl Serialize) {
    // Of plain types, so it encodes.
    let _encodes = write::value(out, item);
}

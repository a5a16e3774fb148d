//! `tools/list`.

use crate::service::catalog::Dialect;
use crate::service::page::Page;
use crate::service::{Era, Intake, Service};
use crate::{Origin, Reply};

pub(super) fn answer(service: &Service, intake: &Intake, origin: &Origin) -> Reply {
    let dialect = match intake.era {
        Era::Modern => Dialect::Modern,
        Era::Legacy => Dialect::Legacy,
    };
    let list = service.tools.encoded(&service.dispatcher, dialect);
    let shared = service.dispatcher.is_open();
    let page = Page::of(service, intake, "tools", shared);
    if shared && page.is_whole(list.len()) {
        return page.whole(list.text());
    }
    let visible: Vec<_> = list
        .iter()
        .filter(|(entry, _)| shared || service.dispatcher.may(&origin.principal, entry.spec()))
        .collect();
    page.answer(&visible, |(entry, _)| entry.spec().name(), |out, (_, text)| out.extend_from_slice(text))
}

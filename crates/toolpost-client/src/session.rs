//! What goes on beside the requests of the host: the handshake, the stream of changes, the answers to questions.

use std::collections::BTreeSet;
use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::mpsc;
use tokio::time::timeout;
use toolpost_protocol::Code;
use toolpost_protocol::model::SubscriptionFilter;

use crate::core::Kind;
use crate::params::{Params, json};
use crate::questions::{self, Ask};
use crate::shared::{Shared, Ticket, Wire};
use crate::{ClientError, ClientEvent, ServerProfile, clock};

mod handshake;

/// How long an old stream of changes goes on while a new one begins.
const OVERLAP: Duration = Duration::from_secs(5);
/// The first wait before a stream of changes that ended is opened again, and the longest.
const AGAIN: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(60);
/// A stream that was open for so long was of use, however it ended.
const LASTED: Duration = Duration::from_secs(10);

/// Does all of it for as long as it is polled.
pub(crate) async fn run(shared: Arc<Shared>, asks: mpsc::Receiver<Ask>) {
    let answering = pin!(questions::run(&shared, asks));
    let living = pin!(live(&shared));
    futures_util::future::select(answering, living).await;
    pending().await
}

async fn live(shared: &Arc<Shared>) {
    match handshake::shake_hands(shared).await {
        Ok(profile) => {
            let is_modern = profile.version.is_modern();
            let capabilities = profile.capabilities.clone();
            shared.agree(profile);
            if is_modern {
                follow_changes(shared, &filter_of(&capabilities)).await;
            } else if let (Some(level), Some(_)) = (&shared.options.log_level, &capabilities.logging) {
                let level = json(level).unwrap_or_default();
                let params = Params::default().with("level", &String::from_utf8_lossy(&level));
                shared.leave("logging/setLevel", &params);
            }
        }
        Err(error) => shared.close(&error),
    }
    pending().await
}

/// Keeps a stream of changes open: of the lists that the server tells of, and of the resources that are watched.
async fn follow_changes(shared: &Arc<Shared>, lists: &SubscriptionFilter) {
    let mut watched = shared.watched.subscribe();
    let (mut current, mut wait) = (None::<Pin<Box<Ticket>>>, AGAIN);
    // Whether there was no stream for a while, so that something may have changed unheard.
    let mut missed = false;
    loop {
        let filter = with_resources(lists, &watched.borrow_and_update());
        if filter == SubscriptionFilter::default() {
            current = None;
            // `shared` keeps the sender.
            let _ = watched.changed().await;
            continue;
        }
        let params = json(&filter).unwrap_or_default();
        let params = Params::default().with("notifications", &String::from_utf8_lossy(&params));
        let wire = Wire { method: "subscriptions/listen", kind: Some(Kind::Own), ..Wire::default() };
        let Ok(ticket) = shared.send(&params, &wire) else {
            if shared.closed().is_some() {
                return;
            }
            // The server takes nothing now.
            clock::sleep(LONGEST).await;
            missed = true;
            continue;
        };
        let mut ticket = Box::pin(ticket);
        let opened = clock::now();
        let begun = timeout(OVERLAP, poll_fn(|cx| ticket.poll_acknowledged(cx))).await;
        drop(current.take());
        let over = (&mut ticket).now_or_never();
        // Told once the new stream is there: what changed before would be missed by whoever looks sooner.
        if over.is_none() && std::mem::take(&mut missed) {
            tell_all(shared, lists, &watched.borrow());
        }
        let outcome = match over {
            Some(outcome) => outcome,
            None => tokio::select! {
                outcome = &mut ticket => outcome,
                _ = watched.changed() => {
                    (current, wait) = (Some(ticket), AGAIN);
                    continue;
                }
            },
        };
        if let Err(ClientError::Refused(error)) = &outcome
            && [Code::METHOD_NOT_FOUND, Code::INVALID_PARAMS].contains(&error.code())
        {
            if missed {
                tell_all(shared, lists, &watched.borrow());
            }
            return;
        }
        // It was open for a while, or was not at all. (Proxies cut off what is open for long.)
        let lasted = outcome.is_ok() || LASTED <= clock::now().saturating_duration_since(opened);
        wait = if begun.is_ok() && lasted { AGAIN } else { (wait * 2).min(LONGEST) };
        clock::sleep(wait).await;
        if shared.closed().is_some() {
            return;
        }
        missed = true;
    }
}

fn tell_all(shared: &Shared, lists: &SubscriptionFilter, watched: &BTreeSet<String>) {
    let of = |told: Option<bool>, event| {
        if told == Some(true) {
            shared.tell(event);
        }
    };
    of(lists.tools_list_changed, ClientEvent::ToolsChanged);
    of(lists.prompts_list_changed, ClientEvent::PromptsChanged);
    of(lists.resources_list_changed, ClientEvent::ResourcesChanged);
    for uri in watched {
        shared.tell(ClientEvent::ResourceUpdated { uri: uri.as_str().into() });
    }
}

fn filter_of(capabilities: &toolpost_protocol::model::ServerCapabilities) -> SubscriptionFilter {
    let tells = |capability: &Option<toolpost_protocol::model::Capability>| {
        let tells = capability.as_ref().is_some_and(|capability| capability.has("listChanged"));
        tells.then_some(true)
    };
    let mut filter = SubscriptionFilter::default();
    filter.tools_list_changed = tells(&capabilities.tools);
    filter.prompts_list_changed = tells(&capabilities.prompts);
    filter.resources_list_changed = tells(&capabilities.resources);
    filter
}

fn with_resources(lists: &SubscriptionFilter, watched: &BTreeSet<String>) -> SubscriptionFilter {
    let mut filter = lists.clone();
    filter.resource_subscriptions = (!watched.is_empty()).then(|| watched.iter().cloned().collect());
    filter
}

/// The profile of a server that is asked in the words of its own revision.
type Found = Result<Option<ServerProfile>, ClientError>;

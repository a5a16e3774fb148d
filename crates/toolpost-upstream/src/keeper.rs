//! The task that owns an upstream: keeps it connected, reads its lists, and hands out its tools.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::timeout;
use toolpost_client::{ClientError, ClientEvent, Events, McpClient};
use toolpost_protocol::Era;
use toolpost_tool::BoxFuture;

use crate::UpstreamState;
use crate::attempts::{Attempts, Ended};
use crate::clean::line;
use crate::clock::{now, until};
use crate::connection::Connection;
use crate::endpoint::Opened;
use crate::lists::Lists;
use crate::offers::Offering;
use crate::upstream::Shared;

/// How long after a list has changed it is read again: changes come in bursts.
const DEBOUNCE: Duration = Duration::from_millis(50);
/// How often lists are read again at most, however often they change.
const RELIST: Duration = Duration::from_secs(1);
/// How long after a list could not be read again that is tried again.
const RELIST_AGAIN: Duration = Duration::from_secs(5);
/// A connection that lasted so long was of use, whoever called.
const LASTED: Duration = Duration::from_secs(10);
/// How long what a server has said before its end is read.
const REST: Duration = Duration::from_millis(20);
/// The longest reason, in bytes.
const REASON_MAX: usize = 1_000;

/// Runs until the upstream is stopped, or nobody has it any more.
pub(crate) async fn run(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    // Whatever ends the task, it is known to have ended.
    let guard = EndGuard(Arc::clone(&shared));
    let mut keepers: Vec<Keeper> = (0..shared.replicas.len()).map(|at| Keeper::new(&shared, at)).collect();
    let mut offering = Offering::new(&shared);
    tokio::select! {
        biased;
        // An error is that nobody can stop it any more.
        _ = stopped.wait_for(|stopped| *stopped) => {}
        _ = join_all(keepers.iter_mut().map(Keeper::keep)) => {}
        () = offering.keep() => {}
        () = shared.maintain() => {}
    }
    shared.disconnect();
    let ending = keepers.iter_mut().filter_map(|keeper| keeper.opened.take());
    join_all(ending.map(|opened| opened.end(String::new()))).await;
    if let Some(callers) = &shared.callers {
        callers.end().await;
    }
    drop(guard);
}

struct EndGuard(Arc<Shared>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.ended();
    }
}

struct Keeper {
    shared: Arc<Shared>,
    /// Which of the endpoints it keeps connected.
    at: usize,
    attempts: Attempts,
    /// What is open now.
    opened: Option<Opened>,
    /// The eras in which the next connection begins: there are servers that end when they are asked in the other.
    only_legacy: bool,
}

/// A server whose lists are read.
struct Ready {
    connection: Arc<Connection>,
    events: Events,
    lists: Lists,
}

impl Keeper {
    fn new(shared: &Arc<Shared>, at: usize) -> Self {
        let attempts = Attempts::new(RandomState::new().hash_one(0_u8), now());
        Self { shared: Arc::clone(shared), at, attempts, opened: None, only_legacy: false }
    }

    async fn keep(&mut self) {
        let shared = Arc::clone(&self.shared);
        loop {
            let limit = shared.options.start_limit;
            let begun = timeout(limit, self.connect()).await;
            let (why, how) = match begun {
                Ok(Ok(ready)) => {
                    let began = now();
                    let (connection, why) = self.serve(ready).await;
                    let was_of_use = connection.has_served() || began + LASTED <= now();
                    (why, if was_of_use { Ended::Served } else { Ended::Lost })
                }
                Ok(Err(why)) => (why, Ended::Failed),
                Err(_) => (format!("it was not ready within {limit:?}"), Ended::Failed),
            };
            let why = match self.opened.take() {
                Some(opened) => opened.end(why).await,
                None => why,
            };
            self.attempts.end(how, now());
            self.wait(&line(&why, REASON_MAX)).await;
        }
    }

    /// Waits until the next attempt is due; a call that comes has that be sooner.
    async fn wait(&mut self, reason: &str) {
        let shared = Arc::clone(&self.shared);
        let reason: Arc<str> = reason.into();
        loop {
            let due = self.attempts.due();
            shared.update(|known| {
                let since = match known.states[self.at] {
                    UpstreamState::Down { since, .. } => since,
                    _ => now(),
                };
                known.stands(self.at, UpstreamState::Down { reason: Arc::clone(&reason), since, next: due });
            });
            shared.look.notify_one();
            tokio::select! {
                biased;
                () = until(Some(due)) => return,
                () = shared.replicas[self.at].wanted.notified() => self.attempts.hurry(now()),
            }
        }
    }

    /// Opens a connection, and reads what the server is and has.
    async fn connect(&mut self) -> Result<Ready, String> {
        let shared = Arc::clone(&self.shared);
        let opened = shared.replicas[self.at].endpoint.open(shared.options.client(self.only_legacy)).await?;
        let client = opened.client.clone();
        self.opened = Some(opened);
        // From here on no change of a list is missed.
        let events = client.events();
        let profile = client.ready().await.map_err(|error| {
            // There are servers that end when they are asked in the other era.
            if matches!(error, ClientError::ConnectionLost(_)) {
                self.only_legacy = !self.only_legacy;
            }
            error.to_string()
        })?;
        self.only_legacy = profile.version.era() == Era::Legacy;
        let lists = Lists::of(&client, &profile, shared.options.start_limit, &shared.lists()).await;
        let lists = lists.map_err(|error| format!("its tools could not be listed: {error}"))?;
        Ok(Ready { connection: Arc::new(Connection::new(client, profile.version)), events, lists })
    }

    /// Serves until the connection is over; why.
    async fn serve(&mut self, ready: Ready) -> (Arc<Connection>, String) {
        let Ready { connection, mut events, lists } = ready;
        let (shared, client) = (Arc::clone(&self.shared), connection.client.clone());
        shared.replicas[self.at].connected(Some(Arc::clone(&connection)));
        shared.listed(lists, |known| {
            known.stands(self.at, UpstreamState::Ready);
            known.status.version = Some(connection.version);
            known.status.handshakes += 1;
        });
        shared.look.notify_one();
        let (mut listed_at, mut relist_at) = (now(), None);
        let mut relisting: Option<BoxFuture<'static, Result<Lists, ClientError>>> = None;
        let why = loop {
            let due = relist_at.filter(|_| relisting.is_none());
            tokio::select! {
                biased;
                why = over(&mut self.opened, &client) => break why,
                event = events.next() => match event {
                    Some(ClientEvent::Log { params }) => connection.log(&params),
                    Some(ClientEvent::ResourceUpdated { uri }) => shared.resource_updated(&uri),
                    Some(
                        ClientEvent::ToolsChanged
                        | ClientEvent::PromptsChanged
                        | ClientEvent::ResourcesChanged
                        | ClientEvent::Missed { .. },
                    ) => {
                        relist_at.get_or_insert_with(|| (now() + DEBOUNCE).max(listed_at + RELIST));
                    }
                    Some(_) => {}
                    None => break over(&mut self.opened, &client).await,
                },
                listed = polled(&mut relisting) => {
                    (relisting, listed_at) = (None, now());
                    match listed {
                        Ok(lists) => {
                            shared.listed(lists, |_| {});
                        }
                        Err(ClientError::NotConnected(why) | ClientError::ConnectionLost(why)) => {
                            break why.to_string();
                        }
                        // What was listed before stays, and is asked for again.
                        Err(_) => drop(relist_at.get_or_insert_with(|| now() + RELIST_AGAIN)),
                    }
                    shared.look.notify_one();
                }
                // What is gone is told by asking it: by its lists, which may be others when it is there again.
                () = connection.doubted.notified(), if relisting.is_none() => {
                    let soon = now().max(listed_at + RELIST);
                    relist_at = Some(relist_at.map_or(soon, |at| at.min(soon)));
                }
                () = until(due) => {
                    relist_at = None;
                    let (client, limit) = (client.clone(), shared.options.start_limit);
                    let before = shared.lists();
                    relisting = Some(Box::pin(async move {
                        let profile = client.ready().await?;
                        Lists::of(&client, &profile, limit, &before).await
                    }));
                }
            }
        };
        shared.replicas[self.at].connected(None);
        // What the server had said before it ended is an answer.
        let _over = timeout(REST, client.closed()).await;
        client.close().await;
        (connection, why)
    }
}

/// Waits for the end of a connection. Cancel safe.
async fn over(opened: &mut Option<Opened>, client: &McpClient) -> String {
    match opened {
        Some(opened) => opened.over().await,
        None => client.closed().await.to_string(),
    }
}

async fn polled<T>(future: &mut Option<BoxFuture<'_, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

//! The handle to an upstream, and what its task and its tools share.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use toolpost_dispatch::Changes;
use toolpost_tool::{AnyTool, BoxFuture, Call, ToolError};

use crate::balance::Balancer;
use crate::clock;
use crate::connection::{Held, Lease};
use crate::keeper;
use crate::lists::Lists;
use crate::parked::Parking;
use crate::per_caller::Callers;
use crate::replica::{Replica, SOON, state_of};
use crate::{Endpoint, UpstreamOptions, UpstreamState, UpstreamStatus};

/// A server whose tools are offered here, kept connected by a task of its own.
///
/// * It is connected when it is [started](Self::start), and again whenever the connection ends, ever more slowly and for ever; a
///   call that comes has that done sooner. Nobody waits for that: a call of a server that is down fails at once, and says
///   why and when to come back.
/// * What it lists is read once for each connection, and again when the server says that it has changed. Texts are bounded and
///   cleaned of what nobody sees; a tool whose name, schema or [pin](crate::Pins) is not in order is refused by itself.
/// * Schemas and hints of tools stay what they are, and results are handed on as bytes.
/// * A call that is cut off because its connection ends has an unknown outcome, unless its tool says that a second run
///   does no harm: then it is unavailable, and tried again if its policy says so. Nothing is repeated here.
/// * Dropping a call cancels it at the server, and touches no other.
/// * What the server asks of a user (forms, links, samples) suspends the call as if the tool had asked. Who called, and
///   by what token, is never passed on.
///
/// A clone is the same upstream. Its connection ends when the last clone is dropped, whoever still has tools of it, or when it is
/// [stopped](Self::stop).
///
/// ```
/// use tokio::net::TcpStream;
/// use toolpost_upstream::{Endpoint, Upstream, UpstreamOptions};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let endpoint = Endpoint::streams(|| async { Ok(TcpStream::connect("[::1]:1").await?.into_split()) });
/// let files = Upstream::start("files", endpoint, UpstreamOptions::new().prefix("files_"));
/// assert!(!files.status().is_healthy(), "nothing is there");
/// files.stop().await;
/// # });
/// ```
#[derive(Clone)]
pub struct Upstream {
    pub(crate) shared: Arc<Shared>,
    pub(crate) owner: Arc<Owner>,
}

/// Ends the task when it is dropped.
#[derive(Debug)]
pub(crate) struct Owner(watch::Sender<bool>);

/// Takes the tools of an upstream over, whenever they change.
pub(crate) type Publish = dyn Fn(Vec<AnyTool>) -> BoxFuture<'static, Result<(), String>> + Send + Sync;

pub(crate) struct Shared {
    pub(crate) name: Arc<str>,
    /// At least one.
    pub(crate) replicas: Box<[Replica]>,
    /// Where there are several.
    balancer: Option<Arc<Balancer>>,
    /// Where each caller has connections of its own.
    pub(crate) callers: Option<Callers>,
    pub(crate) options: UpstreamOptions,
    /// Tells this start from others, which keep other calls.
    pub(crate) start: u64,
    /// Something has changed that may change what is offered, or when to look.
    pub(crate) look: Notify,
    pub(crate) parking: Parking,
    pub(crate) known: Mutex<Known>,
    publish: Mutex<Option<Arc<Publish>>>,
    signals: Mutex<Option<Changes>>,
    /// Grows with each change of what is told.
    changes: watch::Sender<u64>,
    /// Whether the task runs.
    running: watch::Sender<bool>,
}

/// What is known of a server.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) status: UpstreamStatus,
    /// Of each endpoint.
    pub(crate) states: Vec<UpstreamState>,
    pub(crate) lists: Arc<Lists>,
    /// Why the host could not take the tools over.
    pub(crate) refused: Option<String>,
    /// The tools that are offered now.
    pub(crate) offered: Vec<AnyTool>,
}

impl Upstream {
    /// Keeps the server called `name` connected from now on, in a task: nothing is waited for here.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(name: impl Into<Arc<str>>, endpoint: Endpoint, options: UpstreamOptions) -> Self {
        let status = UpstreamStatus {
            state: UpstreamState::Connecting,
            version: None,
            handshakes: 0,
            tools: Vec::new(),
            refused: Vec::new(),
            pin_changes: Vec::new(),
            missing: Vec::new(),
            faults: Vec::new(),
            suspended: 0,
        };
        let replicas: Box<[Replica]> = endpoint.each().into_iter().map(Replica::new).collect();
        let seed = RandomState::new().hash_one(0_u8);
        let balancer = (1 < replicas.len()).then(|| Balancer::new(replicas.len(), seed, clock::now()));
        let connects = |per_caller| Callers::new(per_caller, options.clone());
        let callers = options.per_caller.as_ref().map(connects);
        let states = vec![UpstreamState::Connecting; replicas.len()];
        let known = Known { status, states, lists: Arc::default(), refused: None, offered: Vec::new() };
        let shared = Arc::new(Shared {
            name: name.into(),
            replicas,
            balancer,
            callers,
            options,
            start: RandomState::new().hash_one(0_u8),
            look: Notify::new(),
            parking: Parking::default(),
            known: Mutex::new(known),
            publish: Mutex::default(),
            signals: Mutex::default(),
            changes: watch::Sender::new(0),
            running: watch::Sender::new(true),
        });
        let owner = Arc::new(Owner(watch::Sender::new(false)));
        let task = keeper::run(Arc::clone(&shared), owner.0.subscribe());
        #[expect(clippy::disallowed_methods, reason = "ends with its owner; `busy` and `stop` know it")]
        drop(tokio::spawn(task));
        Self { shared, owner }
    }

    /// The name that it was started under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// What it was started with.
    #[must_use]
    pub fn options(&self) -> &UpstreamOptions {
        &self.shared.options
    }

    /// How it is now.
    #[must_use]
    pub fn status(&self) -> UpstreamStatus {
        let known = self.shared.known();
        let mut status = known.status.clone();
        status.faults.extend(known.refused.clone());
        status.suspended = self.shared.parking.len();
        status
    }

    /// Signals changes of the status and of what is offered: a number that grows.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// Waits until it is connected and its lists are read, for a test or a start that wants to wait; calls do not.
    ///
    /// # Errors
    ///
    /// If it is down: why.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the waiting, and nothing else.
    pub async fn ready(&self) -> Result<(), ToolError> {
        let mut changes = self.changes();
        loop {
            match self.status().state {
                UpstreamState::Connecting => {}
                UpstreamState::Ready => return Ok(()),
                UpstreamState::Down { reason, .. } => return Err(self.shared.unavailable(&reason)),
                UpstreamState::Stopped => return Err(self.shared.unavailable("it was stopped")),
            }
            // The sender is this upstream's.
            drop(changes.changed().await);
        }
    }

    /// The tools that are offered now, under the names that they have there.
    #[must_use]
    pub fn tools(&self) -> Vec<AnyTool> {
        self.shared.known().offered.clone()
    }

    /// Has the tools handed to `publish` now, and whenever they change, one time after the other. It takes the place of the
    /// one before; an error of it is among the [faults](UpstreamStatus::faults).
    ///
    /// A runtime does this for the upstreams that are added to it.
    ///
    /// # Cancel safety
    ///
    /// The future that `publish` gives is dropped when the upstream is stopped, and after a minute.
    pub fn publish(
        &self,
        publish: impl Fn(Vec<AnyTool>) -> BoxFuture<'static, Result<(), String>> + Send + Sync + 'static,
    ) {
        *self.shared.publish.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(publish));
        self.shared.look.notify_one();
    }

    /// Signals through `changes` when its prompts, its resources, or one of them have changed.
    pub fn signal(&self, changes: &Changes) {
        *self.shared.signals.lock().unwrap_or_else(PoisonError::into_inner) = Some(changes.clone());
    }

    /// Whether its task runs: it is connected, or is going to be.
    #[must_use]
    pub fn is_running(&self) -> bool {
        *self.shared.running.borrow()
    }

    /// How many requests its server is working on now. Whoever replaces an upstream stops it once there are none.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        let of_callers = self.shared.callers.as_ref().map_or(0, Callers::in_flight);
        of_callers + self.shared.replicas.iter().map(Replica::in_flight).sum::<usize>()
    }

    /// Ends the connection, and what is at its other end, for good; calls in flight end with it.
    ///
    /// # Cancel safety
    ///
    /// It ends whether or not the future is dropped.
    pub async fn stop(&self) {
        self.owner.0.send_replace(true);
        let mut running = self.shared.running.subscribe();
        // The sender is this upstream's.
        drop(running.wait_for(|running| !running).await);
    }
}

impl Known {
    /// One of the endpoints is so now.
    pub(crate) fn stands(&mut self, at: usize, state: UpstreamState) {
        self.states[at] = state;
        self.status.state = state_of(&self.states);
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

impl Shared {
    /// The connection that a call uses: of those of its caller, or of the endpoints but those `tried` already. Every call comes
    /// by here, and by nowhere else.
    pub(crate) async fn lease(
        &self,
        call: &Call,
        is_repeatable: bool,
        tried: &[usize],
    ) -> Result<Lease, ToolError> {
        if let Some(callers) = &self.callers {
            let connected = callers.of(&self.name, call).await?;
            return Ok(Lease::new(Arc::clone(&connected.connection), Held::OfCaller(connected), call));
        }
        let leased = match &self.balancer {
            None => self.replicas[0].current().map(|connection| (connection, Held::Shared)),
            Some(balancer) => {
                let is_ready = |at: usize| self.replicas[at].is_connected();
                let pick = balancer.pick(is_ready, tried, is_repeatable, clock::now());
                // One that has just been lost is not there.
                pick.and_then(|pick| Some((self.replicas[pick.endpoint()].current()?, Held::balanced(pick))))
            }
        };
        leased.map(|(connection, held)| Lease::new(connection, held, call)).ok_or_else(|| self.absent())
    }

    /// There is no connection: somebody waits for one.
    #[cold]
    fn absent(&self) -> ToolError {
        self.replicas.iter().for_each(|replica| replica.wanted.notify_one());
        let state = self.known().status.state.clone();
        match state {
            UpstreamState::Down { reason, next, .. } => {
                let wait = next.saturating_duration_since(clock::now());
                self.unavailable(&reason).with_retry_after(wait.max(SOON))
            }
            UpstreamState::Stopped => self.unavailable("it was stopped"),
            _ => self.unavailable("it is being connected"),
        }
    }

    pub(crate) fn unavailable(&self, reason: &str) -> ToolError {
        ToolError::unavailable(format!("`{}` cannot be reached: {reason}", self.name))
    }

    /// From now on no call has a connection.
    pub(crate) fn disconnect(&self) {
        self.replicas.iter().for_each(|replica| replica.connected(None));
    }

    /// Closes what callers do not use, while it is polled.
    pub(crate) async fn maintain(&self) {
        match &self.callers {
            Some(callers) => callers.maintain().await,
            None => std::future::pending().await,
        }
    }

    pub(crate) fn lists(&self) -> Arc<Lists> {
        Arc::clone(&self.known().lists)
    }

    /// Signals that a resource has changed, if somebody wants to hear it.
    pub(crate) fn resource_updated(&self, uri: &str) {
        if let Some(signals) = &*self.signals.lock().unwrap_or_else(PoisonError::into_inner) {
            signals.resource_updated(uri);
        }
    }

    /// Takes over what the server lists, with what else `change` knows of it, and signals what is other than before. The first
    /// lists may take the place of another server's.
    pub(crate) fn listed(&self, lists: Lists, change: impl FnOnce(&mut Known)) {
        let lists = Arc::new(lists);
        let (before, is_first) = self.update(|known| {
            let is_first = known.status.handshakes == 0;
            change(known);
            (std::mem::replace(&mut known.lists, Arc::clone(&lists)), is_first)
        });
        let Some(signals) = self.signals.lock().unwrap_or_else(PoisonError::into_inner).clone() else {
            return;
        };
        if is_first || before.prompts != lists.prompts {
            signals.prompts_changed();
        }
        if is_first || before.resources != lists.resources || before.templates != lists.templates {
            signals.resources_changed();
        }
    }

    pub(crate) fn publisher(&self) -> Option<Arc<Publish>> {
        self.publish.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is known, and says so.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        let changed = change(&mut self.known());
        self.changes.send_modify(|changes| *changes += 1);
        changed
    }

    /// The task has ended. What is offered knows this, which knows what is offered: that ends too.
    pub(crate) fn ended(&self) {
        self.disconnect();
        self.parking.clear();
        let offered = self.update(|known| {
            known.status.state = UpstreamState::Stopped;
            std::mem::take(&mut known.offered)
        });
        drop(offered);
        drop(self.publish.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.running.send_replace(false);
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("name", &self.shared.name)
            .field("state", &self.shared.known().status.state)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("name", &self.name).finish_non_exhaustive()
    }
}

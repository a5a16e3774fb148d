//! What the handles of a client, its requests and the task that moves its messages share.

use std::collections::{BTreeSet, HashMap};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use bytestring::ByteString;
use futures_util::future::AbortHandle;
use futures_util::task::AtomicWaker;
use tokio::sync::{broadcast, mpsc, watch};
use toolpost_json::Limits;
use toolpost_protocol::model::LoggingLevel;
use toolpost_protocol::{Id, Version, receive};

use crate::core::{Bounds, Core, Effect, Kind, NewRequest, Outgoing};
use crate::events::KEPT;
use crate::mailbox::{Mail, Mailbox};
use crate::options::OnProgress;
use crate::params::{Params, fixed_meta};
use crate::questions::Ask;
use crate::respond::Respond;
use crate::{ClientError, ClientEvent, ClientOptions, RawResult, ServerProfile, clock};

/// The most questions that wait to be taken up; the core lets no more be open.
const ASKS: usize = 256;

pub(crate) struct Shared {
    pub(crate) options: ClientOptions,
    limits: Limits,
    core: Mutex<Core<Key>>,
    /// Woken when there is something to send, and when the connection is to end.
    driver: AtomicWaker,
    agreed: OnceLock<Agreed>,
    state: watch::Sender<State>,
    events: Mutex<Option<broadcast::Sender<ClientEvent>>>,
    asks: mpsc::Sender<Ask>,
    asked: Mutex<HashMap<Id, AbortHandle>>,
    /// The resources that a modern server is to tell of.
    pub(crate) watched: watch::Sender<BTreeSet<String>>,
    /// What carries each request by itself, where there is no one stream of all messages.
    #[cfg(feature = "http")]
    carry: OnceLock<Box<Carry>>,
}

/// Carries one request.
#[cfg(feature = "http")]
pub(crate) type Carry = dyn Fn(Arc<Shared>, Outgoing) -> Carrying + Send + Sync;

/// A request on its way: polled by whoever waits for its answer, which comes to its mailbox.
#[cfg(feature = "http")]
pub(crate) type Carrying = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What client and server have agreed on.
pub(crate) struct Agreed {
    pub(crate) profile: Arc<ServerProfile>,
    /// What each request says in its `_meta`.
    fixed: String,
}

/// How far a connection is.
#[derive(Clone, Debug)]
pub(crate) enum State {
    Connecting,
    Ready,
    /// Over, but its task has not ended yet.
    Closing(ClientError),
    Closed(ClientError),
}

/// Where a request's end goes, and who answers what is asked on its behalf.
#[derive(Clone)]
pub(crate) struct Key {
    mailbox: Arc<Mailbox>,
    respond: Option<Arc<dyn Respond>>,
}

/// A request on the wire.
#[derive(Default)]
pub(crate) struct Wire<'a> {
    pub(crate) method: &'a str,
    pub(crate) kind: Option<Kind>,
    /// Members of this round, each followed by a comma.
    pub(crate) round: &'a [u8],
    /// `_meta` of the handshake; what was agreed on otherwise.
    pub(crate) fixed: Option<&'a str>,
    pub(crate) respond: Option<&'a Arc<dyn Respond>>,
    pub(crate) progress: Option<&'a Arc<OnProgress>>,
    pub(crate) whom: Option<&'a ByteString>,
}

impl Shared {
    pub(crate) fn new(options: ClientOptions) -> (Arc<Self>, mpsc::Receiver<Ask>) {
        let (asks, asked) = mpsc::channel(ASKS);
        let bounds = Bounds { in_flight: options.in_flight, noise: options.noise };
        let shared = Self {
            limits: Limits::new().bytes(options.message_limit),
            options,
            core: Mutex::new(Core::new(bounds)),
            driver: AtomicWaker::new(),
            agreed: OnceLock::new(),
            state: watch::channel(State::Connecting).0,
            events: Mutex::new(Some(broadcast::channel(KEPT).0)),
            asks,
            asked: Mutex::default(),
            watched: watch::channel(BTreeSet::new()).0,
            #[cfg(feature = "http")]
            carry: OnceLock::new(),
        };
        (Arc::new(shared), asked)
    }

    /// Has each request carried by itself.
    #[cfg(feature = "http")]
    pub(crate) fn carry_by(&self, carry: impl Fn(Arc<Self>, Outgoing) -> Carrying + Send + Sync + 'static) {
        // It is set once, before there are requests.
        let _set = self.carry.set(Box::new(carry));
    }

    /// The revision that was agreed on.
    #[cfg(feature = "http")]
    pub(crate) fn version(&self) -> Option<Version> {
        self.agreed.get().map(|agreed| agreed.profile.version)
    }

    /// Whether a request is in flight.
    #[cfg(feature = "http")]
    pub(crate) fn is_open(&self, id: i64) -> bool {
        self.core().is_open(id)
    }

    // For whoever makes requests.

    /// Waits until the server has said who it is.
    pub(crate) async fn ready(&self) -> Result<&Agreed, ClientError> {
        if let Some(agreed) = self.agreed.get()
            && self.closed().is_none()
        {
            return Ok(agreed);
        }
        let mut state = self.state.subscribe();
        loop {
            match &*state.borrow_and_update() {
                State::Connecting => {}
                State::Ready => {
                    if let Some(agreed) = self.agreed.get() {
                        return Ok(agreed);
                    }
                }
                State::Closing(why) | State::Closed(why) => return Err(why.unsent()),
            }
            // `self` keeps the sender.
            let _ = state.changed().await;
        }
    }

    /// Sends a request; its end is the ticket's.
    pub(crate) fn send(self: &Arc<Self>, params: &Params, wire: &Wire<'_>) -> Result<Ticket, ClientError> {
        let mailbox = Arc::new(Mailbox::default());
        let key = Key { mailbox: Arc::clone(&mailbox), respond: wire.respond.cloned() };
        let reports = wire.progress.is_some();
        let kind = wire.kind.unwrap_or(Kind::Call);
        let name = params.name.as_ref();
        let request = NewRequest { kind, method: wire.method, name, reports, whom: wire.whom };
        // What a request's own answers offer is said in its own `_meta`.
        let own = match (wire.respond, self.agreed.get()) {
            (Some(respond), Some(agreed)) if agreed.profile.version.is_modern() => {
                Some(self.fixed(agreed.profile.version, &**respond, self.options.log_level.as_ref()))
            }
            _ => None,
        };
        let agreed = self.agreed.get().map_or("", |agreed| &agreed.fixed);
        let fixed = wire.fixed.or(own.as_deref()).unwrap_or(agreed);
        #[cfg(feature = "http")]
        let mut message = None;
        let id = self.with(|core| {
            let id = core.request(key, &request, |out, id| {
                params.write(out, wire.round, fixed, reports.then_some(id));
            })?;
            #[cfg(feature = "http")]
            if self.carry.get().is_some() {
                message = core.pop_last();
            }
            Ok(id)
        })?;
        Ok(Ticket {
            shared: Arc::clone(self),
            id,
            mailbox,
            progress: wire.progress.cloned(),
            #[cfg(feature = "http")]
            carrying: message.and_then(|message| Some(self.carry.get()?(Arc::clone(self), message))),
            over: false,
        })
    }

    /// Sends a request whose answer nobody waits for.
    pub(crate) fn leave(&self, method: &str, params: &Params) {
        let fixed = self.agreed.get().map_or("", |agreed| &agreed.fixed);
        self.with(|core| {
            core.leave(method, params.name.as_ref(), |out| params.write(out, &[], fixed, None));
        });
    }

    /// Whether the server has said who it is.
    pub(crate) fn is_agreed(&self) -> bool {
        self.agreed.get().is_some()
    }

    /// Tells the server something.
    pub(crate) fn notify(&self, method: &str, params: &str) {
        self.with(|core| core.notify(method, params));
    }

    pub(crate) fn fixed(
        &self,
        version: Version,
        respond: &dyn Respond,
        log_level: Option<&LoggingLevel>,
    ) -> String {
        let capabilities = self.options.capabilities(respond, true);
        fixed_meta(version, &self.options.implementation, &capabilities, log_level)
    }

    /// Ends the connection.
    pub(crate) fn close(&self, why: &ClientError) {
        self.with(|core| core.close(why));
    }

    pub(crate) fn closed(&self) -> Option<ClientError> {
        self.core().closed().cloned()
    }

    pub(crate) fn calls(&self) -> usize {
        self.core().calls()
    }

    pub(crate) fn ignored(&self) -> u64 {
        self.core().ignored()
    }

    pub(crate) fn states(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<ClientEvent> {
        match &*lock(&self.events) {
            Some(events) => events.subscribe(),
            // Over: a channel that has ended.
            None => broadcast::channel(1).1,
        }
    }

    // For whoever moves messages.

    /// Has the task woken when there is something to send, and when the connection is over.
    pub(crate) fn watch(&self, cx: &Context<'_>) {
        self.driver.register(cx.waker());
    }

    /// The next message to send; the task is [woken](Self::watch) when there is one.
    pub(crate) fn poll_outgoing(&self, cx: &Context<'_>) -> Poll<Outgoing> {
        if let Some(next) = self.core().pop() {
            return Poll::Ready(next);
        }
        self.watch(cx);
        self.core().pop().map_or(Poll::Pending, Poll::Ready)
    }

    /// Takes a message of the server, which came on the stream of the request `via` where requests have streams.
    pub(crate) fn receive(&self, message: &Bytes, via: Option<i64>) {
        match receive(message, &self.limits) {
            Ok(frame) => self.with(|core| core.receive(frame, via, clock::now())),
            Err(malformed) => self.with(|core| core.unreadable(&malformed)),
        }
    }

    /// Says that a request has ended without an answer, as a transport knows where requests have streams.
    #[allow(dead_code, reason = "of transports whose requests have streams")]
    pub(crate) fn fail(&self, id: i64, error: ClientError) {
        self.with(|core| core.fail(id, error));
    }

    /// Changes the connection, and passes on what came of it, in order.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Core<Key>) -> T) -> T {
        let mut core = self.core();
        let was_open = core.closed().is_none();
        let changed = change(&mut core);
        let effects = core.take_effects();
        let why = core.closed().filter(|_| was_open).cloned();
        let wake = core.has_outgoing() || why.is_some();
        // Whoever is woken may come back at once.
        drop(core);
        effects.into_iter().for_each(|effect| self.effect(effect));
        if let Some(why) = why {
            self.state.send_if_modified(|state| {
                // Its task may have ended since, without anybody's lock.
                let is_over = matches!(state, State::Closed(_));
                if !is_over {
                    *state = State::Closing(why);
                }
                !is_over
            });
            lock(&self.events).take();
        }
        if wake {
            self.driver.wake();
        }
        changed
    }

    // For the client's own task.

    /// What client and server have agreed on is so from now on.
    pub(crate) fn agree(&self, profile: ServerProfile) {
        let is_modern = profile.version.is_modern();
        let fixed = match is_modern {
            true => self.fixed(profile.version, &*self.options.respond, self.options.log_level.as_ref()),
            false => String::new(),
        };
        if self.agreed.set(Agreed { profile: Arc::new(profile), fixed }).is_err() {
            return;
        }
        if is_modern {
            self.with(Core::set_stateless);
        }
        self.state.send_if_modified(|state| {
            let connecting = matches!(state, State::Connecting);
            if connecting {
                *state = State::Ready;
            }
            connecting
        });
    }

    /// The task that moved messages has ended.
    pub(crate) fn ended(&self) {
        let over = ClientError::ConnectionLost("the connection's task has ended".into());
        self.close(&over);
        let why = self.closed().unwrap_or(over);
        self.state.send_replace(State::Closed(why));
    }

    pub(crate) fn tell(&self, event: ClientEvent) {
        if let Some(events) = &*lock(&self.events) {
            // Nobody listens, maybe.
            let _ = events.send(event);
        }
    }

    /// Tells that every list may have changed.
    #[cfg(feature = "http")]
    pub(crate) fn tell_lists_changed(&self) {
        self.tell(ClientEvent::ToolsChanged);
        self.tell(ClientEvent::PromptsChanged);
        self.tell(ClientEvent::ResourcesChanged);
    }

    pub(crate) fn asking(&self) -> MutexGuard<'_, HashMap<Id, AbortHandle>> {
        lock(&self.asked)
    }

    fn effect(&self, effect: Effect<Key>) {
        match effect {
            Effect::Done(key, outcome) => key.mailbox.finish(outcome),
            Effect::Progress(key, progress) => key.mailbox.progress(progress),
            Effect::Acknowledged(key) => key.mailbox.acknowledge(),
            Effect::Event(event) => self.tell(event),
            Effect::Ask { id, question, about } => {
                let respond = about.and_then(|key| key.respond);
                let respond = respond.unwrap_or_else(|| Arc::clone(&self.options.respond));
                let (abort, aborted) = AbortHandle::new_pair();
                self.asking().insert(id.clone(), abort);
                if self.asks.try_send(Ask { id: id.clone(), question, respond, aborted }).is_err() {
                    self.asking().remove(&id);
                    self.with(|core| core.answer(&id, &Err(crate::respond::unanswered("more questions"))));
                }
            }
            Effect::Withdraw(id) => {
                if let Some(abort) = self.asking().remove(&id) {
                    abort.abort();
                }
            }
        }
    }

    fn core(&self) -> MutexGuard<'_, Core<Key>> {
        lock(&self.core)
    }
}

/// A request in flight. Dropping it cancels the request.
pub(crate) struct Ticket {
    shared: Arc<Shared>,
    id: i64,
    mailbox: Arc<Mailbox>,
    progress: Option<Arc<OnProgress>>,
    #[cfg(feature = "http")]
    carrying: Option<Carrying>,
    over: bool,
}

impl Ticket {
    /// Ready once the server has begun the stream that was asked for, or the request is over.
    pub(crate) fn poll_acknowledged(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_carrying(cx);
        self.mailbox.poll_acknowledged(cx)
    }
}

impl Ticket {
    #[cfg(feature = "http")]
    fn poll_carrying(&mut self, cx: &mut Context<'_>) {
        if let Some(carrying) = &mut self.carrying
            && carrying.as_mut().poll(cx).is_ready()
        {
            self.carrying = None;
        }
    }

    #[cfg(not(feature = "http"))]
    const fn poll_carrying(&mut self, _: &mut Context<'_>) {}
}

impl Future for Ticket {
    type Output = Result<RawResult, ClientError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_carrying(cx);
        loop {
            match std::task::ready!(self.mailbox.poll(cx)) {
                Mail::Progress(progress) => {
                    if let Some(hear) = &self.progress {
                        hear(progress.done, progress.total, progress.message.as_deref());
                    }
                }
                Mail::Outcome(outcome) => {
                    self.over = true;
                    return Poll::Ready(outcome);
                }
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.over {
            self.shared.with(|core| core.cancel(self.id, clock::now()));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

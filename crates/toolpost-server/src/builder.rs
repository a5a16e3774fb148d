//! Sets a server up.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
#[cfg(feature = "http")]
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use toolpost_dispatch::Dispatcher;
use toolpost_json::Limits;
use toolpost_tool::{Principal, Priority, TaskSupport};

#[cfg(feature = "http")]
use crate::Authenticate;
#[cfg(feature = "http")]
use crate::authenticate::Identify;
#[cfg(feature = "http")]
use crate::http::{
    DetachedCalls, Document, EventStore, HostOriginPolicy, Http, HttpLimits, MemoryEventStore,
    ProtectedResource, Resuming, Sessions,
};
use crate::server::Inner;
use crate::service::Service;
use crate::service::catalog::ToolList;
use crate::service::identity::{Identity, Implementation};
use crate::service::seal::Sealer;
use crate::service::tasks::Tasks;
use crate::{ConnectionLimits, ListenLimits, MemoryTasks, Server, TaskLimits, TaskStore};

/// Sets a [`Server`] up; made by [`Server::builder`].
pub struct ServerBuilder {
    dispatcher: Dispatcher,
    implementation: Implementation,
    instructions: Option<String>,
    limits: Limits,
    message_limit: usize,
    response_limit: usize,
    list_ttl: Duration,
    page_size: usize,
    empty_lists: bool,
    state_key: Option<[u8; 32]>,
    grace: Duration,
    #[cfg(feature = "http")]
    http: HttpLimits,
    connection: ConnectionLimits,
    listen: ListenLimits,
    #[cfg(feature = "http")]
    host_origin: HostOriginPolicy,
    #[cfg(feature = "http")]
    path: String,
    #[cfg(feature = "http")]
    authenticate: Option<Box<dyn Identify>>,
    #[cfg(feature = "http")]
    protected_resource: Option<ProtectedResource>,
    #[cfg(feature = "http")]
    event_store: Option<Arc<dyn EventStore>>,
    heartbeat: Option<Duration>,
    clamp: Option<Box<crate::service::Clamp>>,
    tasks: Option<Arc<dyn TaskStore>>,
    task_limits: TaskLimits,
    #[cfg(feature = "http")]
    public: bool,
}

impl ServerBuilder {
    pub(crate) fn new(dispatcher: Dispatcher) -> Self {
        let implementation = Implementation {
            name: env!("CARGO_PKG_NAME").into(),
            version: env!("CARGO_PKG_VERSION").into(),
            ..Implementation::default()
        };
        Self {
            dispatcher,
            implementation,
            instructions: None,
            limits: Limits::new(),
            message_limit: 4 << 20,
            response_limit: 16 << 20,
            list_ttl: Duration::from_secs(60),
            page_size: 1_000,
            empty_lists: false,
            state_key: None,
            grace: Duration::from_secs(30),
            #[cfg(feature = "http")]
            http: HttpLimits::default(),
            connection: ConnectionLimits::default(),
            listen: ListenLimits::default(),
            #[cfg(feature = "http")]
            host_origin: HostOriginPolicy::default(),
            #[cfg(feature = "http")]
            path: "/mcp".into(),
            #[cfg(feature = "http")]
            authenticate: None,
            #[cfg(feature = "http")]
            protected_resource: None,
            #[cfg(feature = "http")]
            event_store: Some(Arc::new(MemoryEventStore::default())),
            heartbeat: Some(Duration::from_secs(15)),
            clamp: None,
            tasks: None,
            task_limits: TaskLimits::default(),
            #[cfg(feature = "http")]
            public: false,
        }
    }

    /// Sets the server's name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.implementation.name = name.into();
        self
    }

    /// Sets the server's version.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.implementation.version = version.into();
        self
    }

    /// Sets the name that people are shown.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.implementation.title = Some(title.into());
        self
    }

    /// Sets what the server is for.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.implementation.description = Some(description.into());
        self
    }

    /// Sets where to read about the server.
    #[must_use]
    pub fn website(mut self, url: impl Into<String>) -> Self {
        self.implementation.website_url = Some(url.into());
        self
    }

    /// Tells the model how to use the server.
    #[must_use]
    pub fn instructions(mut self, instructions: impl Into<String>) -> Self {
        self.instructions = Some(instructions.into());
        self
    }

    /// Allows messages of up to `bytes` bytes, from 1 KiB to 100 MiB. Default: 4 MiB.
    #[must_use]
    pub fn message_limit(mut self, bytes: usize) -> Self {
        self.message_limit = bytes.clamp(1 << 10, 100 << 20);
        self
    }

    /// Bounds the depth, the number of values and the length of numbers of one message; its bytes are [`message_limit`](Self::message_limit)'s
    /// matter.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Allows replies of up to `bytes` bytes; a longer one is an error that says so. Default: 16 MiB.
    #[must_use]
    pub const fn response_limit(mut self, bytes: usize) -> Self {
        self.response_limit = bytes;
        self
    }

    /// Sets for how long clients may keep a list. Default: 1 min.
    #[must_use]
    pub const fn list_ttl(mut self, ttl: Duration) -> Self {
        self.list_ttl = ttl;
        self
    }

    /// Sets how many items one page of a list has, at least 1. Default: 1,000.
    #[must_use]
    pub fn page_size(mut self, items: usize) -> Self {
        self.page_size = items.max(1);
        self
    }

    /// Answers `prompts/list`, `resources/list` and `resources/templates/list` with empty lists where nothing of the
    /// kind is offered, rather than with an error: some hosts ask for them whatever the capabilities say, and log
    /// the error. The capabilities stay as they are.
    #[must_use]
    pub const fn empty_lists(mut self) -> Self {
        self.empty_lists = true;
        self
    }

    /// Sets the secret that sessions over HTTP, cursors and the state of suspended calls are protected with, so that
    /// several servers, or one after a restart, take what another gave out. Default: a random one.
    ///
    /// A session is served by every server with the same secret. What its id cannot say stays with the one where it was
    /// said: a log level, subscriptions, and that the client ended it.
    ///
    /// [`Server::rotate_state_key`] replaces it while the server runs.
    #[must_use]
    pub const fn state_key(mut self, secret: [u8; 32]) -> Self {
        self.state_key = Some(secret);
        self
    }

    /// Sets how long calls may go on after the server has stopped. Default: 30 s.
    #[must_use]
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Changes the bounds on what HTTP clients may cost.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn http_limits(mut self, change: impl FnOnce(&mut HttpLimits)) -> Self {
        change(&mut self.http);
        // A silent stream would say nothing else, without a pause.
        self.http.keep_alive = self.http.keep_alive.max(Duration::from_secs(1));
        self
    }

    /// Changes the bounds on what the client of one connection may cost: of a stream of lines, or a [`Connection`](crate::Connection).
    #[must_use]
    pub fn connection_limits(mut self, change: impl FnOnce(&mut ConnectionLimits)) -> Self {
        change(&mut self.connection);
        self
    }

    /// Changes the bounds on what clients that subscribe to changes may cost.
    #[must_use]
    pub fn listen_limits(mut self, change: impl FnOnce(&mut ListenLimits)) -> Self {
        change(&mut self.listen);
        self
    }

    /// Sets the path that [`Server::serve`] serves. Default: `/mcp`.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Lets clients address the server as `host`: a name or an address; a port is left out of account.
    /// Loopback names are always allowed.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn allow_host(mut self, host: impl AsRef<str>) -> Self {
        self.host_origin.allow_host(host.as_ref());
        self
    }

    /// Lets pages of `origin` (scheme, host and port) call the server: their browsers are told that they
    /// may, before anyone is asked who they are, and may show them every answer. Loopback origins are
    /// always allowed.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.host_origin.origins.push(origin.into());
        self
    }

    /// Authenticates HTTP clients; without it, all are anonymous.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn authenticate(mut self, authenticate: impl Authenticate) -> Self {
        self.authenticate = Some(Box::new(authenticate));
        self
    }

    /// Tells clients where to get a token that [`authenticate`](Self::authenticate) takes: in a document that
    /// [`Server::serve`] serves to everybody, and by every challenge.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn protected_resource(mut self, resource: ProtectedResource) -> Self {
        self.protected_resource = Some(resource);
        self
    }

    /// Keeps the events of streams in `store`, so that a client whose connection broke fetches what it missed, the result
    /// of its call above all. Default: a [`MemoryEventStore`] of this server alone.
    ///
    /// This is of HTTP, and of sessions of 2025-03-26 to 2025-11-25; the revision after them has no such thing, and there a
    /// connection that breaks cancels its call. An answer that is one JSON object is never kept. In 2025-11-25 a call that
    /// takes more than a second is answered by a stream, which begins with the id that it can be resumed by; clients of the
    /// revisions before can come back once they have got an event.
    ///
    /// Several servers that share a store, and the [state key](Self::state_key), resume each other's streams.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn event_store(mut self, store: Arc<dyn EventStore>) -> Self {
        self.event_store = Some(store);
        self
    }

    /// Keeps no events: a stream whose connection broke cannot be resumed.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn without_event_store(mut self) -> Self {
        self.event_store = None;
        self
    }

    /// Sets after how much silence a client that asked for progress hears that its call still runs; `None` for never.
    /// Default: 15 s; at least 1 s. Clients commonly give up a request after a minute without progress.
    ///
    /// Such a heartbeat is a progress notification with the last total and message of the tool, or else the message
    /// `still running`. Its value is a billionth more than the one before it (0 if there was none), since the protocol
    /// wants every value to be greater; a value of the tool's own that would not be is sent as a billionth more, too. What
    /// a tool says is never left out for a heartbeat.
    ///
    /// A heartbeat says that the call is not answered, and no more: limit the time of tools that may hang.
    #[must_use]
    pub fn progress_heartbeat(mut self, after: impl Into<Option<Duration>>) -> Self {
        self.heartbeat = after.into().map(|after| after.max(Duration::from_secs(1)));
        self
    }

    /// Serves unauthenticated clients on addresses that are not loopback: for servers behind a proxy that authenticates
    /// them.
    #[cfg(feature = "http")]
    #[must_use]
    pub const fn allow_unauthenticated_public(mut self) -> Self {
        self.public = true;
        self
    }

    /// Limits the priority that a principal's requests ask for: `clamp` is given both, and answers with the priority to
    /// use. Where it panics, the request is [`Background`](Priority::Background).
    #[must_use]
    pub fn clamp_priority(
        mut self,
        clamp: impl Fn(&Principal, Priority) -> Priority + Send + Sync + 'static,
    ) -> Self {
        self.clamp = Some(Box::new(clamp));
        self
    }

    /// Keeps calls that outlive their requests in `store`: those of tools that
    /// [support it](toolpost_tool::ToolSpec::with_task_support). Default: [`MemoryTasks`], if there is such a tool when the
    /// server is built; without a store, all calls are answered in their requests. See [the crate's page](crate#calls-that-outlive-their-requests).
    #[must_use]
    pub fn tasks(mut self, store: impl TaskStore) -> Self {
        self.tasks = Some(Arc::new(store));
        self
    }

    /// Changes how long tasks are kept, and how often the server looks after them.
    #[must_use]
    pub fn task_limits(mut self, change: impl FnOnce(&mut TaskLimits)) -> Self {
        change(&mut self.task_limits);
        self
    }

    /// Builds the server.
    #[must_use]
    pub fn build(self) -> Server {
        let catalog = self.dispatcher.catalog();
        let has_task_tools =
            catalog.iter().any(|entry| *entry.spec().task_support() != TaskSupport::Forbidden);
        let in_memory = || has_task_tools.then(|| Arc::new(MemoryTasks::new()) as Arc<dyn TaskStore>);
        let tasks = self.tasks.or_else(in_memory).map(|store| Arc::new(Tasks::new(store, self.task_limits)));
        let stop = CancellationToken::new();
        let service = Arc::new(Service {
            dispatcher: self.dispatcher,
            identity: Identity::new(&self.implementation, self.instructions.as_deref()),
            tools: ToolList::new(self.list_ttl),
            page_size: self.page_size,
            empty_lists: self.empty_lists,
            sealer: Sealer::new(self.state_key),
            listeners: Default::default(),
            listen_limits: self.listen,
            stop: stop.clone(),
            limits: self.limits.bytes(self.message_limit),
            response_limit: self.response_limit,
            heartbeat: self.heartbeat,
            clamp: self.clamp,
            tasks,
            connections: AtomicU64::new(1),
        });
        #[cfg(feature = "http")]
        let http = Arc::new(Http {
            service: Arc::clone(&service),
            host_origin: self.host_origin,
            limits: self.http,
            message_limit: self.message_limit,
            sessions: Sessions::new(&self.http),
            authenticate: self.authenticate,
            document: self.protected_resource.as_ref().map(Document::new),
            path: self.path,
            resuming: self.event_store.map(Resuming::new),
            detached: DetachedCalls::new(&self.http),
            spare: Arc::default(),
            uses: AtomicU64::new(0),
            bytes: AtomicUsize::new(0),
            stop: stop.clone(),
        });
        Server(Arc::new(Inner {
            service,
            #[cfg(feature = "http")]
            http,
            #[cfg(feature = "http")]
            public: self.public,
            connection: self.connection,
            #[cfg(feature = "stdio")]
            message_limit: self.message_limit,
            #[cfg(any(feature = "http", feature = "stdio"))]
            grace: self.grace,
            stop,
        }))
    }
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder").field("dispatcher", &self.dispatcher).finish_non_exhaustive()
    }
}

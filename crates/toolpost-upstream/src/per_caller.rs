//! Connections of callers: each call goes over one of its own caller's.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use toolpost_client::{ClientError, McpClient};
use toolpost_pool::rt::{Connect, ConnectionPool, PooledConnection};
use toolpost_pool::{PoolError, PoolOptions};
use toolpost_tool::{Call, Principal, Refusal, ToolError};

use crate::clean::line;
use crate::connection::Connection;
use crate::endpoint::Opened;
use crate::replica::SOON;
use crate::{Endpoint, UpstreamOptions};

/// The longest reason, in bytes.
const REASON_MAX: usize = 1_000;

/// Gives each caller connections of its own to a server that serves one user at a time, or keeps something for its user: an
/// endpoint for each key, and the key of a caller.
///
/// Calls, prompts, resources and completions go over a connection of their caller's key, which is made at the first of them, within
/// the time of that call, and kept in a pool. The lists are read over the upstream's own connection, as nobody. A caller without
/// a key is refused.
///
/// Unless told otherwise the key is the principal's name, and a key has one connection, which carries all that it does at once;
/// there are at most 100, of which the one idle for longest gives way; each may take as long to be made as the upstream's
/// [start](crate::UpstreamOptions::start_limit). Of [several endpoints](Endpoint::several) each key has its own, and another where
/// that cannot be reached. Log lines of these connections go nowhere.
///
/// ```
/// use tokio::net::TcpStream;
/// use toolpost_pool::PoolOptions;
/// use toolpost_upstream::{Endpoint, PerCaller, UpstreamOptions};
///
/// let browsers = PerCaller::new(|user| {
///     let socket = format!("/run/browsers/{user}"); // A program for each, say, with the credentials of this user.
/// #   let _ = socket;
///     Endpoint::streams(|| async { Ok(TcpStream::connect("[::1]:7000").await?.into_split()) })
/// });
/// let options = UpstreamOptions::new().per_caller(browsers.pool(PoolOptions::new().total(20).per_key(1).shared_by(16)));
/// # let _ = options;
/// ```
#[derive(Clone)]
pub struct PerCaller {
    endpoint: Arc<EndpointOf>,
    key: Arc<KeyOf>,
    /// As the upstream says that it may take, unless told.
    pool: Option<PoolOptions>,
}

type EndpointOf = dyn Fn(&str) -> Endpoint + Send + Sync;
type KeyOf = dyn Fn(&Principal) -> Option<String> + Send + Sync;

impl PerCaller {
    /// Reaches the server of each key at the endpoint that `endpoint` makes of it.
    #[must_use]
    pub fn new(endpoint: impl Fn(&str) -> Endpoint + Send + Sync + 'static) -> Self {
        let key = |principal: &Principal| (!principal.is_anonymous()).then(|| principal.as_str().to_owned());
        Self { endpoint: Arc::new(endpoint), key: Arc::new(key), pool: None }
    }

    /// Sets the key of a principal: whoever has the same shares connections, and what the server keeps for them. Without one
    /// the call is refused.
    #[must_use]
    pub fn key(mut self, key: impl Fn(&Principal) -> Option<String> + Send + Sync + 'static) -> Self {
        self.key = Arc::new(key);
        self
    }

    /// Sets how many connections there are, and how long they are kept.
    #[must_use]
    pub fn pool(mut self, options: PoolOptions) -> Self {
        self.pool = Some(options);
        self
    }
}

impl fmt::Debug for PerCaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerCaller").field("pool", &self.pool).finish_non_exhaustive()
    }
}

/// The connections of all callers.
pub(crate) struct Callers {
    pool: ConnectionPool<String, Connects>,
    key: Arc<KeyOf>,
    clients: Arc<Clients>,
}

/// A connection of one key, for as long as a call uses it.
pub(crate) type OfCaller = PooledConnection<String, Connects>;

impl Callers {
    pub(crate) fn new(per_caller: &PerCaller, options: UpstreamOptions) -> Self {
        let PerCaller { endpoint, key, pool } = per_caller.clone();
        let limit = options.start_limit;
        let pool = pool.unwrap_or_else(|| {
            PoolOptions::new().per_key(1).shared_by(1_024).connect_timeout(limit).get_timeout(limit)
        });
        let clients = Arc::<Clients>::default();
        let only_legacy = AtomicBool::new(false);
        let connects = Connects { endpoint, options, only_legacy, clients: Arc::clone(&clients) };
        Self { pool: ConnectionPool::new(pool, connects), key, clients }
    }

    /// A connection of whoever makes this call, and of nobody else.
    pub(crate) async fn of(&self, name: &str, call: &Call) -> Result<OfCaller, ToolError> {
        let Some(key) = (self.key)(call.principal()) else {
            let message = format!("`{name}` has connections of its callers alone, and nobody says who calls");
            return Err(ToolError::refused(Refusal::Denied, message, None));
        };
        let got = match call.deadline() {
            Some(deadline) => self.pool.get_by(key.as_str(), deadline).await,
            None => self.pool.get(key.as_str()).await,
        };
        got.map_err(|error| match error {
            PoolError::Full { .. } | PoolError::TimedOut => {
                let message = format!("`{name}` has no connection free: {error}");
                ToolError::refused(Refusal::QueueFull, message, Some(SOON))
            }
            PoolError::Connect(why) => {
                let why = line(&why, REASON_MAX);
                ToolError::unavailable(format!("`{name}` cannot be reached: {why}"))
            }
            PoolError::Closed => {
                ToolError::unavailable(format!("`{name}` cannot be reached: it was stopped"))
            }
            other => ToolError::unavailable(format!("`{name}` cannot be reached: {other}")),
        })
    }

    /// How many requests are in flight, or will be as soon as there is a connection for them.
    pub(crate) fn in_flight(&self) -> usize {
        let requests: usize = self.clients.all().values().map(McpClient::in_flight).sum();
        let stats = self.pool.stats();
        requests.max(stats.in_use) + stats.waiting
    }

    /// Closes what is idle for too long, while it is polled.
    pub(crate) async fn maintain(&self) {
        self.pool.maintain().await;
    }

    /// Ends all connections, and the calls in flight over them.
    pub(crate) async fn end(&self) {
        self.pool.close();
        let clients: Vec<McpClient> = self.clients.all().values().cloned().collect();
        // At once: each may take a second.
        join_all(clients.iter().map(McpClient::close)).await;
    }
}

/// The clients of connections that are open.
#[derive(Debug, Default)]
struct Clients {
    last: AtomicU64,
    open: Mutex<HashMap<u64, McpClient>>,
}

impl Clients {
    fn all(&self) -> MutexGuard<'_, HashMap<u64, McpClient>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the connections of callers.
pub(crate) struct Connects {
    endpoint: Arc<EndpointOf>,
    options: UpstreamOptions,
    /// The eras in which the next connection begins, as of an upstream's own.
    only_legacy: AtomicBool,
    clients: Arc<Clients>,
}

/// A connection of a caller, and what is at its other end, which ends with this.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) connection: Arc<Connection>,
    _opened: Opened,
    number: u64,
    clients: Arc<Clients>,
}

impl Connect<String> for Connects {
    type Connection = Connected;
    type Error = String;

    /// Of several endpoints each key has its own, and the next ones where that cannot be reached.
    async fn connect(&self, key: &String) -> Result<Connected, String> {
        let endpoints = (self.endpoint)(key).each();
        let mut hash = DefaultHasher::new();
        key.hash(&mut hash);
        let first = (hash.finish() % endpoints.len() as u64) as usize;
        let mut why = String::new();
        for endpoint in endpoints.iter().cycle().skip(first).take(endpoints.len()) {
            match self.over(endpoint).await {
                Ok(connected) => return Ok(connected),
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    fn is_open(&self, connected: &Connected) -> bool {
        connected.connection.client.closed().now_or_never().is_none()
    }
}

impl Connects {
    async fn over(&self, endpoint: &Endpoint) -> Result<Connected, String> {
        let mut is_again = false;
        let (opened, client, profile) = loop {
            let begin_legacy = self.only_legacy.load(Ordering::Relaxed);
            let opened = endpoint.open(self.options.client(begin_legacy)).await?;
            let client = opened.client.clone();
            match client.ready().await {
                Ok(profile) => break (opened, client, profile),
                // There are servers that end when they are asked in the other era.
                Err(ClientError::ConnectionLost(_)) if !is_again => {
                    self.only_legacy.store(!begin_legacy, Ordering::Relaxed);
                    is_again = true;
                }
                Err(error) => return Err(error.to_string()),
            }
        };
        let number = self.clients.last.fetch_add(1, Ordering::Relaxed);
        self.clients.all().insert(number, client.clone());
        let connection = Arc::new(Connection::new(client, profile.version));
        Ok(Connected { connection, _opened: opened, number, clients: Arc::clone(&self.clients) })
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let client = self.clients.all().remove(&self.number);
        drop(client);
    }
}

impl fmt::Debug for Callers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callers").field("pool", &self.pool).finish_non_exhaustive()
    }
}

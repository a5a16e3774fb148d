//! The keys of an issuer, fetched when they are needed and kept for as long as they may be.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::ACCEPT;
use http::{Request, Uri};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::fetch::{BoundedFetch, trusted};
use crate::key_set::KeySet;
use crate::refused::{Refused, Why};
use crate::{Algorithm, AuthError, Fetch, clock};

/// The bytes of a set of keys, and the keys in it, at most.
const BYTES: usize = 256 << 10;
const KEYS: usize = 100;
/// Without any keys a failed fetch is repeated after this.
const WITHOUT_KEYS: Duration = Duration::from_secs(5);

/// The public keys by which an issuer's tokens are verified (JWKS, RFC 7517).
///
/// They are fetched when the first token needs them, and again in the background when they are ten minutes old. One fetch runs
/// at a time, and whoever needs what it fetches waits for it. A token of an unknown key has them fetched at once, for the issuer
/// may have changed its keys, but not within a minute of the last fetch, whatever became of that and however many unknown keys
/// are named: meanwhile such a token is refused. An issuer that cannot be reached leaves the keys that are known in use, an
/// hour long; then, or if there were none, the answer is 503 until it can be.
///
/// A fetch runs in a task of its own, so that a client that goes away does not end it for the others. The task ends within its
/// timeout, and with the `Jwks`.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use toolpost_auth::{HttpsClient, Jwks};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let url = "https://login.example.com/.well-known/jwks.json";
/// let keys = Arc::new(Jwks::new(url, HttpsClient::new()?)?.keep_for(Duration::from_secs(4 * 3600)));
/// keys.refresh().await?; // so that a wrong URL ends the start, not the first call
/// # Ok(())
/// # }
/// ```
pub struct Jwks {
    origin: Option<(Uri, Arc<dyn BoundedFetch>)>,
    limits: Limits,
    keys: Arc<Shared>,
    /// The owner of the fetch that runs, or ran last.
    fetching: Mutex<Option<AbortOnDropHandle<()>>>,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    refresh_after: Duration,
    keep_for: Duration,
    ask_again_after: Duration,
    timeout: Duration,
}

/// What a fetch leaves, and who waits for it.
struct Shared {
    state: Mutex<State>,
    /// How many fetches have ended.
    ended: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    keys: Option<(Arc<KeySet>, Instant)>,
    is_fetching: bool,
    /// When the last fetch ended, and why it failed, if it did.
    last: Option<(Instant, Option<AuthError>)>,
}

/// What becomes of a token whose keys are looked for.
enum Step {
    Found(Arc<KeySet>),
    Refused(Refused),
    Wait(watch::Receiver<u64>),
}

impl Jwks {
    /// Fetches the keys from `url` by `client`.
    ///
    /// # Errors
    ///
    /// If the URL does not begin with `https://` (or leads to this machine), or has a password in it.
    pub fn new(url: &str, client: impl Fetch) -> Result<Self, AuthError> {
        Ok(Self::of(Some((trusted(url)?, Arc::new(client)))))
    }

    /// Fetches the keys from `url` over HTTPS, trusting whom the system trusts.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and if the system's certificates cannot be read.
    #[cfg(feature = "https")]
    pub fn https(url: &str) -> Result<Self, AuthError> {
        Self::new(url, crate::HttpsClient::new()?)
    }

    /// Reads the keys from `json`, for good: nothing is fetched.
    ///
    /// # Errors
    ///
    /// If it is no set of keys, or has none that tokens are verified by.
    pub fn from_json(json: &str) -> Result<Self, AuthError> {
        let keys = KeySet::read(Bytes::copy_from_slice(json.as_bytes()), KEYS)?;
        let fixed = Self::of(None);
        fixed.keys.lock().keys = Some((Arc::new(keys), clock::now()));
        Ok(fixed)
    }

    /// Has keys of this age fetched anew in the background: ten minutes by default.
    #[must_use]
    pub const fn refresh_after(mut self, age: Duration) -> Self {
        self.limits.refresh_after = age;
        self
    }

    /// Uses keys up to this age while no newer ones can be had: an hour by default. A key that its issuer takes back is
    /// accepted so long by a server that cannot reach it.
    #[must_use]
    pub const fn keep_for(mut self, age: Duration) -> Self {
        self.limits.keep_for = age;
        self
    }

    /// Leaves this time between two fetches: a minute by default, and a second at least.
    #[must_use]
    pub fn ask_again_after(mut self, time: Duration) -> Self {
        self.limits.ask_again_after = time.max(Duration::from_secs(1));
        self
    }

    /// Ends a fetch after this time: five seconds by default.
    #[must_use]
    pub const fn timeout(mut self, time: Duration) -> Self {
        self.limits.timeout = time;
        self
    }

    /// Fetches the keys now, or waits for the fetch that runs: at start, so that a wrong URL is found out, or on a signal.
    ///
    /// # Errors
    ///
    /// If they cannot be had; those that are known stay.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing: the fetch goes on.
    pub async fn refresh(&self) -> Result<(), AuthError> {
        let running = {
            let mut state = self.keys.lock();
            self.start(&mut state);
            state.is_fetching.then(|| self.keys.ended.subscribe())
        };
        if let Some(mut ended) = running {
            let _closed = ended.changed().await;
        }
        match &self.keys.lock().last {
            Some((_, Some(error))) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// The keys, with one that a token of this key id and algorithm may be signed by.
    pub(crate) async fn with(&self, id: Option<&str>, algorithm: Algorithm) -> Result<Arc<KeySet>, Refused> {
        let mut may_wait = true;
        loop {
            let step = self.step(id, algorithm, may_wait);
            match step {
                Step::Found(keys) => return Ok(keys),
                Step::Refused(refused) => return Err(refused),
                Step::Wait(mut ended) => {
                    let _closed = ended.changed().await;
                    may_wait = false;
                }
            }
        }
    }

    fn step(&self, id: Option<&str>, algorithm: Algorithm, may_wait: bool) -> Step {
        let (limits, now) = (&self.limits, clock::now());
        let mut state = self.keys.lock();
        let age = |at: &Instant| now.saturating_duration_since(*at);
        let known = state.keys.as_ref();
        let known = known.filter(|(_, at)| self.origin.is_none() || age(at) < limits.keep_for).cloned();
        let again = match known {
            Some(_) => limits.ask_again_after,
            None => limits.ask_again_after.min(WITHOUT_KEYS),
        };
        let wait = state.last.as_ref().map_or(Duration::ZERO, |(at, _)| again.saturating_sub(age(at)));
        let is_due = may_wait && self.origin.is_some() && wait.is_zero();
        let found = known.as_ref().filter(|(keys, _)| keys.matching(id, algorithm).next().is_some());
        if let Some((keys, at)) = found {
            if is_due && limits.refresh_after <= age(at) {
                self.start(&mut state);
            }
            return Step::Found(Arc::clone(keys));
        }
        if may_wait && (is_due || state.is_fetching) {
            self.start(&mut state);
            return Step::Wait(self.keys.ended.subscribe());
        }
        let failed = matches!(state.last, Some((_, Some(_))));
        Step::Refused(match known {
            Some(_) if !failed => Why::UnknownKey.into(),
            _ => Refused::Unavailable(wait.max(Duration::from_secs(1))),
        })
    }

    /// Starts a fetch, unless one runs.
    fn start(&self, state: &mut State) {
        let Some((url, client)) = self.origin.as_ref().filter(|_| !state.is_fetching) else { return };
        let (attempt, client) = (Attempt::begin(&self.keys, state), Arc::clone(client));
        let (url, timeout) = (url.clone(), self.limits.timeout);
        #[expect(clippy::disallowed_methods, reason = "owned here: aborted when the keys are dropped")]
        let task = tokio::spawn(async move {
            let mut request = Request::new(Bytes::new());
            *request.uri_mut() = url;
            request.headers_mut().insert(ACCEPT, http::HeaderValue::from_static("application/json"));
            let body = client.body(request, BYTES, timeout).await;
            attempt.end(body.and_then(|body| KeySet::read(body, KEYS)));
        });
        *self.fetching.lock().unwrap_or_else(PoisonError::into_inner) = Some(AbortOnDropHandle::new(task));
    }

    fn of(origin: Option<(Uri, Arc<dyn BoundedFetch>)>) -> Self {
        let limits = Limits {
            refresh_after: Duration::from_secs(600),
            keep_for: Duration::from_secs(3600),
            ask_again_after: Duration::from_secs(60),
            timeout: Duration::from_secs(5),
        };
        let keys = Arc::new(Shared { state: Mutex::default(), ended: watch::Sender::new(0) });
        Self { origin, limits, keys, fetching: Mutex::default() }
    }
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.origin.as_ref().map(|(url, _)| url.to_string());
        f.debug_struct("Jwks").field("url", &url).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fetch under way. Dropping it is its end, however it came: whoever waits goes on.
struct Attempt {
    keys: Arc<Shared>,
    ended: Result<KeySet, AuthError>,
}

impl Attempt {
    fn begin(keys: &Arc<Shared>, state: &mut State) -> Self {
        state.is_fetching = true;
        Self { keys: Arc::clone(keys), ended: Err(AuthError::new("the fetch was broken off")) }
    }

    fn end(mut self, ended: Result<KeySet, AuthError>) {
        self.ended = ended;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let ended = std::mem::replace(&mut self.ended, Err(AuthError::new("")));
        let now = clock::now();
        let mut state = self.keys.lock();
        state.is_fetching = false;
        state.last = Some((now, ended.as_ref().err().cloned()));
        if let Ok(keys) = ended {
            state.keys = Some((Arc::new(keys), now));
        }
        // Within the lock: who begins to wait for the next fetch must not be woken by this one.
        self.keys.ended.send_modify(|count| *count += 1);
    }
}

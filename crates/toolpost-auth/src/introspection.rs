//! Access tokens that their authorization server is asked about.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{Shared, WeakShared};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Uri};
use lru::LruCache;
use toolpost_json::{Frame, Limits, Node};
use toolpost_server::{Authenticate, Unauthenticated, bearer_token};
use toolpost_tool::Principal;

use crate::claims::{Expected, LONGEST, Verified};
use crate::clock::{self, Clock};
use crate::fetch::{BoundedFetch, trusted};
use crate::refused::{Refused, Why};
use crate::{AuthError, Fetch};

/// The bytes of an answer, at most.
const BYTES: usize = 16 << 10;
/// So many answers of either kind are remembered, and so many questions are under way at once.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(4_096).expect("not zero");
const ASKED_AT_ONCE: usize = 256;
/// The longest time that a host may have it remembered that a token is valid.
const LONGEST_MEMORY: Duration = Duration::from_secs(86_400);
/// How long it is remembered that a token is not valid.
const REFUSED_FOR: Duration = Duration::from_secs(10);
/// When to come again, if nobody could say.
const AGAIN: Duration = Duration::from_secs(5);

/// Lets in whoever carries a token that its authorization server calls active (RFC 7662), for tokens that only their server can
/// read.
///
/// What the server says of the token is checked as the claims of a JWT are: it has to be for this resource (`aud`), not expired,
/// not bound to a key, and to say whom it is for. An answer is remembered until the token expires and for a minute at most, so
/// that a token that is taken back is good that long; that a token is not valid, for ten seconds. However many requests carry a
/// token, one question about it is under way at a time; it is dropped with the last of them. While the server cannot be asked,
/// only those are let in whose answer is remembered, and for others the answer is 503.
///
/// ```
/// use toolpost_auth::{HttpsClient, Introspection};
/// # use toolpost_dispatch::{Dispatcher, Registry};
/// # use toolpost_server::Server;
///
/// # fn run(dispatcher: Dispatcher) -> Result<(), Box<dyn std::error::Error>> {
/// let (url, resource) = ("https://login.example.com/introspect", "https://mcp.example.com/mcp");
/// let asks = Introspection::new(url, resource, HttpsClient::new()?)?.credentials("mcp-server", "s3cret");
/// let server = Server::builder(dispatcher).authenticate(asks).build();
/// # Ok(())
/// # }
/// ```
pub struct Introspection {
    settings: Arc<Settings>,
    table: Arc<Table>,
    /// Of this process alone.
    key: [u8; 32],
}

#[derive(Clone)]
struct Settings {
    url: Uri,
    client: Arc<dyn BoundedFetch>,
    authorization: Option<HeaderValue>,
    expected: Expected,
    remember_for: Duration,
    timeout: Duration,
}

/// A token, as far as it is remembered.
type Digest = [u8; 32];
type Outcome = Result<Verified, Refused>;
type Asking = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// What is known of tokens, and what is being asked. Of refused tokens anybody can send any number, so that they have a table of
/// their own.
struct Table(Mutex<Known>);

struct Known {
    accepted: LruCache<Digest, (Verified, Instant)>,
    refused: LruCache<Digest, (Why, Instant)>,
    asked: HashMap<Digest, (u64, WeakShared<Asking>)>,
    count: u64,
}

impl Introspection {
    /// Asks the server at `url` by `client`, and accepts tokens for `audience`.
    ///
    /// # Errors
    ///
    /// If the URL does not begin with `https://` (or leads to this machine), or has a password in it.
    pub fn new(url: &str, audience: impl Into<String>, client: impl Fetch) -> Result<Self, AuthError> {
        let settings = Settings {
            url: trusted(url)?,
            client: Arc::new(client),
            authorization: None,
            expected: Expected::new(None, audience.into(), false),
            remember_for: Duration::from_secs(60),
            timeout: Duration::from_secs(5),
        };
        let mut key = [0; 32];
        // Without randomness the hash is still one that nobody inverts.
        let _any = getrandom::fill(&mut key);
        let known = Known {
            accepted: LruCache::new(REMEMBERED),
            refused: LruCache::new(REMEMBERED),
            asked: HashMap::new(),
            count: 0,
        };
        Ok(Self { settings: Arc::new(settings), table: Arc::new(Table(Mutex::new(known))), key })
    }

    /// Says who this server is, by HTTP's basic authentication.
    #[must_use]
    pub fn credentials(self, id: &str, secret: &str) -> Self {
        // Each is encoded as a form is (RFC 6749, 2.3.1).
        let pair = STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret)));
        self.bearing(&format!("Basic {pair}"))
    }

    /// Says who this server is, by a bearer token of its own.
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        self.bearing(&format!("Bearer {token}"))
    }

    /// Accepts tokens of this issuer alone, where the server says whose they are.
    #[must_use]
    pub fn issuer(self, issuer: impl Into<String>) -> Self {
        self.with(|settings| settings.expected.issuer = Some(issuer.into()))
    }

    /// Accepts tokens for this audience too: another URL of the same server.
    #[must_use]
    pub fn audience(self, audience: impl Into<String>) -> Self {
        self.with(|settings| settings.expected.audiences.push(audience.into()))
    }

    /// Lets the clock of the server differ by this much, in whole seconds: 60 s by default, and at most 300 s.
    #[must_use]
    pub fn leeway(self, leeway: Duration) -> Self {
        self.with(|settings| settings.expected.set_leeway(leeway))
    }

    /// Names the principal by this member of the answer instead of `sub`: `client_id`, where tokens are of programs alone.
    #[must_use]
    pub fn principal_claim(self, claim: impl Into<String>) -> Self {
        self.with(|settings| settings.expected.principal_claim = claim.into())
    }

    /// Holds answers against this clock instead of the system's.
    #[must_use]
    pub fn clock(self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.expected.clock = Clock::of(clock))
    }

    /// Remembers this long that a token is valid: a minute by default, and at most a day.
    #[must_use]
    pub fn remember_for(self, time: Duration) -> Self {
        self.with(|settings| settings.remember_for = time.min(LONGEST_MEMORY))
    }

    /// Waits this long for an answer: five seconds by default.
    #[must_use]
    pub fn timeout(self, time: Duration) -> Self {
        self.with(|settings| settings.timeout = time)
    }

    /// Returns whom `token` lets in, for a transport other than HTTP.
    ///
    /// # Errors
    ///
    /// If it lets nobody in, or nobody can say now.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the question, unless another request waits for the same answer.
    pub async fn verify(&self, token: &str) -> Result<Principal, Unauthenticated> {
        self.principal(token).await.map_err(Into::into)
    }

    async fn principal(&self, token: &str) -> Result<Principal, Refused> {
        if LONGEST < token.len() {
            return Err(Why::Malformed.into());
        }
        let digest = *blake3::keyed_hash(&self.key, token.as_bytes()).as_bytes();
        let asking = {
            let mut known = self.table.lock();
            match self.known(&mut known, &digest) {
                Some(outcome) => return outcome.map(|verified| verified.principal),
                None => self.asking(&mut known, digest, token)?,
            }
        };
        asking.await.map(|verified| verified.principal)
    }

    fn known(&self, known: &mut Known, digest: &Digest) -> Option<Outcome> {
        let now = clock::now();
        if let Some((verified, until)) = known.accepted.get(digest) {
            if now < *until && !self.settings.expected.has_expired(verified) {
                return Some(Ok(verified.clone()));
            }
            known.accepted.pop(digest);
        }
        let (why, until) = known.refused.get(digest)?;
        (now < *until).then_some(Err(Refused::Invalid(*why)))
    }

    /// The question about a token: the one under way, or a new one.
    fn asking(&self, known: &mut Known, digest: Digest, token: &str) -> Result<Shared<Asking>, Refused> {
        if let Some(asking) = known.asked.get(&digest).and_then(|(_, asking)| asking.upgrade()) {
            return Ok(asking);
        }
        if ASKED_AT_ONCE <= known.asked.len() {
            return Err(Refused::Unavailable(Duration::from_secs(1)));
        }
        known.count += 1;
        let leave = Leave { table: Arc::clone(&self.table), digest, number: known.count };
        let (settings, request) = (Arc::clone(&self.settings), self.settings.request(token));
        let asking: Asking = Box::pin(async move {
            let asked = AssertUnwindSafe(async { settings.ask(request?).await }).catch_unwind().await;
            let outcome = asked.unwrap_or(Err(Refused::Unavailable(AGAIN)));
            leave.table.remember(leave.digest, &outcome, settings.remember_for);
            outcome
        });
        let asking = asking.shared();
        if let Some(weak) = asking.downgrade() {
            known.asked.insert(digest, (known.count, weak));
        }
        Ok(asking)
    }

    fn bearing(self, authorization: &str) -> Self {
        self.with(|settings| {
            let mut value = HeaderValue::from_str(authorization).ok();
            if let Some(value) = &mut value {
                value.set_sensitive(true);
            }
            settings.authorization = value;
        })
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }
}

impl Authenticate for Introspection {
    async fn authenticate(&self, request: &Parts) -> Result<Principal, Unauthenticated> {
        self.verify(bearer_token(request)?).await
    }
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection")
            .field("url", &self.settings.url)
            .field("expected", &self.settings.expected)
            .finish_non_exhaustive()
    }
}

impl Settings {
    fn request(&self, token: &str) -> Result<Request<Bytes>, Refused> {
        let form = format!("token={}&token_type_hint=access_token", encoded(token));
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.url.clone())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = match &self.authorization {
            Some(authorization) => request.header(AUTHORIZATION, authorization),
            None => request,
        };
        request.body(form.into()).map_err(|_| Refused::Unavailable(AGAIN))
    }

    async fn ask(&self, request: Request<Bytes>) -> Outcome {
        let answer = self.client.body(request, BYTES, self.timeout).await;
        let answer = answer.map_err(|_| Refused::Unavailable(AGAIN))?;
        let limits = Limits::new().bytes(BYTES).depth(32).nodes(4_096);
        // An answer that is none says nothing of the token.
        let answer = Frame::parse(answer, &limits).map_err(|_| Refused::Unavailable(AGAIN))?;
        let answer = answer.root();
        match answer.member("active").and_then(Node::as_bool) {
            Some(true) => {}
            Some(false) => return Err(Why::Inactive.into()),
            None => return Err(Refused::Unavailable(AGAIN)),
        }
        if let Some(said) = answer.member("token_type").and_then(Node::as_str)
            && !said.eq_ignore_ascii_case("bearer")
        {
            return Err(Why::Bound.into());
        }
        Ok(self.expected.check(answer)?)
    }
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, digest: Digest, outcome: &Outcome, accepted_for: Duration) {
        let now = clock::now();
        let mut known = self.lock();
        match outcome {
            Ok(verified) => drop(known.accepted.put(digest, (verified.clone(), now + accepted_for))),
            Err(Refused::Invalid(why)) => drop(known.refused.put(digest, (*why, now + REFUSED_FOR))),
            Err(Refused::Unavailable(_)) => {}
        }
    }
}

/// A question under way; dropping it makes room for another.
struct Leave {
    table: Arc<Table>,
    digest: Digest,
    number: u64,
}

impl Drop for Leave {
    fn drop(&mut self) {
        let mut known = self.table.lock();
        // Another about the same token may have come in its place.
        if known.asked.get(&self.digest).is_some_and(|(number, _)| *number == self.number) {
            known.asked.remove(&self.digest);
        }
    }
}

/// Text as a form has it (application/x-www-form-urlencoded).
fn encoded(text: &str) -> String {
    let mut form = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => form.push(byte.into()),
            _ => {
                let _infallible = write!(form, "%{byte:02X}");
            }
        }
    }
    form
}

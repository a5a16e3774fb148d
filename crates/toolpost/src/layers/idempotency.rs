//! Answers a call that is repeated under its idempotency key with the end of the first.

mod memory;
pub(crate) mod recorded;

use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use bytestring::ByteString;
use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use tokio::task_local;
use tokio::time::sleep_until;
use toolpost_protocol::meta;
use toolpost_tool::{
    BoxFuture, Call, ErrorKind, IdempotencyClaim, IdempotencyKey, IdempotencyStore, Output, Tool, ToolError,
    ToolSpec,
};

pub use memory::MemoryIdempotencyStore;

use super::{Layer, Verdict};
use crate::clock;

/// The policy of one tool that declares it.
#[derive(Clone, Debug)]
pub(crate) struct Idempotency {
    store: KeyStore,
    tool: ByteString,
    ttl: Duration,
    over: Arc<[String]>,
    /// What its parts refuse, it may have done half.
    is_composite: bool,
}

/// How long a store may take over anything.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest key that a caller may bring, in bytes.
const LONGEST_KEY: usize = 256;

task_local! {
    /// Whether the tool of the call that is being polled has begun.
    static BEGAN: Arc<AtomicBool>;
}

impl Idempotency {
    /// Whether a tool declares that its calls are told from repeated ones, and may change anything.
    pub(crate) fn is_declared(spec: &ToolSpec) -> bool {
        spec.policy().idempotency.is_some() && spec.annotations().read_only != Some(true)
    }

    /// What a tool declares: `None` if that is nothing, or if it only reads.
    pub(crate) fn declared(store: &KeyStore, spec: &ToolSpec) -> Option<Self> {
        let policy = spec.policy().idempotency.as_ref().filter(|_| Self::is_declared(spec))?;
        Some(Self {
            store: store.clone(),
            tool: spec.name().into(),
            ttl: policy.ttl,
            over: policy.over.as_slice().into(),
            is_composite: spec.policy().composite,
        })
    }

    /// The key of a call that has one, or what is wrong with it.
    pub(crate) fn key(&self, call: &Call) -> Option<Result<IdempotencyKey, ToolError>> {
        let given = call.meta().and_then(|meta| meta.member(meta::IDEMPOTENCY_KEY));
        let key = match given {
            Some(given) => match given.as_str().filter(|key| (1..=LONGEST_KEY).contains(&key.len())) {
                Some(key) => format!("given:{key}"),
                None => {
                    let message = format!(
                        "`_meta[\"{}\"]`: expected a text of 1 to {LONGEST_KEY} bytes",
                        meta::IDEMPOTENCY_KEY
                    );
                    return Some(Err(ToolError::invalid_arguments(message)));
                }
            },
            None => self.key_of_arguments(call)?,
        };
        Some(Ok(IdempotencyKey::new(call.principal().clone(), self.tool.clone(), key)))
    }

    fn key_of_arguments(&self, call: &Call) -> Option<String> {
        if self.over.is_empty() {
            return None;
        }
        let (arguments, mut bytes) = (call.arguments(), Vec::new());
        for pointer in &*self.over {
            arguments.pointer(pointer)?.write_canonical(&mut bytes);
            bytes.push(b',');
        }
        Some(format!("arguments:{}", blake3::hash(&bytes).to_hex()))
    }

    /// Runs `next` if nobody has called under the key; otherwise waits for the call that runs, or answers with its end.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before the tool has begun frees the key. Afterwards nobody knows how the call ends, and a
    /// repeated one is told that. One that waits for another's end leaves that to itself.
    pub(crate) async fn once<F>(
        &self,
        key: Result<IdempotencyKey, ToolError>,
        call: Call,
        next: impl FnOnce(Call) -> F,
    ) -> Result<Output, ToolError>
    where
        F: Future<Output = Result<Output, ToolError>>,
    {
        let key = key?;
        let store = self.store.get();
        let arguments = {
            let mut bytes = Vec::new();
            call.arguments().write_canonical(&mut bytes);
            *blake3::hash(&bytes).as_bytes()
        };
        let fence = loop {
            match asked(|| store.begin(&key, &arguments, self.ttl)).await? {
                IdempotencyClaim::New(fence) => break fence,
                IdempotencyClaim::Running(ended) => ended.await,
                IdempotencyClaim::Ended(end) => {
                    return recorded::decode(&end).unwrap_or_else(|| Err(unknown()));
                }
                IdempotencyClaim::Conflict => return Err(conflict()),
                _ => return Err(unknown()),
            }
        };
        let mut claim = Claimed { store: &**store, key: &key, fence, began: Arc::default(), is_open: true };
        let result = claim.renewed_during(BEGAN.scope(Arc::clone(&claim.began), next(call))).await;
        let stored = match self.end(&result, claim.began.load(Ordering::Relaxed)) {
            End::Known(end) => asked(|| store.finish(&key, fence, Some(end))).await,
            End::Unknown => asked(|| store.finish(&key, fence, None)).await,
            End::Nothing => asked(|| store.release(&key, fence)).await,
        };
        // What could not be stored is abandoned: the call is over, and its caller is owed its result.
        claim.is_open = stored.is_err();
        result
    }

    /// What is kept of a call that ended with `result`.
    fn end(&self, result: &Result<Output, ToolError>, began: bool) -> End {
        let unknown =
            |error: &ToolError| matches!(error.kind(), ErrorKind::Panicked | ErrorKind::OutcomeUnknown);
        match Verdict::of(result) {
            _ if !began => End::Nothing,
            Verdict::CallersFault | Verdict::InputRequired => End::Nothing,
            Verdict::Refused if !self.is_composite => End::Nothing,
            Verdict::TimesOut | Verdict::Cancelled => End::Unknown,
            Verdict::Fails if result.as_ref().is_err_and(unknown) => End::Unknown,
            _ => recorded::encode(result).map_or(End::Unknown, End::Known),
        }
    }
}

enum End {
    /// It ended like this.
    Known(ByteString),
    /// It may have done anything.
    Unknown,
    /// It did nothing.
    Nothing,
}

/// A key whose call runs, until its end is stored.
struct Claimed<'a> {
    store: &'a dyn IdempotencyStore,
    key: &'a IdempotencyKey,
    fence: u64,
    began: Arc<AtomicBool>,
    is_open: bool,
}

impl Claimed<'_> {
    /// Runs `run`, and renews the claim as long as it takes.
    async fn renewed_during<F: Future>(&self, run: F) -> F::Output {
        let Some(lease) = self.store.lease() else { return run.await };
        match select(pin!(run), pin!(self.renewed(lease / 3))).await {
            Either::Left((result, _)) => result,
            Either::Right((never, _)) => match never {},
        }
    }

    async fn renewed(&self, every: Duration) -> Infallible {
        loop {
            sleep_until(clock::after(every).into()).await;
            // A store that cannot be reached is asked again in time; a claim that is lost is found out at its end.
            let _ = asked(|| self.store.renew(self.key, self.fence)).await;
        }
    }
}

impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        if self.is_open {
            let began = self.began.load(Ordering::Relaxed);
            // A panic here, in the midst of another, would end the process.
            let _ = catch_unwind(AssertUnwindSafe(|| self.store.abandon(self.key, self.fence, began)));
        }
    }
}

/// Says that the tool has begun: it stands next to the tool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MarksBegin;

impl Layer for MarksBegin {
    async fn call<T: Tool>(&self, tool: &Arc<T>, call: Call) -> Result<Output, ToolError> {
        // There is none in a call without a key.
        let _ = BEGAN.try_with(|began| began.store(true, Ordering::Relaxed));
        tool.call(call).await
    }
}

/// Where the tools of one runtime keep their keys: in memory, made when a tool first needs it, unless the host says otherwise.
#[derive(Clone, Default)]
pub(crate) struct KeyStore(Arc<OnceLock<Arc<dyn IdempotencyStore>>>);

impl KeyStore {
    pub(crate) fn of(store: Arc<dyn IdempotencyStore>) -> Self {
        Self(Arc::new(OnceLock::from(store)))
    }

    fn get(&self) -> &Arc<dyn IdempotencyStore> {
        self.0.get_or_init(|| Arc::new(MemoryIdempotencyStore::new()))
    }
}

impl fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyStore")
    }
}

/// What the store answers. One that panics or takes too long has failed, and neither ends a call that runs nor keeps back the
/// result of one that has ended. Nobody has to have a timer where the answer is there at once.
async fn asked<'a, T>(ask: impl FnOnce() -> BoxFuture<'a, Result<T, ToolError>>) -> Result<T, ToolError> {
    let mut answer = pin!(AssertUnwindSafe(async { ask().await }).catch_unwind());
    let at_once = poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))).await;
    let answered = match at_once {
        Poll::Ready(answered) => Some(answered),
        Poll::Pending => match select(answer, pin!(sleep_until(clock::after(PATIENCE).into()))).await {
            Either::Left((answered, _)) => Some(answered),
            Either::Right(_) => None,
        },
    };
    let failed = |why| ToolError::unavailable(format!("the store of idempotency keys {why}"));
    match answered {
        Some(Ok(answer)) => answer,
        Some(Err(_panic)) => Err(failed("panicked")),
        None => Err(failed("did not answer in time")),
    }
}

fn unknown() -> ToolError {
    let message = "an earlier call under this idempotency key may have done its work, and how it ended is not known: look \
                   at what there is, and call again under another key if need be";
    ToolError::with_kind(ErrorKind::OutcomeUnknown, message)
}

fn conflict() -> ToolError {
    let message = "the idempotency key belongs to an earlier call with other arguments: give each call a key of its own";
    ToolError::invalid_arguments(message)
}

//! Takes a call from its name to its end.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use toolpost_protocol::{Code, Error};
use toolpost_tool::{Call, Output, Principal, Refusal, ToolError, ToolSpec};

use crate::authorize::{AccessDenied, Open};
use crate::clock;
use crate::ending::{CallObserver, OutcomeReporter, PendingCall};
use crate::in_flight::{AdmissionError, CallerLimits, Flight, InFlight};
use crate::nearest::nearest;
use crate::provider_calls::Providers;
use crate::run::Run;
use crate::{
    Access, Authorize, CallKey, CallRequest, Catalog, Changes, Completions, Decision, Entry, Observe,
    Prompts, Registry, Resources, Target,
};

/// Takes calls from their names to their ends. Cheap to clone; clones are the same dispatcher.
///
/// ```
/// use std::time::{Duration, Instant};
/// use toolpost_dispatch::{CallRequest, Dispatcher, Registry};
/// use toolpost_tool::{ErrorKind, NoArgs, Refusal, tool_fn};
///
/// let slow = tool_fn("slow", |_: NoArgs, _| std::future::pending::<Result<&str, _>>());
/// let ping = tool_fn("ping", |_: NoArgs, _| async { Ok("pong") });
/// let registry = Registry::builder().tool(slow).tool(ping).build().unwrap();
/// let dispatcher = Dispatcher::builder(registry).time_limit(Duration::from_millis(1)).build();
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let error = dispatcher.call(CallRequest::new("slow")).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::TimedOut, "what has no limit of its own is limited all the same");
///
/// assert_eq!(dispatcher.drain(Instant::now()).await, 0, "no call is left");
/// let error = dispatcher.call(CallRequest::new("ping")).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Refused(Refusal::Draining));
/// # });
/// ```
#[derive(Clone)]
pub struct Dispatcher(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    registry: Registry,
    pub(crate) providers: Providers,
    authorize: Box<dyn Authorize>,
    /// `None` spares each call two clock reads.
    observe: Option<Box<dyn Observe>>,
    /// Of a call whose tool declares none.
    pub(crate) time_limit: Duration,
    pub(crate) in_flight: Arc<InFlight>,
}

/// The time limit of a call whose tool declares none, unless told otherwise.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The most calls of one principal at once, unless told otherwise.
const PER_PRINCIPAL: usize = 32;

/// How many calls run at once in all, for the share of an address, unless told otherwise: as many as a runtime has permits.
const PERMITS: usize = 256;

impl Dispatcher {
    /// A dispatcher of the tools in `registry`. Who keeps a clone of the registry can replace the tools while calls run.
    #[must_use]
    pub fn builder(registry: Registry) -> DispatcherBuilder {
        DispatcherBuilder {
            registry,
            providers: Providers::default(),
            authorize: Box::new(Open),
            observe: None,
            time_limit: TIME_LIMIT,
            limits: CallerLimits { per_principal: PER_PRINCIPAL, permits: Box::new(|| PERMITS) },
        }
    }

    /// The tools as they are now. To replace them takes the [`Registry`] that the dispatcher was made with, so that
    /// nobody who is handed a dispatcher can put a tool into it past the policies of who set it up.
    #[must_use]
    pub fn catalog(&self) -> Arc<Catalog> {
        self.0.registry.catalog()
    }

    /// Signals that the tools were replaced: holds the [generation](Catalog::generation) of the catalog.
    #[must_use]
    pub fn catalog_changes(&self) -> watch::Receiver<u64> {
        self.0.registry.changes()
    }

    /// Runs one call to its end.
    ///
    /// The call is in flight from here on, not from the first poll: a [`cancel`](Self::cancel) that
    /// comes before it is polled reaches it, and a drain waits for it.
    ///
    /// # Errors
    ///
    /// Of kind `Protocol` for a tool that is unknown or [hidden](Decision::Hide), `InvalidArguments` if the arguments do not fit the
    /// schema, `Refused` if the principal may not call the tool, has too many calls running or the
    /// dispatcher drains, `TimedOut` after the call's deadline or the [time limit](DispatcherBuilder::time_limit)
    /// of tools that declare none, `Failed` if the result does not fit the tool's output schema, and
    /// whatever the tool itself answers. A panic of the tool is an error of kind `Panicked`.
    ///
    /// # Panics
    ///
    /// The future, if the call has to wait in a tokio runtime without its time enabled, or has a deadline and none.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the tool's future, counts the call out, and reports it as cancelled.
    pub fn call(
        &self,
        request: CallRequest,
    ) -> impl Future<Output = Result<Output, ToolError>> + Send + 'static {
        let (mut parts, key) = request.split();
        if parts.arrived.is_none() && self.0.observe.is_some() {
            parts.arrived = Some(clock::now());
        }
        let (arrived, flight) =
            (parts.arrived, self.0.in_flight.enter(key, &parts.principal, parts.origin()));
        self.make(Call::from_parts(parts), flight, arrived)
    }

    /// Runs a call that a running call makes: of the tool that [`Call::tool`] names, under the
    /// principal, priority and deadline that `call` carries (see [`Call::child`]). It is authorized,
    /// checked and observed like any other.
    ///
    /// A drain waits for the call that makes this one, so it does not refuse it.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call), except that neither a drain nor the number of calls refuses anything.
    ///
    /// # Panics
    ///
    /// As [`call`](Self::call).
    ///
    /// # Cancel safety
    ///
    /// As [`call`](Self::call).
    pub fn call_within(
        &self,
        call: Call,
    ) -> impl Future<Output = Result<Output, ToolError>> + Send + 'static {
        let flight = Ok(self.0.in_flight.enter_within());
        self.make(call, flight, self.0.observe.is_some().then(clock::now))
    }

    /// A call that is in flight, or barred, from here on.
    fn make(
        &self,
        call: Call,
        flight: Result<Flight, AdmissionError>,
        arrived: Option<Instant>,
    ) -> impl Future<Output = Result<Output, ToolError>> + Send + 'static {
        let mut made = PendingCall { inner: Arc::clone(&self.0), arrived, call: Some((call, flight)) };
        async move {
            let (call, flight) = made.begin()?;
            made.inner.run(call, flight, arrived).await
        }
    }

    /// A handle that does not keep the dispatcher alive: for a tool that is in it and calls others.
    #[must_use]
    pub fn downgrade(&self) -> WeakDispatcher {
        WeakDispatcher(Arc::downgrade(&self.0))
    }

    /// The tools that `principal` may see, in the order of their names.
    #[must_use]
    pub fn visible(&self, catalog: &Catalog, principal: &Principal) -> Vec<Arc<Entry>> {
        catalog.iter().filter(|entry| self.may(principal, entry.spec())).map(Arc::clone).collect()
    }

    /// Whether `principal` may see `tool`. It may call what it sees, unless its token lacks a
    /// [scope](crate::Decision::InsufficientScope).
    #[must_use]
    pub fn may(&self, principal: &Principal, tool: &ToolSpec) -> bool {
        self.0.shows(principal, Target::Tool(tool))
    }

    /// Whether `principal` may see and use `target`.
    #[must_use]
    pub fn allows(&self, principal: &Principal, target: Target<'_>) -> bool {
        self.0.allows(principal, target)
    }

    /// Whether everyone may see and call everything, so that one list serves all.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.authorize.is_open()
    }

    /// Cancels the running call under `key`: its tool's future is dropped at its next poll, which
    /// is at once. Says whether there was such a call.
    pub fn cancel(&self, key: &CallKey) -> bool {
        self.0.in_flight.cancel(key)
    }

    /// How many calls run now.
    #[must_use]
    pub fn running(&self) -> usize {
        self.0.in_flight.running()
    }

    /// Whether new calls are refused because the dispatcher drains or has drained.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.in_flight.is_closed()
    }

    /// Refuses new calls from now on, for good, and waits until `deadline` for those that run. Says how many still ran
    /// then: zero means that all have finished.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the waiting; new calls stay refused.
    pub async fn drain(&self, deadline: Instant) -> usize {
        self.0.in_flight.close();
        match tokio::time::timeout_at(deadline.into(), self.0.in_flight.idle()).await {
            Ok(()) => 0,
            Err(_elapsed) => self.running(),
        }
    }
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher")
            .field("registry", &self.0.registry)
            .field("in_flight", &self.0.in_flight)
            .finish_non_exhaustive()
    }
}

/// A [`Dispatcher`] that may be gone.
#[derive(Clone)]
pub struct WeakDispatcher(Weak<Inner>);

impl WeakDispatcher {
    /// The dispatcher, if anyone still holds it.
    #[must_use]
    pub fn upgrade(&self) -> Option<Dispatcher> {
        self.0.upgrade().map(Dispatcher)
    }
}

impl fmt::Debug for WeakDispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakDispatcher")
    }
}

impl Inner {
    /// Runs a call. It is in flight until its end is reported, however it ends: a drain that is over has reported everything.
    async fn run(&self, call: Call, flight: Flight, arrived: Option<Instant>) -> Result<Output, ToolError> {
        let catalog = self.registry.catalog();
        let observe = self.watched(&call);
        let Some(entry) = catalog.find(call.tool()) else {
            if let Some(watched) = observe {
                watched.unknown_tool();
            }
            return Err(self.unknown(&catalog, &call));
        };
        let mut ending = OutcomeReporter { observe, tool: entry.spec(), arrived };
        if let Err(closed) = self.decide(call.principal(), Target::Tool(entry.spec()), call.tool()) {
            let hidden = || ToolError::refused(Refusal::Denied, "the tool is hidden from the caller", None);
            let error = match &closed {
                AccessDenied::Denied(error) => error.clone(),
                AccessDenied::Hidden => hidden(),
            };
            ending.finish(Some(&error));
            return Err(closed.told(|| self.unknown(&catalog, &call)));
        }
        if let Err(unfit) = entry.check(call.arguments(), call.deadline()) {
            return ending.report(Err(unfit));
        }
        ending.start();
        let (deadline, limit) = (call.deadline(), self.limit(entry.spec()));
        let mut run = Run::new(&flight, || entry.tool().call_boxed(call));
        let result = run.in_time(deadline, limit).await;
        ending.report(result.and_then(|output| entry.kept_promise(output, deadline)))
    }

    /// How long a call may take whose tool says nothing of it. A tool that only calls others says it by theirs.
    fn limit(&self, spec: &ToolSpec) -> Option<Duration> {
        let policy = spec.policy();
        (policy.time_limit.is_none() && !policy.composite).then_some(self.time_limit)
    }

    /// Reports the end of a call that never came as far as its tool's description.
    pub(crate) fn report_unrun(&self, call: &Call, arrived: Option<Instant>, error: Option<&ToolError>) {
        let Some(watched) = self.watched(call) else { return };
        match self.registry.catalog().find(call.tool()) {
            None => watched.unknown_tool(),
            Some(entry) => {
                OutcomeReporter { observe: Some(watched), tool: entry.spec(), arrived }.finish(error)
            }
        }
    }

    fn watched(&self, call: &Call) -> Option<CallObserver<'_>> {
        self.observe.as_deref().map(|by| CallObserver { by, call: call.clone() })
    }

    /// Whether `principal` may use `target`; `called` is what it calls it by.
    pub(crate) fn decide(
        &self,
        principal: &Principal,
        target: Target<'_>,
        called: &str,
    ) -> Result<(), AccessDenied> {
        let denied = |reason: &str| {
            let shown: String = called.chars().take(80).collect();
            let message = format!("not allowed to use `{shown}`: {reason}");
            Err(AccessDenied::Denied(ToolError::refused(Refusal::Denied, message, None)))
        };
        // A panic is no decision, and without one nothing is allowed.
        let asked = || self.authorize.authorize(&Access { principal, target });
        match catch_unwind(AssertUnwindSafe(asked)) {
            Ok(Ok(Decision::Allow)) => Ok(()),
            Ok(Ok(Decision::Deny(reason))) => denied(&reason),
            Ok(Ok(Decision::InsufficientScope(scopes))) => {
                let shown: String = called.chars().take(80).collect();
                let message = format!("not allowed to use `{shown}` without a token of scope {scopes}");
                Err(AccessDenied::Denied(ToolError::insufficient_scope(message, scopes)))
            }
            Ok(Ok(Decision::Hide)) => Err(AccessDenied::Hidden),
            Ok(Err(_)) | Err(_) => denied("no decision could be reached"),
        }
    }

    pub(crate) fn allows(&self, principal: &Principal, target: Target<'_>) -> bool {
        self.decide(principal, target, target.name()).is_ok()
    }

    /// Whether `principal` is shown `target`: it may use it, or could with a token of more scopes.
    pub(crate) fn shows(&self, principal: &Principal, target: Target<'_>) -> bool {
        match self.decide(principal, target, target.name()) {
            Ok(()) => true,
            Err(AccessDenied::Denied(error)) => error.required_scopes().is_some(),
            Err(AccessDenied::Hidden) => false,
        }
    }

    #[cold]
    fn unknown(&self, catalog: &Catalog, call: &Call) -> ToolError {
        let (name, principal) = (call.tool(), call.principal());
        // Names that the principal may not see are not suggested to it.
        let known = catalog.iter().map(|entry| entry.spec());
        let known = known.filter(|spec| self.shows(principal, Target::Tool(spec))).map(ToolSpec::name);
        let shown: String = name.chars().take(80).collect();
        let near: Vec<String> = nearest(name, known).into_iter().map(|near| format!("`{near}`")).collect();
        let message = match near.is_empty() {
            true => format!("unknown tool `{shown}`; tools/list names those there are"),
            false => format!("unknown tool `{shown}`; did you mean {}?", near.join(" or ")),
        };
        ToolError::protocol(Error::new(Code::INVALID_PARAMS, message))
    }
}

impl From<AdmissionError> for ToolError {
    fn from(barred: AdmissionError) -> Self {
        match barred {
            AdmissionError::Draining => Self::refused(Refusal::Draining, "the server is shutting down", None),
            AdmissionError::KeyInUse => {
                let message = "a request with this id is still running on this connection";
                Self::protocol(Error::new(Code::INVALID_REQUEST, message))
            }
            AdmissionError::TooMany(calls) => {
                let message = format!("{calls} calls of yours run already: wait until one of them has ended");
                Self::refused(Refusal::TooManyAtOnce, message, None)
            }
        }
    }
}

/// Sets a [`Dispatcher`] up.
pub struct DispatcherBuilder {
    registry: Registry,
    providers: Providers,
    authorize: Box<dyn Authorize>,
    observe: Option<Box<dyn Observe>>,
    time_limit: Duration,
    limits: CallerLimits,
}

impl DispatcherBuilder {
    /// Asks `authorize` before listing and before calling; without it, everything is allowed. An error or a panic of
    /// it denies.
    #[must_use]
    pub fn authorize(mut self, authorize: impl Authorize) -> Self {
        self.authorize = Box::new(authorize);
        self
    }

    /// Offers resources.
    #[must_use]
    pub fn resources(mut self, resources: impl Resources) -> Self {
        self.providers.resources = Some(Arc::new(resources));
        self
    }

    /// Offers prompts.
    #[must_use]
    pub fn prompts(mut self, prompts: impl Prompts) -> Self {
        self.providers.prompts = Some(Arc::new(prompts));
        self
    }

    /// Offers completions of arguments.
    #[must_use]
    pub fn completions(mut self, completions: impl Completions) -> Self {
        self.providers.completions = Some(Arc::new(completions));
        self
    }

    /// Signals changes of resources and prompts through `changes`.
    #[must_use]
    pub fn changes(mut self, changes: Changes) -> Self {
        self.providers.changes = Some(changes);
        self
    }

    /// Offers the resources, prompts and completions that `other` offers, and signals the same changes: for a dispatcher of
    /// other tools in front of it.
    #[must_use]
    pub fn providers_of(mut self, other: &Dispatcher) -> Self {
        self.providers = other.0.providers.clone();
        self
    }

    /// Tells `observe` of every call of a tool. If it panics it misses what it was told then, and nobody else notices.
    #[must_use]
    pub fn observe(mut self, observe: impl Observe) -> Self {
        self.observe = Some(Box::new(observe));
        self
    }

    /// Cuts a call off after `limit` that has no deadline, and whose tool declares no time limit and does not only call
    /// other tools. Default: 60 s; [`Duration::MAX`] is no limit.
    ///
    /// It is counted from the call's first poll, waiting for a permit and attempts that follow it included; outside a tokio
    /// runtime it is not kept. Reading a resource, making a prompt and completing have the same limit.
    #[must_use]
    pub const fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Lets `calls` calls of one principal run at once, waiting for a permit included, and refuses more. Default: 32.
    ///
    /// Callers without a name are counted together that come from one address ([`CallParts::set_origin`]), and may have more:
    /// see [`permits`](Self::permits). Those of whom nothing is known are not counted; nor are calls that a running call
    /// makes.
    ///
    /// [`CallParts::set_origin`]: toolpost_tool::CallParts::set_origin
    #[must_use]
    pub const fn calls_per_principal(mut self, calls: usize) -> Self {
        self.limits.per_principal = calls;
        self
    }

    /// Says how many calls can run at once in what the dispatcher calls. Callers from one address, where nobody is named,
    /// may have half of what the calls of others leave free of these, or as many as a principal if that is more: so one
    /// address leaves room to others, however many tools have no limit of their own. More are refused. `permits` is asked at
    /// each such call, as their number may change. Default: 256.
    ///
    /// Where a principal may have as many calls as there are permits, or more, so may an address, and nothing is left to
    /// others then: with few permits, [`calls_per_principal`](Self::calls_per_principal) is to be less than half of them.
    #[must_use]
    pub fn permits(mut self, permits: impl Fn() -> usize + Send + Sync + 'static) -> Self {
        self.limits.permits = Box::new(permits);
        self
    }

    /// The dispatcher.
    #[must_use]
    pub fn build(self) -> Dispatcher {
        let Self { registry, providers, authorize, observe, time_limit, limits } = self;
        let in_flight = Arc::new(InFlight::new(limits));
        Dispatcher(Arc::new(Inner { registry, providers, authorize, observe, time_limit, in_flight }))
    }
}

impl fmt::Debug for DispatcherBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DispatcherBuilder").field("registry", &self.registry).finish_non_exhaustive()
    }
}

//! What a runtime is made of.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use toolpost_dispatch::{
    Access, Authorize, Changes, Completions, Decision, Dispatcher, DispatcherBuilder, Observe, Prompts,
    Registry, Resources, Target,
};
use toolpost_scheduler::rt::Gate;
use toolpost_scheduler::{Fair, Limit, QueueLimits};
use toolpost_tool::{AnyTool, IdempotencyStore, SchemaClient, Tool, ToolError};

use super::Runtime;
use crate::background::Owners;
use crate::behind::{Behind, Loader};
use crate::host_layers::{HostLayer, HostLayers};
use crate::layers::{BlockingThreads, ConcurrencyLimit, KeyStore, RateLimit, ResultCache};
use crate::observers::Observers;
use crate::pipeline::Shared;
use crate::registered::{Around, Change, Given, Next, Origin, Registered};
use crate::schema_rules::SchemaRules;
use crate::{Approvals, Background, BuildError, Position, Settings, Surface, surface};

/// Collects the tools of a [`Runtime`], and what holds for all of them.
#[derive(Default)]
pub struct RuntimeBuilder {
    tools: Vec<AnyTool>,
    settings: Settings,
    cache: Option<ResultCache>,
    keys: KeyStore,
    approvals: Approvals,
    rates: Option<RateLimit>,
    gate: Option<Gate>,
    lazy: Vec<(String, Loader)>,
    surface: Option<Box<dyn Surface>>,
    authorize: Option<Arc<dyn Authorize>>,
    observers: Vec<Box<dyn Observe>>,
    time_limit: Option<Duration>,
    per_principal: Option<usize>,
    offers: Vec<SetUp>,
    background: Vec<(String, Box<dyn Background>)>,
    layers: Vec<HostLayer>,
    sources: Vec<String>,
    rules: SchemaRules,
    #[cfg(feature = "upstream")]
    upstreams: Vec<crate::Upstreams>,
}

/// How long a category may load, unless the time limit of calls is told.
const LOAD_LIMIT: Duration = Duration::from_secs(60);

type SetUp = Box<dyn FnOnce(DispatcherBuilder) -> DispatcherBuilder>;

impl RuntimeBuilder {
    /// Adds a tool, under the policy it declares.
    #[must_use]
    pub fn tool(self, tool: impl Tool) -> Self {
        self.any(AnyTool::new(tool))
    }

    /// Adds a tool whose type is already erased.
    #[must_use]
    pub fn any(mut self, tool: AnyTool) -> Self {
        self.tools.push(tool);
        self
    }

    /// Overrides what tools declare.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Remembers results in `cache`; without it, in a memory of 10000 results and 64 MiB. What is remembered, for how
    /// long and for whom is what the tools declare.
    #[must_use]
    pub fn cache(mut self, cache: ResultCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Keeps the idempotency keys of calls, and their ends, in `store`, which other runtimes may share; without it, in a
    /// [`MemoryIdempotencyStore`](crate::layers::MemoryIdempotencyStore). What tells a repeated call, and for how long, is what the
    /// tools [declare](toolpost_tool::IdempotencyPolicy).
    #[must_use]
    pub fn idempotency(mut self, store: impl IdempotencyStore) -> Self {
        self.keys = KeyStore::of(Arc::new(store));
        self
    }

    /// Asks a person as `approvals` says before a tool runs that [needs it](toolpost_tool::ToolSpec::needs_approval); without it,
    /// by a form that the client shows.
    #[must_use]
    pub fn approvals(mut self, approvals: Approvals) -> Self {
        self.approvals = approvals;
        self
    }

    /// Runs attempts under the permits of `gate`; without it, under 256 permits in front of which 512 may wait, each principal
    /// having its fair share.
    #[must_use]
    pub fn gate(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    /// Limits how often tools may be called.
    #[must_use]
    pub fn rates(mut self, rates: RateLimit) -> Self {
        self.rates = Some(rates);
        self
    }

    /// Loads the tools of the category called `name` from `loader` on its first use: when the category is listed
    /// ([`Runtime::tools_in`]), named to one of the four tools of [`Categories`](crate::Categories), or
    /// [loaded](Runtime::load_category). Until then no call finds its tools by their names alone, and a flat list has none of
    /// them. The tools declare this category or none. A load has as long as a [call](Self::time_limit) without a limit of its
    /// own.
    ///
    /// The loader runs once, however many come at the same time; if it fails, panics, or everyone who waits for it
    /// leaves, the next use runs it again. Listing the categories never runs it.
    #[must_use]
    pub fn lazy_category<F, Fut>(mut self, name: impl Into<String>, loader: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Vec<AnyTool>, ToolError>> + Send + 'static,
    {
        self.lazy.push((name.into(), Box::new(move || Box::pin(loader()))));
        self
    }

    /// Says that there will be a [source](Runtime::source) of this name: settings for tools that do not exist are a
    /// [warning](Runtime::warnings), as it may yet have them, and no fault.
    #[must_use]
    pub fn source(mut self, name: impl Into<String>) -> Self {
        self.sources.push(name.into());
        self
    }

    /// Sets what clients see of the tools; without it, the tools themselves ([`Flat`](crate::Flat)).
    #[must_use]
    pub fn surface(mut self, surface: impl Surface) -> Self {
        self.surface = Some(Box::new(surface));
        self
    }

    /// Cuts a call off after `limit` that has no deadline, and whose tool has no time limit, neither its own nor by the
    /// settings. Default: 60 s; [`Duration::MAX`] is no limit.
    #[must_use]
    pub const fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Lets one principal have `calls` calls at once, those that wait for a permit included, and refuses more. Default: 32.
    /// Callers without a name are counted by their address, where the transport knows it: one address may have half of the
    /// permits that the calls of others leave, or as many as a principal if that is more: with a [`gate`](Self::gate) of no more
    /// than twice this many permits, set less, or one address may have them all.
    #[must_use]
    pub const fn calls_per_principal(mut self, calls: usize) -> Self {
        self.per_principal = Some(calls);
        self
    }

    /// Asks `authorize` before listing and before using; without it, everything is allowed. An error or a panic of it
    /// denies.
    #[must_use]
    pub fn authorize(mut self, authorize: impl Authorize) -> Self {
        self.authorize = Some(Arc::new(authorize));
        self
    }

    /// Tells `observe` of every call, beside those that are told already. Where a surface puts tools in front, a call of one of
    /// them and the call that it makes are two. One that panics misses what it was told then, and nobody else notices.
    #[must_use]
    pub fn observe(mut self, observe: impl Observe) -> Self {
        self.observers.push(Box::new(observe));
        self
    }

    /// Puts a layer of the host's own around every tool: `layer` takes a tool and gives a tool that calls it. Of two at one
    /// [`Position`], the later one stands around the earlier.
    ///
    /// It is put around each tool as it is registered, those of lazy categories and reloads included, and again when the
    /// tool or its policy changes; around a tool that stays what it was, it stays too, with what it remembers. What it
    /// says of the tool may differ in texts and schemas. A layer that panics, or whose tool has another name, alias,
    /// category, annotation or declared policy, is a fault of [`build`](Self::build), or of the reload or load. It may
    /// ask the runtime, but not register tools or change settings itself.
    ///
    /// ```
    /// use toolpost::tool::{AnyTool, Call, NoArgs, Output, Tool, ToolError, ToolSpec, tool_fn};
    /// use toolpost::{Position, Runtime};
    ///
    /// /// Says which attempt an error is of.
    /// struct Numbered(AnyTool);
    ///
    /// impl Tool for Numbered {
    ///     fn spec(&self) -> &ToolSpec {
    ///         self.0.spec()
    ///     }
    ///
    ///     async fn call(&self, call: Call) -> Result<Output, ToolError> {
    ///         let attempt = call.attempt();
    ///         self.0.call(call).await.map_err(|error| {
    ///             let message = format!("attempt {attempt}: {error}");
    ///             error.with_message(message)
    ///         })
    ///     }
    /// }
    ///
    /// let fails = tool_fn("fails", |_: NoArgs, _: Call| async { Err::<String, _>(ToolError::new("no")) });
    /// let runtime = Runtime::builder()
    ///     .tool(fails)
    ///     .layer(Position::AroundAttempt, |tool| AnyTool::new(Numbered(tool)))
    ///     .build()
    ///     .unwrap();
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// assert_eq!(runtime.call("fails", &NoArgs {}).await.unwrap_err().to_string(), "attempt 1: no");
    /// # });
    /// ```
    #[must_use]
    #[track_caller]
    pub fn layer(
        mut self,
        position: Position,
        layer: impl Fn(AnyTool) -> AnyTool + Send + Sync + 'static,
    ) -> Self {
        self.layers.push(HostLayer { position, given_at: Location::caller(), layer: Box::new(layer) });
        self
    }

    /// Holds the descriptions of tools to the rules of these clients; without it, of [`SchemaClient::USUAL`]. What they find is
    /// among the [warnings](Runtime::warnings); which rules there are, and what is mended without a word, is said at
    /// [`ToolSpec::findings`](toolpost_tool::ToolSpec::findings).
    #[must_use]
    pub fn schema_clients(mut self, clients: impl IntoIterator<Item = SchemaClient>) -> Self {
        self.rules.clients = Some(clients.into_iter().collect());
        self
    }

    /// Says nothing of what this rule finds.
    #[must_use]
    pub fn allow_schema_finding(mut self, rule: impl Into<String>) -> Self {
        self.rules.allowed.push(rule.into());
        self
    }

    /// Makes what the rules find faults of [`build`](Self::build), and of a reload or load.
    ///
    /// ```
    /// use serde_json::json;
    /// use toolpost::Runtime;
    /// use toolpost::tool::{Call, NoArgs, tool_fn};
    ///
    /// let place = json!({ "type": "array", "prefixItems": [{ "type": "number" }], "items": false });
    /// let turn = tool_fn("turn", |_: NoArgs, _: Call| async { Ok("") }).with_spec(|spec| {
    ///     spec.with_input_schema(json!({ "type": "object", "properties": { "at": place } }))
    /// });
    /// let error = Runtime::builder().tool(turn).deny_schema_findings().build().unwrap_err();
    /// assert!(error.faults().next().unwrap().starts_with("`turn`: `/inputSchema/properties/at` is not for Gemini,"));
    /// ```
    #[must_use]
    pub const fn deny_schema_findings(mut self) -> Self {
        self.rules.is_denied = true;
        self
    }

    /// Has a drain wait for `background`, and say under `name` how much of it remains.
    #[must_use]
    pub fn background(mut self, name: impl Into<String>, background: impl Background) -> Self {
        self.background.push((name.into(), Box::new(background)));
        self
    }

    /// Offers resources.
    #[must_use]
    pub fn resources(self, resources: impl Resources) -> Self {
        self.with(|builder| builder.resources(resources))
    }

    /// Offers prompts.
    #[must_use]
    pub fn prompts(self, prompts: impl Prompts) -> Self {
        self.with(|builder| builder.prompts(prompts))
    }

    /// Offers completions of arguments.
    #[must_use]
    pub fn completions(self, completions: impl Completions) -> Self {
        self.with(|builder| builder.completions(completions))
    }

    /// Signals changes of resources and prompts through `changes`.
    #[must_use]
    pub fn changes(self, changes: Changes) -> Self {
        self.with(|builder| builder.changes(changes))
    }

    /// Checks all tools and settings together.
    ///
    /// # Errors
    ///
    /// If a name or alias is taken, a lazy category or background work is given twice, a schema is not one, a setting makes no sense or cannot take effect, or
    /// the settings name a tool that does not exist. Every fault is reported, not just the first. A tool that some lazy category may have is waited for: if
    /// none has it, loading the last one fails.
    pub fn build(self) -> Result<Runtime, BuildError> {
        let Self {
            tools,
            settings,
            cache,
            keys,
            approvals,
            rates,
            gate,
            lazy,
            surface,
            authorize,
            observers,
            ..
        } = self;
        let Self { time_limit, per_principal, offers, background, layers, sources, rules, .. } = self;
        #[cfg(feature = "upstream")]
        let upstreams = self.upstreams;
        let background = Owners::new(background);
        let cache = Arc::new(cache.map_or_else(OnceLock::new, OnceLock::from));
        let gate = gate.unwrap_or_else(|| {
            Gate::with_discipline(Limit::fixed(256), Fair::default(), QueueLimits::new(512))
        });
        let shared = Shared {
            cache,
            rates,
            permits: ConcurrencyLimit::new(&gate),
            threads: BlockingThreads::default(),
            keys,
            approvals,
        };
        let unknown_rules = rules.unknown();
        let around = Around { shared: shared.clone(), layers: HostLayers::new(layers), rules };
        let change = Change { settings: Some(settings), tools: Some((Origin::Builder, Given::of(tools))) };
        let mut declared = Registered::default();
        sources.into_iter().for_each(|name| declared.declare(Origin::Source(name)));
        let registered = declared.next(change, lazy.is_empty(), &around, None);
        let (lazy, mut twice) = by_name(lazy);
        twice.extend(background.faults());
        twice.extend(unknown_rules);
        let Next { registered, catalog, .. } = match registered {
            Ok(registered) if twice.is_empty() => registered,
            Ok(_) => return Err(BuildError::new(twice)),
            Err(BuildError { faults }) => return Err(BuildError::new([twice, faults].concat())),
        };
        let observers = Observers::new(observers);
        let dispatcher = |registry, tools| {
            let permits = gate.clone();
            let mut builder = Dispatcher::builder(registry).permits(move || permits.limit());
            if let Some(authorize) = &authorize {
                builder = builder.authorize(Rule { authorize: Arc::clone(authorize), tools });
            }
            if let Some(observers) = &observers {
                builder = builder.observe(observers.clone());
            }
            if let Some(limit) = time_limit {
                builder = builder.time_limit(limit);
            }
            if let Some(calls) = per_principal {
                builder = builder.calls_per_principal(calls);
            }
            builder
        };
        let registry = Registry::new(catalog);
        let offer = |builder, set_up: SetUp| set_up(builder);
        let all = offers.into_iter().fold(dispatcher(registry.clone(), true), offer).build();
        let behind =
            Behind::new((registry, all.clone()), around, registered, lazy, time_limit.unwrap_or(LOAD_LIMIT));
        let runtime = Runtime { dispatcher: all.clone(), behind, shared, background };
        let in_front = surface.map(|surface| surface::catalog(&*surface, &runtime)).transpose()?.flatten();
        #[cfg(feature = "upstream")]
        upstreams.iter().for_each(|upstreams| upstreams.attach(&runtime));
        Ok(match in_front {
            None => runtime,
            Some(catalog) => {
                let in_front = dispatcher(Registry::new(catalog), false).providers_of(&all).build();
                Runtime { dispatcher: in_front, ..runtime }
            }
        })
    }

    /// Hands the runtime to these upstreams, once it is built.
    #[cfg(feature = "upstream")]
    pub(crate) fn attaching(mut self, upstreams: &crate::Upstreams) -> Self {
        self.upstreams.push(upstreams.clone());
        self
    }

    fn with(mut self, set_up: impl FnOnce(DispatcherBuilder) -> DispatcherBuilder + 'static) -> Self {
        self.offers.push(Box::new(set_up));
        self
    }
}

impl fmt::Debug for RuntimeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeBuilder").field("tools", &self.tools).finish_non_exhaustive()
    }
}

/// The loaders by category, and the faults of those given twice.
fn by_name(loaders: Vec<(String, Loader)>) -> (BTreeMap<String, Loader>, Vec<String>) {
    let (mut lazy, mut twice) = (BTreeMap::new(), Vec::new());
    for (name, loader) in loaders {
        match lazy.entry(name) {
            Entry::Vacant(vacant) => drop(vacant.insert(loader)),
            Entry::Occupied(taken) => twice.push(format!("two loaders for the category `{}`", taken.key())),
        }
    }
    (lazy, twice)
}

/// The host's rule as one of a dispatcher. The tools in front of all others are everyone's: what is behind them is what the
/// host decides about.
struct Rule {
    authorize: Arc<dyn Authorize>,
    tools: bool,
}

impl Authorize for Rule {
    fn authorize(&self, access: &Access<'_>) -> Result<Decision, Box<dyn Error + Send + Sync>> {
        match access.target {
            Target::Tool(_) if !self.tools => Ok(Decision::Allow),
            _ => self.authorize.authorize(access),
        }
    }

    fn is_open(&self) -> bool {
        self.authorize.is_open()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use toolpost_tool::{CachePolicy, NoArgs, tool_fn};

    use super::*;

    #[tokio::test]
    async fn a_cache_is_made_only_where_a_tool_declares_one_or_it_is_asked_for() {
        let plain = tool_fn("plain", |_: NoArgs, _| async { Ok("") });
        let runtime = Runtime::builder().tool(plain).build().unwrap();
        runtime.call("plain", &serde_json::json!({})).await.unwrap();
        runtime.drain(Duration::ZERO).await.unwrap();
        assert!(runtime.shared.cache.get().is_none());
        assert_eq!(runtime.cache().stats().entries, 0);
        assert!(runtime.clone().shared.cache.get().is_some(), "clones share it");

        let policy = CachePolicy::new(Duration::from_secs(60));
        let cached = tool_fn("cached", |_: NoArgs, _| async { Ok("") })
            .with_spec(|spec| spec.read_only().with_cache(policy));
        let runtime = Runtime::builder().tool(cached).build().unwrap();
        assert!(runtime.shared.cache.get().is_some());
    }
}

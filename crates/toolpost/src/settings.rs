//! What a host overrides, as a file.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use schemars::JsonSchema;
use schemars::transform::{RecursiveTransform, Transform as _};
use serde::{Deserialize, Deserializer};
use toolpost_dispatch::nearest;
use toolpost_json::{Frame, Limits};
use toolpost_tool::{
    BreakerPolicy, CachePolicy, CacheSharing, Policy, Priority, RatePolicy, RetryPolicy, ToolSpec,
};

use crate::{BuildError, warnings};

/// What a host overrides in the policies that its tools declare, from a TOML (feature `toml`) or JSON file.
///
/// `defaults` fills in what a tool leaves undeclared; a tool's own section under `tools` replaces what
/// it declares, key by key: what a section leaves out stays. A key that does not exist is an error that
/// names it, and so is a section for a tool that does not exist. The JSON Schema of the file is
/// [`Settings::schema`], and is published as `docs/settings.schema.json` in this crate.
///
/// ```
/// use toolpost::Settings;
///
/// let settings = Settings::from_json(r#"{
///     "defaults": {"time-limit-ms": 10000},
///     "tools": {"search": {"cache": {"ttl-ms": 60000}, "retry": {"attempts": 3}}}
/// }"#).unwrap();
///
/// let error = Settings::from_json(r#"{"tools": {"search": {"timelimit": 5}}}"#).unwrap_err();
/// assert!(error.to_string().contains("unknown field `timelimit`"), "{error}");
/// # let _ = settings;
/// ```
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(description = "What a host overrides in the policies that its tools declare.")]
pub struct Settings {
    /// What holds for every tool that does not declare it.
    defaults: ToolSettings,
    /// What holds for one tool, by its name, whatever it declares.
    tools: BTreeMap<String, ToolSettings>,
}

/// The settings of one tool, or the defaults of all. What is left out stays as the tool declares it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct ToolSettings {
    /// The longest one attempt may take, in milliseconds.
    #[schemars(range(min = 1))]
    time_limit_ms: Option<u64>,
    /// How results are remembered. Of a tool that does not only read it is a fault; `defaults` pass over such a tool.
    cache: Option<CacheSettings>,
    /// How often a failed call is made again. Of a tool not safe to repeat it is a fault; `defaults` pass over it.
    retry: Option<RetrySettings>,
    /// When to stop calling.
    breaker: Option<BreakerSettings>,
    /// How often the tool may be called, besides what holds for all tools.
    rate: Option<RateSettings>,
    /// Urgency of a call that does not say its own.
    priority: Option<PrioritySetting>,
    /// The most attempts that may run at once.
    #[schemars(range(min = 1))]
    concurrency: Option<u32>,
    /// Whether a call runs only once a person has approved it.
    needs_approval: Option<bool>,
    /// What one call costs in ordinary ones.
    #[schemars(range(min = 1))]
    cost: Option<u32>,
    /// Policies that the tool declares and the host switches off; under `defaults`, those of every tool.
    without: Vec<Disabled>,
}

/// How results are remembered. What is left out stays as the tool declares it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct CacheSettings {
    /// How long a result is fresh, in milliseconds. Needed where the tool declares no cache.
    ttl_ms: Option<u64>,
    /// How long after that it is served while one refresh runs, in milliseconds.
    stale_ms: Option<u64>,
    /// How long after `ttl-ms` it is served when the tool cannot answer, in milliseconds.
    stale_if_error_ms: Option<u64>,
    /// Whether all callers share a result, rather than each principal having its own.
    public: Option<bool>,
}

/// How often a failed call is made again. What is left out stays as the tool declares it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct RetrySettings {
    /// Attempts in all, the first included. Needed where the tool declares no retry.
    #[schemars(range(min = 2))]
    attempts: Option<u32>,
    /// The bound of the first wait, in milliseconds; 100 where nobody says otherwise.
    base_ms: Option<u64>,
    /// The bound of every wait, in milliseconds; 10000 where nobody says otherwise.
    cap_ms: Option<u64>,
}

/// How often a tool may be called. What is left out stays as the tool declares it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct RateSettings {
    /// Calls in `per-ms`, as many of which may come at once. Needed where the tool declares no rate.
    #[schemars(range(min = 1))]
    calls: Option<u32>,
    /// The time for so many calls, in milliseconds; 366 days at the most. Needed where the tool declares no rate.
    #[schemars(range(min = 1, max = 31_622_400_000_u64))]
    per_ms: Option<u64>,
    /// Whether each principal is counted on its own, rather than all together.
    per_principal: Option<bool>,
}

/// When to stop calling. What is left out stays as the tool declares it, or is toolpost's default.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct BreakerSettings {
    /// Calls the judgement looks back on.
    #[schemars(range(min = 1, max = 4096))]
    window: Option<u32>,
    /// Share of failures, from 0 to 1, that opens the breaker; taken in whole percents, and one at the least.
    #[schemars(range(min = 0.0, max = 1.0))]
    failure_rate: Option<f64>,
    /// Calls needed before judging; those of the window, where it has fewer.
    #[schemars(range(min = 1))]
    minimum_calls: Option<u32>,
    /// A call that takes longer counts as slow, in milliseconds.
    slow_call_ms: Option<u64>,
    /// How long the breaker stays open the first time, at the least, in milliseconds.
    open_for_ms: Option<u64>,
    /// How long a recovery waits for trial calls that do not end before others are let through, in milliseconds.
    patience_ms: Option<u64>,
}

/// Urgency of a call.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum PrioritySetting {
    /// Work nobody waits for.
    Background,
    /// An ordinary call.
    Normal,
    /// Somebody is waiting.
    Urgent,
}

/// A policy that can be switched off.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Disabled {
    /// No breaker.
    Breaker,
    /// Nothing is remembered.
    Cache,
    /// A repeated call runs again.
    Idempotency,
    /// No rate of its own.
    Rate,
    /// One attempt.
    Retry,
    /// No time limit.
    TimeLimit,
}

impl Settings {
    /// Reads settings from JSON.
    ///
    /// # Errors
    ///
    /// If the text is not JSON, has a key that does not exist or is there twice, or a value of the wrong type or out of
    /// its range. The error says which key, as a path from the top of the file, and in which line it is where the text
    /// itself is at fault; of a section that is there twice it says at which byte.
    pub fn from_json(text: &str) -> Result<Self, BuildError> {
        let mut json = serde_json::Deserializer::from_str(text);
        let settings = Self::read(&mut json)?;
        json.end().map_err(BuildError::of)?;
        // Of two sections for one tool, serde_json keeps the last.
        Frame::from_text(text.to_owned(), &Limits::new()).map_err(BuildError::of)?;
        settings.checked()
    }

    /// Reads settings from TOML.
    ///
    /// # Errors
    ///
    /// As [`from_json`](Self::from_json), for TOML. Without the feature `toml` of this crate it always fails, and says that.
    pub fn from_toml(text: &str) -> Result<Self, BuildError> {
        #[cfg(feature = "toml")]
        {
            let toml = toml::Deserializer::parse(text).map_err(BuildError::of)?;
            Self::read(toml)?.checked()
        }
        #[cfg(not(feature = "toml"))]
        {
            let _unread = text;
            Err(BuildError::of("settings in TOML need the feature `toml` of the crate `toolpost`"))
        }
    }

    /// The JSON Schema of the file, for editors and for checks before deployment.
    #[must_use]
    pub fn schema() -> serde_json::Value {
        let mut schema = schemars::SchemaGenerator::default().into_root_schema_for::<Self>();
        // Numbers alone have one here: a width of Rust's, which means nothing to an editor.
        let mut without_format = RecursiveTransform(|schema: &mut schemars::Schema| {
            schema.remove("format");
        });
        without_format.transform(&mut schema);
        schema.to_value()
    }

    /// The policy of the tool with this description. What makes no sense together with what is declared, or cannot take
    /// effect, is added to `faults`. (Defaults are for all tools, and pass over those that they are not for.)
    pub(crate) fn apply(&self, spec: &ToolSpec, faults: &mut Vec<String>) -> Policy {
        let mut policy = spec.policy().clone();
        self.defaults.fill(&mut policy);
        if let Some(own) = self.tools.get(spec.name()) {
            let at = format!("tools.{}", spec.name());
            own.needs(&policy, &at, faults);
            warnings::asked_in_vain(spec, &at, own.cache.is_some(), own.retry.is_some(), faults);
            own.replace(&mut policy);
        }
        policy
    }

    /// What makes no sense, whatever the tools declare.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        self.defaults.needs(&Policy::default(), "defaults", &mut faults);
        self.defaults.ranges("defaults", &mut faults);
        self.tools.iter().for_each(|(name, own)| own.ranges(&format!("tools.{name}"), &mut faults));
        faults
    }

    /// The faults of sections under another name of a tool.
    pub(crate) fn aliases(&self, tools: &[&ToolSpec]) -> Vec<String> {
        let fault = |name: &String| {
            let tool = tools.iter().find(|tool| tool.aliases().contains(name))?.name();
            Some(format!("the settings name a tool `{name}`, which is another name of `{tool}`"))
        };
        self.tools.keys().filter_map(fault).collect()
    }

    /// The faults of sections for tools that are not among `tools`, where `all` there will ever be are.
    pub(crate) fn unknown_tools(&self, all: bool, tools: &[&ToolSpec]) -> Vec<String> {
        let fault = |name: &String| {
            if !all || tools.iter().any(|tool| tool.name() == name || tool.aliases().contains(name)) {
                return None;
            }
            let near = nearest(name, tools.iter().map(|tool| tool.name()));
            let near: Vec<String> = near.into_iter().map(|near| format!("`{near}`")).collect();
            Some(match near.is_empty() {
                true => format!("the settings name a tool `{name}`, and there is none"),
                false => {
                    let near = near.join(" or ");
                    format!("the settings name a tool `{name}`, and there is none; did you mean {near}?")
                }
            })
        };
        self.tools.keys().filter_map(fault).collect()
    }

    /// What `file` says; an error names the key, where it is about one.
    fn read<'a>(file: impl Deserializer<'a, Error: fmt::Display>) -> Result<Self, BuildError> {
        serde_path_to_error::deserialize(file).map_err(|error| {
            match (error.path().to_string().as_str(), error.inner()) {
                (".", inner) => BuildError::of(inner),
                (path, inner) => BuildError::of(format_args!("`{path}`: {inner}")),
            }
        })
    }

    fn checked(self) -> Result<Self, BuildError> {
        match self.faults() {
            faults if faults.is_empty() => Ok(self),
            faults => Err(BuildError::new(faults)),
        }
    }
}

impl ToolSettings {
    /// Fills in what is undeclared.
    fn fill(&self, policy: &mut Policy) {
        let mut all = policy.clone();
        self.replace(&mut all);
        policy.time_limit = policy.time_limit.or(all.time_limit);
        policy.cache = policy.cache.take().or(all.cache);
        policy.retry = policy.retry.or(all.retry);
        policy.breaker = policy.breaker.or(all.breaker);
        policy.rate = policy.rate.or(all.rate);
        policy.priority = policy.priority.or(all.priority);
        policy.concurrency = policy.concurrency.or(all.concurrency);
        policy.cost = policy.cost.or(all.cost);
        policy.needs_approval |= all.needs_approval;
        self.switch_off(policy);
    }

    /// Replaces what is declared, by as much as is said.
    fn replace(&self, policy: &mut Policy) {
        if let Some(limit) = self.time_limit_ms {
            policy.time_limit = Some(Duration::from_millis(limit));
        }
        if let Some(cache) = &self.cache {
            cache.replace(policy.cache.get_or_insert_default());
        }
        if let Some(retry) = &self.retry {
            retry.replace(policy.retry.get_or_insert(RetryPolicy::new(1)));
        }
        if let Some(breaker) = &self.breaker {
            breaker.replace(policy.breaker.get_or_insert_default());
        }
        if let Some(rate) = &self.rate {
            rate.replace(policy.rate.get_or_insert(RatePolicy::new(1, Duration::from_secs(1))));
        }
        if let Some(priority) = self.priority {
            policy.priority = Some(priority.into());
        }
        policy.concurrency = self.concurrency.or(policy.concurrency);
        policy.cost = self.cost.or(policy.cost);
        policy.needs_approval = self.needs_approval.unwrap_or(policy.needs_approval);
        self.switch_off(policy);
    }

    fn switch_off(&self, policy: &mut Policy) {
        for without in &self.without {
            match without {
                Disabled::Breaker => policy.breaker = None,
                Disabled::Cache => policy.cache = None,
                Disabled::Idempotency => policy.idempotency = None,
                Disabled::Rate => policy.rate = None,
                Disabled::Retry => policy.retry = None,
                Disabled::TimeLimit => policy.time_limit = None,
            }
        }
    }

    /// What must be said here because `declared` does not say it.
    fn needs(&self, declared: &Policy, at: &str, faults: &mut Vec<String>) {
        let cache = self.cache.as_ref().is_some_and(|cache| cache.ttl_ms.is_none());
        if cache && declared.cache.is_none() {
            faults.push(format!("`{at}.cache` needs `ttl-ms`, for nothing else declares it"));
        }
        let retry = self.retry.as_ref().is_some_and(|retry| retry.attempts.is_none());
        if retry && declared.retry.is_none() {
            faults.push(format!("`{at}.retry` needs `attempts`, for nothing else declares it"));
        }
        let rate = self.rate.as_ref().is_some_and(|rate| rate.calls.is_none() || rate.per_ms.is_none());
        if rate && declared.rate.is_none() {
            faults.push(format!("`{at}.rate` needs `calls` and `per-ms`, for nothing else declares them"));
        }
    }

    fn ranges(&self, at: &str, faults: &mut Vec<String>) {
        let mut bounded = |key: &str, value: Option<u64>, bounds: RangeInclusive<u64>| {
            let Some(value) = value else { return };
            let (least, most) = bounds.into_inner();
            if value < least {
                faults.push(format!("`{at}.{key}` is {value}, and must be {least} at least"));
            } else if most < value {
                faults.push(format!("`{at}.{key}` is {value}, and must be {most} at most"));
            }
        };
        bounded("time-limit-ms", self.time_limit_ms, 1..=u64::MAX);
        bounded("rate.per-ms", self.rate.as_ref().and_then(|rate| rate.per_ms), 1..=RateSettings::LONGEST_MS);
        let mut least =
            |key: &str, value: Option<u32>, least| bounded(key, value.map(u64::from), least..=u64::MAX);
        least("concurrency", self.concurrency, 1);
        least("cost", self.cost, 1);
        least("rate.calls", self.rate.as_ref().and_then(|rate| rate.calls), 1);
        least("retry.attempts", self.retry.as_ref().and_then(|retry| retry.attempts), 2);
        let Some(breaker) = &self.breaker else { return };
        least("breaker.minimum-calls", breaker.minimum_calls, 1);
        bounded("breaker.window", breaker.window.map(u64::from), 1..=4_096);
        if let Some(rate) = breaker.failure_rate.filter(|rate| !(0.0..=1.0).contains(rate)) {
            faults.push(format!("`{at}.breaker.failure-rate` is {rate}, and must be from 0 to 1"));
        }
    }
}

impl CacheSettings {
    fn replace(&self, policy: &mut CachePolicy) {
        policy.ttl = self.ttl_ms.map_or(policy.ttl, Duration::from_millis);
        policy.stale = self.stale_ms.map_or(policy.stale, Duration::from_millis);
        policy.stale_if_error = self.stale_if_error_ms.map_or(policy.stale_if_error, Duration::from_millis);
        policy.scope = match self.public {
            Some(true) => CacheSharing::Public,
            Some(false) => CacheSharing::Principal,
            None => policy.scope,
        };
    }
}

impl RetrySettings {
    fn replace(&self, policy: &mut RetryPolicy) {
        policy.attempts = self.attempts.unwrap_or(policy.attempts);
        policy.base = self.base_ms.map_or(policy.base, Duration::from_millis);
        policy.cap = self.cap_ms.map_or(policy.cap, Duration::from_millis);
    }
}

impl RateSettings {
    /// As long as [`Rate::new`](crate::layers::Rate::new) takes.
    const LONGEST_MS: u64 = 366 * 24 * 60 * 60 * 1_000;

    fn replace(&self, policy: &mut RatePolicy) {
        policy.calls = self.calls.unwrap_or(policy.calls);
        policy.per = self.per_ms.map_or(policy.per, Duration::from_millis);
        policy.per_principal = self.per_principal.unwrap_or(policy.per_principal);
    }
}

impl BreakerSettings {
    fn replace(&self, policy: &mut BreakerPolicy) {
        policy.window = self.window.unwrap_or(policy.window);
        policy.failure_rate = self.failure_rate.unwrap_or(policy.failure_rate);
        policy.minimum_calls = self.minimum_calls.unwrap_or(policy.minimum_calls);
        policy.slow_call = self.slow_call_ms.map(Duration::from_millis).or(policy.slow_call);
        policy.open_for = self.open_for_ms.map_or(policy.open_for, Duration::from_millis);
        policy.patience = self.patience_ms.map(Duration::from_millis).or(policy.patience);
    }
}

impl From<PrioritySetting> for Priority {
    fn from(setting: PrioritySetting) -> Self {
        match setting {
            PrioritySetting::Background => Self::Background,
            PrioritySetting::Normal => Self::Normal,
            PrioritySetting::Urgent => Self::Urgent,
        }
    }
}

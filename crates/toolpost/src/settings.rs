//! What a host overrides, as a file.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use toolpost_tool::{BreakerPolicy, CachePolicy, Policy, Priority, RetryPolicy};

/// What a host overrides in the policies that its tools declare, from a TOML or JSON file.
///
/// `defaults` fills in what a tool leaves undeclared; a tool's own section under `tools` replaces what
/// it declares. A key that does not exist is an error that names it, and so is a section for a tool
/// that does not exist. The JSON Schema of the file is [`Settings::schema`].
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
#[non_exhaustive]
pub struct Settings {
    /// What holds for every tool that does not declare it.
    pub defaults: ToolSettings,
    /// What holds for one tool, by its name, whatever it declares.
    pub tools: BTreeMap<String, ToolSettings>,
}

/// The settings of one tool, or the defaults of all. What is left out stays as the tool declares it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct ToolSettings {
    /// The longest one attempt may take, in milliseconds.
    pub time_limit_ms: Option<u64>,
    /// How results are remembered. Takes effect only for a tool that only reads.
    pub cache: Option<CacheSettings>,
    /// How often a failed call is made again. Takes effect only for a tool that is safe to repeat.
    pub retry: Option<RetrySettings>,
    /// When to stop calling.
    pub breaker: Option<BreakerSettings>,
    /// Urgency of a call that does not say its own.
    pub priority: Option<PrioritySetting>,
    /// The most attempts that may run at once.
    #[schemars(range(min = 1))]
    pub concurrency: Option<u32>,
    /// Policies that the tool declares and the host switches off.
    pub without: Vec<Without>,
}

/// How results are remembered.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct CacheSettings {
    /// How long a result is fresh, in milliseconds.
    pub ttl_ms: u64,
    /// How long after that it is served while one refresh runs, in milliseconds.
    #[serde(default)]
    pub stale_ms: u64,
    /// How long after `ttl-ms` it is served when the tool cannot answer, in milliseconds.
    #[serde(default)]
    pub stale_if_error_ms: u64,
    /// Whether all callers share a result, rather than each principal having its own.
    #[serde(default)]
    pub public: bool,
}

/// How often a failed call is made again.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct RetrySettings {
    /// Attempts in all, the first included.
    #[schemars(range(min = 2))]
    pub attempts: u32,
}

/// When to stop calling.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct BreakerSettings {
    /// Calls the judgement looks back on.
    pub window: u32,
    /// Share of failures, from 0 to 1, that opens the breaker.
    pub failure_rate: f64,
    /// Calls needed before judging.
    pub minimum_calls: u32,
    /// A call that takes longer counts as slow, in milliseconds.
    pub slow_call_ms: Option<u64>,
    /// How long the breaker stays open the first time, in milliseconds.
    pub open_for_ms: u64,
}

/// Urgency of a call.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PrioritySetting {
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
#[non_exhaustive]
pub enum Without {
    /// No breaker.
    Breaker,
    /// Nothing is remembered.
    Cache,
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
    /// If the text is not JSON, has a key that does not exist, or a value of the wrong type.
    pub fn from_json(text: &str) -> Result<Self, SettingsError> {
        serde_json::from_str(text).map_err(SettingsError::of)
    }

    /// Reads settings from TOML.
    ///
    /// # Errors
    ///
    /// As [`from_json`](Self::from_json), for TOML.
    #[cfg(feature = "toml")]
    pub fn from_toml(text: &str) -> Result<Self, SettingsError> {
        toml::from_str(text).map_err(SettingsError::of)
    }

    /// The JSON Schema of the file, for editors and for checks before deployment.
    #[must_use]
    pub fn schema() -> serde_json::Value {
        schemars::SchemaGenerator::default().into_root_schema_for::<Self>().to_value()
    }

    /// The policy of the tool called `name` that declares `declared`.
    pub(crate) fn apply(&self, name: &str, declared: &Policy) -> Policy {
        let mut policy = declared.clone();
        self.defaults.fill(&mut policy);
        if let Some(own) = self.tools.get(name) {
            own.replace(&mut policy);
        }
        policy
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
        policy.priority = policy.priority.or(all.priority);
        policy.concurrency = policy.concurrency.or(all.concurrency);
        self.switch_off(policy);
    }

    /// Replaces what is declared.
    fn replace(&self, policy: &mut Policy) {
        let ms = Duration::from_millis;
        if let Some(limit) = self.time_limit_ms {
            policy.time_limit = Some(ms(limit));
        }
        if let Some(cache) = &self.cache {
            let own = policy.cache.take().unwrap_or_default();
            let mut new = CachePolicy::new(ms(cache.ttl_ms)).stale_for(ms(cache.stale_ms));
            new = new.stale_if_error(ms(cache.stale_if_error_ms));
            new = if cache.public { new.public() } else { new };
            (new.tags, new.vary) = (own.tags, own.vary);
            policy.cache = Some(new);
        }
        if let Some(retry) = &self.retry {
            let mut new = policy.retry.unwrap_or(RetryPolicy::new(retry.attempts));
            new.attempts = retry.attempts;
            policy.retry = Some(new);
        }
        if let Some(breaker) = &self.breaker {
            policy.breaker = Some(breaker.policy());
        }
        if let Some(priority) = self.priority {
            policy.priority = Some(priority.into());
        }
        if let Some(concurrency) = self.concurrency {
            policy.concurrency = Some(concurrency);
        }
        self.switch_off(policy);
    }

    fn switch_off(&self, policy: &mut Policy) {
        for without in &self.without {
            match without {
                Without::Breaker => policy.breaker = None,
                Without::Cache => policy.cache = None,
                Without::Retry => policy.retry = None,
                Without::TimeLimit => policy.time_limit = None,
            }
        }
    }
}

impl BreakerSettings {
    fn policy(&self) -> BreakerPolicy {
        let mut policy = BreakerPolicy::default();
        policy.window = self.window;
        policy.failure_rate = self.failure_rate;
        policy.minimum_calls = self.minimum_calls;
        policy.slow_call = self.slow_call_ms.map(Duration::from_millis);
        policy.open_for = Duration::from_millis(self.open_for_ms);
        policy
    }
}

impl Default for BreakerSettings {
    fn default() -> Self {
        let policy = BreakerPolicy::default();
        Self {
            window: policy.window,
            failure_rate: policy.failure_rate,
            minimum_calls: policy.minimum_calls,
            slow_call_ms: None,
            open_for_ms: u64::try_from(policy.open_for.as_millis()).unwrap_or(u64::MAX),
        }
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

/// Settings that cannot be read, or that name what does not exist.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SettingsError {
    message: String,
}

impl SettingsError {
    fn of(error: impl fmt::Display) -> Self {
        Self { message: error.to_string() }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SettingsError {}

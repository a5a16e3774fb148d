//! What a host overrides: section by section, key by key; and what is wrong with it is named.
#![expect(clippy::unwrap_used, reason = "a test unwraps")]

use std::time::Duration;

use serde_json::{Value, json};
use toolpost::dispatch::Schema;
use toolpost::json::Frame;
use toolpost::layers::{Hedge, Retry};
use toolpost::tool::{
    BreakerPolicy, CachePolicy, CacheSharing, Call, NoArgs, Policy, RatePolicy, RetryPolicy, ToolSpec,
    tool_fn,
};
use toolpost::{Runtime, Settings, ToolExt};
use toolpost_test::Script;

/// The policy that is enforced for a tool with this one.
fn enforced(settings: &Value, change: impl FnOnce(ToolSpec) -> ToolSpec) -> Result<Policy, String> {
    let settings = Settings::from_json(&settings.to_string()).map_err(|error| error.to_string())?;
    let tool = Script::new("s").with_spec(change).answers("");
    let runtime =
        Runtime::builder().settings(settings).tool(tool).build().map_err(|error| error.to_string())?;
    let catalog = runtime.dispatcher().catalog();
    Ok(catalog.find("s").unwrap().spec().policy().clone())
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn a_partial_cache_section_leaves_the_rest_as_declared() {
    let declared =
        CachePolicy::new(ms(1)).stale_for(ms(2)).stale_if_error(ms(3)).public().tagged("t").vary_by("v");
    let with = |section: Value| {
        let settings = json!({"tools": {"s": {"cache": section}}});
        enforced(&settings, |spec| spec.read_only().with_cache(declared.clone())).unwrap().cache.unwrap()
    };
    assert_eq!(with(json!({})), declared);
    assert_eq!(with(json!({"stale-ms": 20})), declared.clone().stale_for(ms(20)));
    assert_eq!(with(json!({"stale-if-error-ms": 30})), declared.clone().stale_if_error(ms(30)));
    let ttl = with(json!({"ttl-ms": 10, "public": false}));
    assert_eq!((ttl.ttl, ttl.stale, ttl.scope), (ms(10), ms(2), CacheSharing::Principal));
}

#[test]
fn a_partial_breaker_section_leaves_the_rest_as_declared() {
    let mut declared = BreakerPolicy::default();
    (declared.window, declared.failure_rate, declared.minimum_calls) = (7, 0.25, 3);
    (declared.slow_call, declared.open_for, declared.patience) = (Some(ms(5)), ms(6), Some(ms(7)));
    let with = |section: Value| {
        let settings = json!({"tools": {"s": {"breaker": section}}});
        enforced(&settings, |spec| spec.with_breaker(declared)).unwrap().breaker.unwrap()
    };
    assert_eq!(with(json!({})), declared);
    let mut changed = declared;
    changed.window = 9;
    assert_eq!(with(json!({"window": 9})), changed);
    (changed.failure_rate, changed.minimum_calls) = (0.75, 4);
    (changed.slow_call, changed.open_for, changed.patience) = (Some(ms(50)), ms(60), Some(ms(70)));
    let all = json!({
        "window": 9, "failure-rate": 0.75, "minimum-calls": 4,
        "slow-call-ms": 50, "open-for-ms": 60, "patience-ms": 70,
    });
    assert_eq!(with(all), changed);
}

#[test]
fn a_partial_retry_section_leaves_the_rest_as_declared() {
    let mut declared = RetryPolicy::new(3);
    (declared.base, declared.cap) = (ms(5), ms(6));
    let settings = json!({"tools": {"s": {"retry": {"cap-ms": 60}}}});
    let retry = enforced(&settings, |spec| spec.repeatable().with_retry(declared)).unwrap().retry.unwrap();
    assert_eq!((retry.attempts, retry.base, retry.cap), (3, ms(5), ms(60)));
}

#[test]
fn a_tools_section_overlays_the_defaults_and_what_is_declared_wins_over_them() {
    let settings = json!({
        "defaults": {"cache": {"ttl-ms": 100, "stale-ms": 7}, "cost": 2},
        "tools": {"s": {"cache": {"stale-if-error-ms": 9}}}
    });
    let policy = enforced(&settings, ToolSpec::read_only).unwrap();
    let cache = policy.cache.unwrap();
    assert_eq!((cache.ttl, cache.stale, cache.stale_if_error), (ms(100), ms(7), ms(9)));
    assert_eq!(policy.cost, Some(2));
    let policy =
        enforced(&settings, |spec| spec.read_only().with_cost(5).with_cache(CachePolicy::new(ms(1))))
            .unwrap();
    let cache = policy.cache.unwrap();
    assert_eq!((cache.ttl, cache.stale, cache.stale_if_error), (ms(1), ms(0), ms(9)));
    assert_eq!(policy.cost, Some(5));
}

#[test]
fn what_a_section_needs_and_nobody_declares_is_named() {
    let plain = |settings: Value| enforced(&settings, ToolSpec::read_only).unwrap_err();
    assert_eq!(
        plain(json!({"tools": {"s": {"cache": {"stale-ms": 1}}}})),
        "`tools.s.cache` needs `ttl-ms`, for nothing else declares it"
    );
    assert_eq!(
        plain(json!({"defaults": {"retry": {"cap-ms": 1}, "cache": {"public": true}}})),
        "`defaults.cache` needs `ttl-ms`, for nothing else declares it; \
         `defaults.retry` needs `attempts`, for nothing else declares it"
    );
}

#[test]
fn a_section_that_is_there_twice_is_refused_rather_than_the_first_forgotten() {
    let twice = r#"{"tools": {"s": {"concurrency": 1}, "s": {}}}"#;
    let error = Settings::from_json(twice).unwrap_err();
    assert_eq!(error.to_string(), "duplicate member name in an object at byte 36");
}

#[test]
fn a_host_switches_off_what_a_tool_declares_for_one_tool_or_for_all() {
    let declared = |spec: ToolSpec| {
        spec.read_only()
            .with_cache(CachePolicy::new(ms(1)))
            .with_retry(RetryPolicy::new(2))
            .with_breaker(BreakerPolicy::default())
            .with_time_limit(ms(1))
    };
    let left = |settings: &Value| {
        let Policy { breaker, cache, retry, time_limit, .. } = enforced(settings, declared).unwrap();
        [breaker.is_some(), cache.is_some(), retry.is_some(), time_limit.is_some()]
    };
    for (at, without) in ["breaker", "cache", "retry", "time-limit"].into_iter().enumerate() {
        let all_but_one: [bool; 4] = std::array::from_fn(|policy| policy != at);
        assert_eq!(left(&json!({"defaults": {"without": [without]}})), all_but_one);
        assert_eq!(left(&json!({"tools": {"s": {"without": [without]}}})), all_but_one);
    }
    let all_off = json!({"without": ["breaker", "cache", "retry", "time-limit"]});
    let on_for_one = json!({"defaults": all_off, "tools": {"s": {"time-limit-ms": 5}}});
    assert_eq!(left(&on_for_one), [false, false, false, true]);
}

#[test]
fn an_alias_is_not_a_tools_name() {
    let error = enforced(&json!({"tools": {"t": {}}}), |spec| spec.with_alias("t").unwrap()).unwrap_err();
    assert_eq!(error, "the settings name a tool `t`, which is another name of `s`");
}

#[test]
fn the_published_schema_is_the_one_there_is() {
    let published: Value = serde_json::from_str(include_str!("../../docs/settings.schema.json")).unwrap();
    assert_eq!(published, Settings::schema(), "write `Settings::schema()` to docs/settings.schema.json");
}

/// Files in which a key does not exist, or has a value of another type, and the path of that key.
const WRONG: &[(&str, &str, &str)] = &[
    (
        r#"{"tools": {"s": {"time-limit-ms": "5 s"}}}"#,
        "[tools.s]\ntime-limit-ms = '5 s'",
        "tools.s.time-limit-ms",
    ),
    (
        r#"{"tools": {"s": {"cache": {"ttl-ms": 1.5}}}}"#,
        "[tools.s.cache]\nttl-ms = 1.5",
        "tools.s.cache.ttl-ms",
    ),
    (
        r#"{"defaults": {"retry": {"attempts": -1}}}"#,
        "[defaults.retry]\nattempts = -1",
        "defaults.retry.attempts",
    ),
    (r#"{"defaults": {"breaker": true}}"#, "[defaults]\nbreaker = true", "defaults.breaker"),
    (r#"{"defaults": {"priority": "asap"}}"#, "[defaults]\npriority = 'asap'", "defaults.priority"),
    (
        r#"{"defaults": {"without": ["retry", "tools"]}}"#,
        "[defaults]\nwithout = ['retry', 'tools']",
        "defaults.without[1]",
    ),
    (r#"{"tools": {"s": {"timeout": 1}}}"#, "[tools.s]\ntimeout = 1", "tools.s.timeout"),
    (r#"{"tool": {}}"#, "[tool]", "tool"),
];

#[test]
fn a_wrong_value_in_json_is_named_by_the_path_of_its_key_and_its_line() {
    for (json, _, path) in WRONG {
        let error = Settings::from_json(json).unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{path}`: ")), "{error}");
        assert!(error.contains("at line 1 column "), "{error}");
    }
    assert!(Settings::from_json("{} {}").unwrap_err().to_string().starts_with("trailing characters"));
    assert_eq!(
        Settings::from_json("[").unwrap_err().to_string(),
        "EOF while parsing a list at line 1 column 1"
    );
}

#[cfg(feature = "toml")]
#[test]
fn a_wrong_value_in_toml_is_named_by_the_path_of_its_key_and_its_line() {
    for (_, toml, path) in WRONG {
        let error = Settings::from_toml(toml).unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{path}`: ")), "{error}");
        assert!(error.contains(&format!("line {}, column ", toml.lines().count())), "{error}");
    }
    assert!(Settings::from_toml("[").unwrap_err().to_string().starts_with("TOML parse error"));
}

/// Whatever is read is valid, and whatever is not valid is not read, with the key in the error.
#[test]
fn schema_and_reader_agree() {
    let text = Settings::schema().to_string();
    assert!(!text.contains("\"format\""), "widths of Rust's numbers mean nothing to an editor: {text}");
    let schema = Schema::compile(&Settings::schema()).unwrap();
    let is_valid =
        |settings: &Value| schema.check(Frame::from_serialize(settings).unwrap().root(), "settings").is_ok();
    let everything = json!({
        "time-limit-ms": 1,
        "cache": {"ttl-ms": 1, "stale-ms": 1, "stale-if-error-ms": 1, "public": true},
        "retry": {"attempts": 2, "base-ms": 1, "cap-ms": 1},
        "rate": {"calls": 1, "per-ms": 1, "per-principal": true},
        "breaker": {"window": 1, "failure-rate": 0.5, "minimum-calls": 1, "slow-call-ms": 1, "open-for-ms": 1, "patience-ms": 1},
        "priority": "urgent", "concurrency": 1, "cost": 1, "without": ["breaker", "cache", "idempotency", "rate", "retry", "time-limit"]
    });
    let whole = json!({"defaults": everything, "tools": {"s": everything}});
    assert!(is_valid(&whole));
    assert!(Settings::from_json(&whole.to_string()).is_ok());
    // Each with what its error must name.
    let wrong = [
        (json!({"default": {}}), "default"),
        (json!({"defaults": {"timeout": 1}}), "timeout"),
        (json!({"tools": {"s": {"cache": {"ttl": 1}}}}), "ttl"),
        (json!({"tools": {"s": {"retry": {"attempt": 2}}}}), "attempt"),
        (json!({"tools": {"s": {"breaker": {"windows": 2}}}}), "windows"),
        (json!({"tools": {"s": {"breaker": {"window": 0}}}}), "tools.s.breaker.window"),
        (json!({"tools": {"s": {"breaker": {"window": 4097}}}}), "tools.s.breaker.window"),
        (json!({"tools": {"s": {"time-limit-ms": 0}}}), "tools.s.time-limit-ms"),
        (json!({"tools": {"s": {"breaker": {"minimum-calls": 0}}}}), "tools.s.breaker.minimum-calls"),
        (json!({"tools": {"s": {"breaker": {"failure-rate": 1.5}}}}), "tools.s.breaker.failure-rate"),
        (json!({"tools": {"s": {"retry": {"attempts": 1}}}}), "tools.s.retry.attempts"),
        (json!({"tools": {"s": {"concurrency": 0}}}), "tools.s.concurrency"),
        (json!({"defaults": {"cost": 0}}), "defaults.cost"),
        (json!({"tools": {"s": {"rate": {"calls": 0, "per-ms": 1}}}}), "tools.s.rate.calls"),
        (json!({"tools": {"s": {"rate": {"calls": 1, "per-ms": 0}}}}), "tools.s.rate.per-ms"),
        (
            json!({"tools": {"s": {"rate": {"calls": 1, "per-ms": 31_622_400_001_u64}}}}),
            "tools.s.rate.per-ms",
        ),
        (json!({"defaults": {"priority": "asap"}}), "asap"),
        (json!({"defaults": {"without": ["tools"]}}), "tools"),
        (json!({"defaults": {"time-limit-ms": -1}}), "-1"),
    ];
    for (settings, named) in wrong {
        assert!(!is_valid(&settings), "{settings}");
        let error = Settings::from_json(&settings.to_string()).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
}

#[test]
fn what_is_asked_for_in_writing_and_cannot_take_effect_is_a_fault() {
    let plain = |settings: Value| enforced(&settings, |spec| spec).unwrap_err();
    let cache = plain(json!({"tools": {"s": {"cache": {"ttl-ms": 1}}}}));
    assert_eq!(
        cache,
        "`tools.s.cache` cannot take effect: `s` does not declare that it only reads (`read_only()` on its spec)",
    );
    let retry = plain(json!({"tools": {"s": {"retry": {"attempts": 3}}}}));
    assert!(
        retry.contains("`tools.s.retry` cannot take effect") && retry.contains("`repeatable()`"),
        "{retry}"
    );
    let repeatable = enforced(&json!({"tools": {"s": {"retry": {"attempts": 3}}}}), ToolSpec::repeatable);
    assert_eq!(repeatable.unwrap().retry.unwrap().attempts, 3);
    // Defaults are for all tools, and pass over those that they are not for.
    let defaults = json!({"defaults": {"cache": {"ttl-ms": 1}, "retry": {"attempts": 3}}});
    assert!(enforced(&defaults, |spec| spec).is_ok());
    // A reload is checked alike, and changes nothing if it is at fault.
    let runtime = Runtime::builder().tool(Script::new("s").answers("")).build().unwrap();
    let settings = Settings::from_json(r#"{"tools": {"s": {"retry": {"attempts": 3}}}}"#).unwrap();
    assert!(runtime.reconfigure(&settings).is_err());
}

#[test]
fn a_rate_is_set_and_overlaid_key_by_key() {
    let rate = |section: Value| {
        let settings = json!({"tools": {"s": {"rate": section}}});
        enforced(&settings, |spec| spec.with_rate(RatePolicy::new(3, ms(4))))
            .map(|policy| policy.rate.unwrap())
    };
    assert_eq!(rate(json!({})), Ok(RatePolicy::new(3, ms(4))));
    assert_eq!(
        rate(json!({"calls": 5, "per-principal": true})),
        Ok(RatePolicy::new(5, ms(4)).per_principal())
    );
    assert_eq!(rate(json!({"per-ms": 0})), Err("`tools.s.rate.per-ms` is 0, and must be 1 at least".into()));
    let years = rate(json!({"per-ms": u64::MAX})).unwrap_err();
    assert!(years.ends_with("and must be 31622400000 at most"), "{years}");
    assert_eq!(rate(json!({"per-ms": 31_622_400_000_u64})), Ok(RatePolicy::new(3, ms(31_622_400_000))));
    let missing = enforced(&json!({"defaults": {"rate": {"calls": 5}}}), |spec| spec).unwrap_err();
    assert_eq!(missing, "`defaults.rate` needs `calls` and `per-ms`, for nothing else declares them");
    let off = json!({"tools": {"s": {"without": ["rate"]}}});
    assert_eq!(enforced(&off, |spec| spec.with_rate(RatePolicy::new(3, ms(4)))).unwrap().rate, None);
}

#[test]
fn a_misspelt_tool_is_told_the_nearest() {
    let settings = Settings::from_json(r#"{"tools": {"serch": {"cost": 2}, "elsewhere": {}}}"#).unwrap();
    let tool = Script::new("search").answers("");
    let error = Runtime::builder().tool(tool).settings(settings).build().map(drop).unwrap_err();
    let faults: Vec<&str> = error.faults().collect();
    assert_eq!(
        faults,
        [
            "the settings name a tool `elsewhere`, and there is none",
            "the settings name a tool `serch`, and there is none; did you mean `search`?",
        ],
    );
}

#[cfg(not(feature = "toml"))]
#[test]
fn toml_without_its_feature_says_which_one() {
    let error = Settings::from_toml("").unwrap_err();
    assert_eq!(error.to_string(), "settings in TOML need the feature `toml` of the crate `toolpost`");
}

#[test]
fn what_is_declared_to_no_effect_is_a_warning_that_names_the_cure() {
    let warnings = |change: fn(ToolSpec) -> ToolSpec| {
        let tool = Script::new("s").with_spec(change).answers("");
        Runtime::builder().tool(tool).build().unwrap().warnings().collect::<Vec<_>>().join("\n")
    };
    assert_eq!(warnings(|spec| spec), "");
    let cache = warnings(|spec| spec.with_cache(CachePolicy::new(ms(1))));
    assert!(cache.starts_with("`s` declares a cache") && cache.contains("`read_only()`"), "{cache}");
    assert_eq!(warnings(|spec| spec.read_only().with_cache(CachePolicy::new(ms(1)))), "");
    let never = warnings(|spec| spec.read_only().with_cache(CachePolicy::new(ms(0))));
    assert!(never.contains("times are all zero"), "{never}");
    let retry = warnings(|spec| spec.with_retry(RetryPolicy::new(3)));
    assert!(retry.starts_with("`s` declares a retry") && retry.contains("`repeatable()`"), "{retry}");
    let once = warnings(|spec| spec.repeatable().with_retry(RetryPolicy::new(1)));
    assert!(once.contains("1 attempts in all, which is none"), "{once}");
    // Switched off by the host, it is nobody's mistake.
    let settings = Settings::from_json(r#"{"tools": {"s": {"without": ["retry"]}}}"#).unwrap();
    let tool = Script::new("s").with_spec(|spec| spec.with_retry(RetryPolicy::new(3))).answers("");
    assert_eq!(Runtime::builder().tool(tool).settings(settings).build().unwrap().warnings().count(), 0);
}

#[test]
fn a_layer_by_hand_that_does_nothing_is_a_warning() {
    let tool = |name, change: fn(ToolSpec) -> ToolSpec| Script::new(name).with_spec(change).answers("");
    let retried = tool("a", |spec| spec).retried(Retry::new(3)).timed(ms(10));
    let hedged = tool("b", ToolSpec::repeatable).hedged(Hedge::new());
    let runtime = Runtime::builder()
        .tool(retried)
        .tool(hedged)
        .tool(tool("c", ToolSpec::repeatable).retried(Retry::new(3)))
        .tool(tool("d", |spec| spec).retried(Retry::idempotent()))
        .tool(tool("e", ToolSpec::read_only).hedged(Hedge::new()))
        .build()
        .unwrap();
    let warnings: Vec<String> = runtime.warnings().collect();
    assert!(
        warnings[0].starts_with("`a` is retried, and does not declare that it is safe to repeat"),
        "{warnings:?}"
    );
    assert!(
        warnings[1].starts_with("`b` is hedged, and does not declare that it only reads"),
        "{warnings:?}"
    );
    assert_eq!(warnings.len(), 2, "{warnings:?}");
}

#[test]
fn a_section_for_another_name_of_a_tool_is_a_fault_with_sources_too() {
    let settings = Settings::from_json(r#"{"tools": {"find": {"time-limit-ms": 5}}}"#).unwrap();
    let search = tool_fn("search", |_: NoArgs, _: Call| async { Ok("") });
    let search = search.with_spec(|spec| spec.with_alias("find").unwrap());
    let error = Runtime::builder().tool(search).settings(settings).source("up").build().unwrap_err();
    assert!(error.to_string().contains("`find`, which is another name of `search`"), "{error}");
}

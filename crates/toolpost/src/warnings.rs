//! What is declared, and has no effect.

use std::time::Duration;

use toolpost_tool::{Policy, ToolSpec};

/// What `spec` declares to no effect, each with its cure; `enforced` is what a host made of it, which may have switched
/// it off. What layers around the tool found is among it.
pub(crate) fn of(spec: &ToolSpec, enforced: &Policy) -> Vec<String> {
    let (name, declared) = (spec.name(), spec.policy());
    let mut warnings = spec.warnings().to_vec();
    if let (Some(cache), true) = (&declared.cache, enforced.cache.is_some()) {
        if !reads(spec) {
            warnings.push(format!(
                "`{name}` declares a cache, and does not declare that it only reads: nothing is cached; \
                 call `read_only()` on its spec if it does, or take the cache away"
            ));
        } else if [cache.ttl, cache.stale, cache.stale_if_error].iter().all(Duration::is_zero) {
            warnings.push(format!(
                "`{name}` declares a cache whose times are all zero: nothing is cached; give it a time to live"
            ));
        }
    }
    if let (Some(idempotency), true) = (&declared.idempotency, enforced.idempotency.is_some()) {
        if reads(spec) {
            warnings.push(format!(
                "`{name}` declares an idempotency key, and that it only reads: no call is told from a repeated one; take \
                 the declaration away, or `read_only()`"
            ));
        } else if idempotency.ttl.is_zero() {
            warnings.push(format!(
                "`{name}` declares idempotency keys that are remembered for no time: a repeated call runs again; give them a \
                 time to live"
            ));
        }
        for pointer in idempotency.over.iter().filter(|pointer| !pointer.starts_with('/')) {
            warnings.push(format!(
                "`{name}` declares an idempotency key over `{pointer}`, which is no JSON pointer: no call has one; write \
                 `/{pointer}`"
            ));
        }
    }
    if let (Some(retry), true) = (&declared.retry, enforced.retry.is_some()) {
        if !declared.repeatable {
            warnings.push(format!(
                "`{name}` declares a retry, and does not declare that it is safe to repeat: nothing is retried; \
                 call `repeatable()` or `read_only()` on its spec if it is, or take the retry away"
            ));
        } else if retry.attempts < 2 {
            let attempts = retry.attempts;
            warnings.push(format!(
                "`{name}` declares a retry of {attempts} attempts in all, which is none: declare 2 at least"
            ));
        }
    }
    warnings
}

/// The faults of what the host's section `at` asks of the tool with this description, and cannot have.
pub(crate) fn asked_in_vain(spec: &ToolSpec, at: &str, cache: bool, retry: bool, faults: &mut Vec<String>) {
    let name = spec.name();
    if cache && !reads(spec) {
        faults.push(format!(
            "`{at}.cache` cannot take effect: `{name}` does not declare that it only reads (`read_only()` on its spec)"
        ));
    }
    if retry && !spec.policy().repeatable {
        faults.push(format!(
            "`{at}.retry` cannot take effect: `{name}` does not declare that it is safe to repeat (`repeatable()` or \
             `read_only()` on its spec)"
        ));
    }
}

/// What a retry or a hedge around a tool by hand says of itself that can do nothing.
pub(crate) fn layer(spec: &ToolSpec, layer: &str, declares: &str, cure: &str) -> String {
    let name = spec.name();
    format!(
        "`{name}` is {layer}, and does not declare that it {declares}: the layer does nothing; {cure}, or take the layer away"
    )
}

fn reads(spec: &ToolSpec) -> bool {
    spec.annotations().read_only == Some(true)
}

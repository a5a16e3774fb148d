//! What a step says of how it runs.

use std::time::Duration;

use toolpost_json::{Kind, Node};
use toolpost_tool::Priority;
use toolpost_workflow::{MapOptions, OnFailure, StepPolicy};

use super::Compiler;
use crate::fault::PlanFaultKind::Shape;
use crate::limits::{TIMEOUT_MS, WAIT_MS};
use crate::path::Path;

/// The items of a list at once, where a step does not say.
const AT_ONCE: u64 = 4;

impl Compiler<'_> {
    /// Refuses members of an object that it does not have.
    pub(super) fn only(&mut self, node: Node<'_>, known: &[&str], path: &Path<'_>) {
        for (key, _) in node.members() {
            if !known.iter().any(|name| key.is(name)) {
                let name = key.name();
                let hint = format!("it has {}", known.join(", "));
                let message = format!("there is no member `{}` here", crate::path::shown(&name));
                self.faults.hinted(Shape, path.member(&name), message, hint);
            }
        }
    }

    /// How a step may run; `repeatable` says whether its tool is safe to repeat.
    pub(super) fn policy(&mut self, step: Node<'_>, repeatable: bool, path: &Path<'_>) -> StepPolicy {
        let mut policy = StepPolicy::new();
        if repeatable {
            policy = policy.repeatable();
        }
        if let Some(limit) = self.number(step, "timeoutMs", 1..=TIMEOUT_MS, path) {
            policy = policy.time_limit(Duration::from_millis(limit));
        }
        if let Some(rule) = self.failure_rule(step, path) {
            policy = policy.on_failure(rule);
        }
        let Some(retry) = step.member("retry") else { return policy };
        let path = path.member("retry");
        if !self.is_object(retry, &path) {
            return policy;
        }
        self.only(retry, &["attempts", "waitMs"], &path);
        if !repeatable {
            let message = "the tool does not say that it is safe to repeat, so it is not repeated";
            self.faults.hinted(Shape, path, message, "leave `retry` out");
        }
        let attempts = self.number(retry, "attempts", 1..=u64::from(u32::MAX), &path);
        let wait = self.number(retry, "waitMs", 0..=WAIT_MS, &path).unwrap_or(0);
        match attempts {
            Some(attempts) if u64::from(self.limits.attempts) < attempts => {
                let got = format!("{attempts} attempts");
                self.faults.limit(path.member("attempts"), "attempts", self.limits.attempts, &got);
            }
            Some(attempts) => policy = policy.retry(attempts as u32, Duration::from_millis(wait)),
            None if retry.member("attempts").is_none() => {
                self.faults.add(Shape, path, "`attempts` is missing, which says how many there may be");
            }
            None => {}
        }
        policy
    }

    fn failure_rule(&mut self, step: Node<'_>, path: &Path<'_>) -> Option<OnFailure> {
        let name = self.text_member(step, "onFailure", path)?;
        let rule = match &*name {
            "isolate" => Some(OnFailure::Isolate),
            "allow" => Some(OnFailure::Allow),
            "failFast" => Some(OnFailure::FailFast),
            _ => None,
        };
        if rule.is_none() {
            self.faults.add(Shape, path.member("onFailure"), "expected `isolate`, `allow` or `failFast`");
        }
        rule
    }

    pub(super) fn priority(&mut self, step: Node<'_>, path: &Path<'_>) -> Option<Priority> {
        let name = self.text_member(step, "priority", path)?;
        // The runtime's own priority is nobody's to ask for.
        let priority = Priority::parse(&name).filter(|priority| *priority <= Priority::Urgent);
        if priority.is_none() {
            let message = "expected `background`, `normal` or `urgent`";
            self.faults.add(Shape, path.member("priority"), message);
        }
        priority
    }

    /// How a list is worked through, and how many items it may have.
    pub(super) fn map(&mut self, map: Node<'_>, path: &Path<'_>) -> (MapOptions, usize) {
        let most = self.limits.items;
        let at_most = match self.number(map, "atMost", 1..=u64::MAX, path) {
            Some(items) if most as u64 <= items.saturating_sub(1) => {
                self.faults.limit(path.member("atMost"), "items", most, &format!("{items} items"));
                most
            }
            Some(items) => items as usize,
            None => most,
        };
        let concurrency = match self.number(map, "concurrency", 1..=u64::MAX, path) {
            Some(items) if (self.limits.concurrency as u64) < items => {
                let got = format!("{items} items at once");
                self.faults.limit(path.member("concurrency"), "concurrency", self.limits.concurrency, &got);
                1
            }
            items => items.unwrap_or(AT_ONCE).min(self.limits.concurrency.max(1) as u64) as usize,
        };
        let tolerated = self.number(map, "tolerate", 0..=u64::from(u32::MAX), path).unwrap_or(0);
        (MapOptions::new(concurrency).tolerate(tolerated as usize), at_most)
    }

    pub(super) fn flag(&mut self, node: Node<'_>, name: &str, path: &Path<'_>) -> bool {
        let Some(member) = node.member(name) else { return false };
        if member.as_bool().is_none() {
            let message = format!("expected true or false, got {}", member.kind());
            self.faults.add(Shape, path.member(name), message);
        }
        member.as_bool() == Some(true)
    }

    pub(super) fn is_object(&mut self, node: Node<'_>, path: &Path<'_>) -> bool {
        let is = node.kind() == Kind::Object;
        if !is {
            self.faults.add(Shape, path, format!("expected an object, got {}", node.kind()));
        }
        is
    }

    fn number(
        &mut self,
        node: Node<'_>,
        name: &str,
        range: std::ops::RangeInclusive<u64>,
        path: &Path<'_>,
    ) -> Option<u64> {
        let member = node.member(name)?;
        let number = member.as_number().and_then(toolpost_json::Number::as_u64);
        let fits = number.filter(|number| range.contains(number));
        if fits.is_none() {
            let most = match *range.end() {
                u64::MAX => " or more".to_owned(),
                most => format!(" to {most}"),
            };
            let message = format!("expected a whole number of {}{most}", range.start());
            self.faults.add(Shape, path.member(name), message);
        }
        fits
    }
}

//! Whether anybody still waits for a call, for tools that nobody can stop.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Call;

/// Says that the caller of a [`Call`] has left, when it is dropped; made by [`Call::with_caller`].
///
/// Whoever runs a tool where dropping its future does not stop it (on a thread that may block) holds this in the future.
#[must_use = "the caller leaves when this is dropped"]
pub struct CallerGuard(Arc<Caller>);

/// Whether a caller has left. A call made by one that has callers of its own has all of them.
pub(crate) struct Caller {
    left: AtomicBool,
    outer: Option<Arc<Self>>,
}

impl Call {
    /// Whether its result is of no more use: whoever waited for it has gone, at its deadline, at the tool's time limit
    /// or because it was cancelled.
    ///
    /// For tools that block their thread, which cannot be stopped: look at this wherever the next piece of work is taken
    /// in (each chunk of a file, each row), and return. It costs a load, and nobody sees what is returned. Until the tool
    /// does, it keeps its thread and its permit. An async tool is dropped instead, and need not ask.
    ///
    /// Somebody must have told that the caller left: `toolpost`'s `Threaded` does, and with it every runtime. Where a
    /// blocking tool is called as a function this is always false; no clock is read here, so that such a caller that sets
    /// a deadline lets the tool ask for [`remaining`](Self::remaining).
    ///
    /// ```
    /// use std::io::Read;
    /// use toolpost_tool::{Call, ErrorKind, ToolError, blocking_fn};
    ///
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// struct Sum {
    ///     /// How many zeros to add up.
    ///     bytes: u64,
    /// }
    ///
    /// let sum = blocking_fn("sum", |args: Sum, call: Call| {
    ///     let mut file = std::io::repeat(0).take(args.bytes);
    ///     let (mut chunk, mut sum) = (vec![0; 64 << 10], 0_u64);
    ///     loop {
    ///         if call.is_over() {
    ///             return Err(ToolError::with_kind(ErrorKind::Cancelled, "nobody waits for the sum"));
    ///         }
    ///         match file.read(&mut chunk)? {
    ///             0 => return Ok(format!("{sum}")),
    ///             read => sum += chunk[..read].iter().map(|byte| u64::from(*byte)).sum::<u64>(),
    ///         }
    ///     }
    /// });
    /// ```
    #[must_use]
    pub fn is_over(&self) -> bool {
        let mut caller = self.rare().and_then(|rare| rare.caller.as_deref());
        while let Some(Caller { left, outer }) = caller {
            if left.load(Ordering::Relaxed) {
                return true;
            }
            caller = outer.as_deref();
        }
        false
    }

    /// This call with somebody who waits for it: once the guard is dropped, it [is over](Self::is_over), and so are its
    /// clones and the calls that they make. For whoever runs a tool on a thread of its own.
    ///
    /// ```
    /// # let call = toolpost_tool::Call::new(&serde_json::json!({})).unwrap();
    /// let (call, caller) = call.with_caller();
    /// assert!(!call.is_over());
    /// drop(caller);
    /// assert!(call.is_over());
    /// ```
    pub fn with_caller(self) -> (Self, CallerGuard) {
        let outer = self.rare().and_then(|rare| rare.caller.clone());
        let caller = Arc::new(Caller { left: AtomicBool::new(false), outer });
        let guard = CallerGuard(Arc::clone(&caller));
        (self.with_rare(|rare| rare.caller = Some(caller)), guard)
    }
}

impl Drop for CallerGuard {
    fn drop(&mut self) {
        self.0.left.store(true, Ordering::Relaxed);
    }
}

impl fmt::Debug for CallerGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallerGuard").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Priority;

    fn call() -> Call {
        Call::new(&json!({ "a": 1 })).unwrap()
    }

    #[test]
    fn a_call_is_over_when_its_caller_has_left_and_so_are_its_clones_and_children() {
        let (call, caller) = call().with_caller();
        let (clone, child) = (call.clone(), call.child("other", &json!({})).unwrap());
        let redirected = call.redirected("other", None).unwrap();
        assert!(!call.is_over() && !clone.is_over() && !child.is_over() && !redirected.is_over());
        drop(caller);
        assert!(call.is_over() && clone.is_over() && child.is_over() && redirected.is_over());
    }

    #[test]
    fn another_clone_has_another_caller() {
        let call = call();
        let (first, caller) = call.clone().with_caller();
        let (second, _waits) = call.clone().with_caller();
        drop(caller);
        assert!(first.is_over() && !second.is_over() && !call.is_over());
    }

    #[test]
    fn whoever_is_called_by_what_is_over_is_over_too() {
        let (outer, caller) = call().with_caller();
        let (inner, _waits) = outer.child("inner", &json!({})).unwrap().with_caller();
        assert!(!inner.is_over());
        drop(caller);
        assert!(inner.is_over());
    }

    #[test]
    fn nothing_else_of_the_call_changes() {
        let before = call().with_priority(Priority::Urgent).with_attempt(3).quiet();
        let (after, _waits) = before.clone().with_caller();
        assert_eq!(format!("{before:?}"), format!("{after:?}"));
        assert_eq!(before.correlation(), after.correlation());
        assert_eq!(before.arguments().raw(), after.arguments().raw());
        assert!(!after.has_input_responses() && !after.is_observed());
    }
}

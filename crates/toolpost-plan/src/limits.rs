//! What a plan may cost, at most.

use toolpost_json::Limits;

/// Bounds what a plan may ask for. A plan that asks for more is refused before its first step runs, and the refusal
/// names the limit.
///
/// ```
/// use toolpost_plan::{PlanDocument, PlanLimits};
///
/// let limits = PlanLimits { bytes: 20, ..PlanLimits::default() };
/// let refused = PlanDocument::parse(r#"{"steps": {}, "output": null}"#, &limits).unwrap_err();
/// assert!(refused.to_string().contains("`bytes`"), "{refused}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanLimits {
    /// Bytes of a document; 256 KiB by default.
    pub bytes: usize,
    /// Steps of a document, those of plans within it included; 500 by default.
    pub steps: usize,
    /// How deep plans stand within plans, the outermost counted; 4 by default.
    pub nesting: usize,
    /// Calls of tools that a run could make at most: each step, each item of a list, each attempt; 5,000 by default.
    pub calls: u64,
    /// Items of a list that a step is run for, where its `map` does not say less; 100 by default.
    pub items: usize,
    /// Items of a list at once; 16 by default.
    pub concurrency: usize,
    /// Attempts of a step; 10 by default.
    pub attempts: u32,
    /// Bytes of one value that is put together for a step, a list or the output; 4 MiB by default.
    pub value_bytes: usize,
    /// Steps of evaluating one CEL expression; 10,000 by default.
    pub cel_steps: u32,
}

/// Bytes of one CEL expression.
pub(crate) const CEL_BYTES: usize = 2_000;

/// Levels of one CEL expression, each operator of a chain counted.
pub(crate) const CEL_DEPTH: usize = 48;

/// Tokens of one JSON Pointer.
pub(crate) const POINTER_TOKENS: usize = 32;

/// Characters of a step's name.
pub(crate) const NAME_LEN: usize = 64;

/// Milliseconds that one attempt may take, and that lie between two.
pub(crate) const TIMEOUT_MS: u64 = 86_400_000;
pub(crate) const WAIT_MS: u64 = 60_000;

/// Faults that are collected; what else is wrong is not told.
pub(crate) const FAULTS: usize = 100;

impl PlanLimits {
    /// What the text of a document is read within.
    pub(crate) const fn of_document(&self) -> Limits {
        Limits::new().bytes(self.bytes)
    }
}

impl Default for PlanLimits {
    fn default() -> Self {
        Self {
            bytes: 256 << 10,
            steps: 500,
            nesting: 4,
            calls: 5_000,
            items: 100,
            concurrency: 16,
            attempts: 10,
            value_bytes: 4 << 20,
            cel_steps: 10_000,
        }
    }
}

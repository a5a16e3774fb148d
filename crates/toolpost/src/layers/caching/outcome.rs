//! Maps a tool's result to what is cached, and to what waiting callers receive.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use toolpost_cache::EntryOptions;
use toolpost_cache::rt::{LoadError, LoadOutcome, Loaded, Source};
use toolpost_tool::{ErrorKind, Output, Refusal, ResultFlag, ToolError};

use crate::inheritance::Part;
use crate::layers::Verdict;
use crate::layers::cache_keys::CacheKeys;

pin_project! {
    /// Runs a call, and ends in its outcome. No `async` block: it would hold the run twice (rust-lang/rust#62958).
    pub(super) struct Running<F> {
        #[pin]
        run: Part<F>,
        options: Option<EntryOptions>,
        keys: Arc<CacheKeys>,
    }
}

impl<F> Running<F> {
    pub(super) const fn new(run: Part<F>, options: EntryOptions, keys: Arc<CacheKeys>) -> Self {
        Self { run, options: Some(options), keys }
    }
}

impl<F: Future<Output = Result<Output, ToolError>>> Future for Running<F> {
    type Output = LoadOutcome<Output, ToolError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.run.poll(cx));
        let outcome = this.options.take().map(|options| outcome(result, options));
        outcome.map_or(Poll::Pending, |outcome| {
            Poll::Ready(match outcome {
                LoadOutcome::Keep(output, _) if this.keys.is_retired() => LoadOutcome::Pass(output),
                outcome => outcome,
            })
        })
    }
}

/// Converts the end of a load to the caller's result, marked with where it came from.
pub(super) fn into_result(loaded: Result<Loaded<Output>, LoadError<ToolError>>) -> Result<Output, ToolError> {
    match loaded {
        Ok(Loaded { value, source, .. }) => Ok(flagged(value, source)),
        Err(LoadError::Failed(error) | LoadError::Rejected(error)) => Err(error),
        Err(LoadError::TimedOut(limit)) => Err(ToolError::timed_out(limit)),
        Err(_) => Err(ToolError::with_kind(ErrorKind::Panicked, "the tool panicked")),
    }
}

/// Decides for whom a result is, whether it is stored, and whether an expired one may be served in its place.
///
/// This is where caching meets the breaker, the scheduler and the rate limit: what they refuse belongs to one caller,
/// and an expired result covers it. A denial, a question and the caller's own fault are covered by nothing.
fn outcome(result: Result<Output, ToolError>, options: EntryOptions) -> LoadOutcome<Output, ToolError> {
    let verdict = Verdict::of(&result);
    match result {
        // What stands in for a result is not one: the next call asks again.
        Ok(output) if output.has_flag(ResultFlag::Degraded) || output.has_flag(ResultFlag::CacheStale) => {
            LoadOutcome::Pass(output)
        }
        Ok(output) if verdict == Verdict::Works => {
            let options = options.weighing(output.weight());
            LoadOutcome::Keep(output, options)
        }
        Ok(output) => LoadOutcome::Pass(output),
        Err(error) => match (verdict, error.kind()) {
            (_, ErrorKind::Refused(Refusal::Denied)) => LoadOutcome::Refuse(error),
            (Verdict::Refused, _) => LoadOutcome::Personal(Err(error)),
            (Verdict::InputRequired | Verdict::Cancelled, _) => LoadOutcome::Refuse(error),
            // What one client cannot be asked, another can.
            (Verdict::CallersFault, ErrorKind::Protocol) => LoadOutcome::Refuse(error),
            (Verdict::CallersFault, _) => LoadOutcome::Reject(error, EntryOptions::ttl(Duration::ZERO)),
            _ => LoadOutcome::Fail(error),
        },
    }
}

/// Says in the result where it came from.
const fn flagged(output: Output, source: Source) -> Output {
    match source {
        Source::Fresh => output.flagged(ResultFlag::CacheHit),
        Source::Stale => output.flagged(ResultFlag::CacheStale),
        Source::StaleOnError => output.flagged(ResultFlag::CacheStale).flagged(ResultFlag::Degraded),
        _ => output,
    }
}

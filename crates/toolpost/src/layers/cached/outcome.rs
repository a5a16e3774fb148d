//! What becomes of what a run has come to.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use toolpost_cache::Terms;
use toolpost_cache::rt::{Answer, Answered, LoadError, Outcome, Source};
use toolpost_tool::{ErrorKind, Mark, Output, Refusal, ToolError};

use crate::layers::Verdict;
use crate::lift::Part;

pin_project! {
    /// A run, which ends in an outcome. No `async` block, which would have room for the run twice.
    pub(super) struct Running<F> {
        #[pin]
        run: Part<F>,
        terms: Option<Terms>,
    }
}

impl<F> Running<F> {
    pub(super) const fn new(run: Part<F>, terms: Terms) -> Self {
        Self { run, terms: Some(terms) }
    }
}

impl<F: Future<Output = Result<Output, ToolError>>> Future for Running<F> {
    type Output = Outcome<Output, ToolError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.run.poll(cx));
        this.terms.take().map_or(Poll::Pending, |terms| Poll::Ready(outcome(result, terms)))
    }
}

/// What the caller is told.
pub(super) fn told(answer: Answered<Output, ToolError>) -> Result<Output, ToolError> {
    match answer {
        Ok(Answer { value, source, .. }) => Ok(marked(value, source)),
        Err(LoadError::Failed(error) | LoadError::Rejected(error)) => Err(error),
        Err(LoadError::TimedOut(limit)) => Err(ToolError::timed_out(limit)),
        Err(_) => Err(ToolError::with_kind(ErrorKind::Panicked, "the tool panicked")),
    }
}

/// What becomes of the outcome of a run: for whom it is, whether it is kept, and whether an expired result may stand
/// in for it.
///
/// This is where caching meets the breaker, the scheduler and the rate limit: what they refuse belongs to one caller,
/// and an expired result covers it. A denial, a question and the caller's own fault are covered by nothing.
fn outcome(result: Result<Output, ToolError>, terms: Terms) -> Outcome<Output, ToolError> {
    let verdict = Verdict::of(&result);
    match result {
        // What stands in for a result is not one: the next call asks again.
        Ok(output) if output.has_mark(Mark::Degraded) || output.has_mark(Mark::CacheStale) => {
            Outcome::Pass(output)
        }
        Ok(output) if verdict == Verdict::Works => {
            let terms = terms.weighing(output.weight());
            Outcome::Keep(output, terms)
        }
        Ok(output) => Outcome::Pass(output),
        Err(error) => match (verdict, error.kind()) {
            (_, ErrorKind::Refused(Refusal::Denied)) => Outcome::Refuse(error),
            (Verdict::Refused, _) => Outcome::Personal(Err(error)),
            (Verdict::Suspended | Verdict::Cancelled, _) => Outcome::Refuse(error),
            // What one client cannot be asked, another can.
            (Verdict::CallersFault, ErrorKind::Protocol) => Outcome::Refuse(error),
            (Verdict::CallersFault, _) => Outcome::Reject(error, Terms::ttl(Duration::ZERO)),
            _ => Outcome::Fail(error),
        },
    }
}

/// Says in the result where it came from.
const fn marked(output: Output, source: Source) -> Output {
    match source {
        Source::Fresh => output.marked(Mark::CacheHit),
        Source::Stale => output.marked(Mark::CacheStale),
        Source::StaleOnError => output.marked(Mark::CacheStale).marked(Mark::Degraded),
        _ => output,
    }
}

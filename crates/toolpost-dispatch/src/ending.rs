//! How the end of each call is reported, exactly once.

use std::sync::Arc;
use std::time::Instant;

use toolpost_tool::{Call, Output, ToolError, ToolSpec};

use crate::clock;
use crate::dispatcher::Inner;
use crate::in_flight::{AdmissionError, Flight};
use crate::observe::tell;
use crate::{Event, Observe, Outcome};

/// A call that was made and not polled yet. Dropped like this it is reported: as refused if it was barred, else as
/// cancelled.
pub(crate) struct PendingCall {
    pub(crate) inner: Arc<Inner>,
    /// When it was made, if anyone watches.
    pub(crate) arrived: Option<Instant>,
    /// `None` from the first poll on.
    pub(crate) call: Option<(Call, Result<Flight, AdmissionError>)>,
}

impl PendingCall {
    /// The call, which from now on reports its own end; one that was barred ends here.
    pub(crate) fn begin(&mut self) -> Result<(Call, Flight), ToolError> {
        match self.call.take() {
            Some((call, Ok(flight))) => Ok((call, flight)),
            Some((call, Err(barred))) => Err(self.bar(&call, barred)),
            None => Err(ToolError::new("the call was polled after its end")),
        }
    }

    fn bar(&self, call: &Call, barred: AdmissionError) -> ToolError {
        let error = ToolError::from(barred);
        self.inner.report_unrun(call, self.arrived, Some(&error));
        error
    }
}

impl Drop for PendingCall {
    fn drop(&mut self) {
        match self.call.take() {
            // In flight until its end is reported, like any other.
            Some((call, Ok(_flight))) => self.inner.report_unrun(&call, self.arrived, None),
            Some((call, Err(barred))) => drop(self.bar(&call, barred)),
            None => {}
        }
    }
}

/// Who is told of one call.
pub(crate) struct CallObserver<'a> {
    pub(crate) by: &'a dyn Observe,
    pub(crate) call: Call,
}

impl CallObserver<'_> {
    pub(crate) fn unknown_tool(&self) {
        tell(self.by, &Event::UnknownTool { call: &self.call });
    }
}

/// Reports the end of one call, exactly once: dropped unreported, it reports a cancelled call.
pub(crate) struct OutcomeReporter<'a> {
    pub(crate) observe: Option<CallObserver<'a>>,
    pub(crate) tool: &'a ToolSpec,
    pub(crate) arrived: Option<Instant>,
}

impl OutcomeReporter<'_> {
    pub(crate) fn start(&self) {
        let Self { observe: Some(CallObserver { by, call }), tool, .. } = self else { return };
        if let Some(message) = tool.deprecated() {
            tell(*by, &Event::Deprecated { tool, call, message });
        }
        tell(*by, &Event::Started { tool, call });
    }

    pub(crate) fn report(&mut self, result: Result<Output, ToolError>) -> Result<Output, ToolError> {
        match &result {
            Ok(output) => self.tell(Outcome::of_output(output), Some(output), None),
            Err(error) => self.finish(Some(error)),
        }
        result
    }

    /// Reports the end without a result: with this error, or else the caller has gone away.
    pub(crate) fn finish(&mut self, error: Option<&ToolError>) {
        let outcome = error.map_or(Outcome::Cancelled, Outcome::of_error);
        self.tell(outcome, None, error);
    }

    fn tell(&mut self, outcome: Outcome, output: Option<&Output>, error: Option<&ToolError>) {
        let Some(CallObserver { by, call }) = self.observe.take() else { return };
        let took = self.arrived.map(|arrived| clock::now().saturating_duration_since(arrived));
        tell(by, &Event::Finished { tool: self.tool, call: &call, outcome, took, error, output });
    }
}

impl Drop for OutcomeReporter<'_> {
    fn drop(&mut self) {
        self.finish(None);
    }
}

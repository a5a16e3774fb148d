//! What a call says that may become a task: to its client while it is in its request, and into the task's message.

use std::sync::{Arc, Mutex, PoisonError};

use toolpost_tool::{LogLevel, Sink};

use crate::service::outbox::CallSink;

/// The sink of such a call.
pub(in crate::service) struct TaskSink(Mutex<State>);

struct State {
    /// The client's, until the request is answered.
    request: Option<Arc<CallSink>>,
    /// The latest progress, until it is stored.
    message: Option<String>,
}

impl TaskSink {
    pub(in crate::service) fn new(request: Option<Arc<CallSink>>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { request, message: None })))
    }

    /// Says nothing to the request from now on.
    pub(in crate::service) fn leave_request(&self) {
        let request = self.lock().request.take();
        if let Some(sink) = request {
            sink.finish();
        }
    }

    /// The latest progress, if there is any that was not taken yet.
    pub(super) fn take(&self) -> Option<String> {
        self.lock().message.take()
    }

    fn request(&self) -> Option<Arc<CallSink>> {
        self.lock().request.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for TaskSink {
    fn progress(&self, done: f64, total: Option<f64>, message: Option<&str>) {
        let said = match (message, total) {
            (Some(message), _) => message.to_owned(),
            (None, Some(total)) => format!("{done} of {total}"),
            (None, None) => done.to_string(),
        };
        self.lock().message = Some(said);
        if let Some(sink) = self.request() {
            sink.progress(done, total, message);
        }
    }

    fn log(&self, level: LogLevel, logger: Option<&str>, data: &str) {
        if let Some(sink) = self.request() {
            sink.log(level, logger, data);
        }
    }

    fn log_level(&self) -> Option<LogLevel> {
        self.request()?.log_level()
    }
}

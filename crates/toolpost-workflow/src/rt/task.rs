//! A step as a task of its own, and what a panic said.

use std::any::Any;
use std::future::Future;
use std::sync::Arc;

use crate::error::StepError;
use crate::value::{Attempt, Value};

/// A task of its own, aborted when this future is dropped.
pub(super) fn spawned(attempt: Attempt) -> impl Future<Output = Result<Value, StepError>> + Send + 'static {
    struct Task(tokio::task::JoinHandle<Result<Value, StepError>>);
    impl Drop for Task {
        fn drop(&mut self) {
            self.0.abort();
        }
    }
    #[expect(clippy::disallowed_methods, reason = "the step's policy asks for a task; the future owns it")]
    let mut task = Task(tokio::task::spawn(attempt));
    async move {
        match (&mut task.0).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(StepError::from(error)),
            },
        }
    }
}

/// What a panic said.
pub(super) fn message(panic: &(dyn Any + Send)) -> Arc<str> {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => Arc::from(*text),
        (_, Some(text)) => Arc::from(&**text),
        _ => Arc::from("no message"),
    }
}

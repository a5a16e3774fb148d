//! Owns what runs in the background.

use std::future::{Future, poll_fn};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// Tasks that end with their owner, and that a drain waits for.
#[derive(Debug, Default)]
pub(super) struct Tasks(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    running: JoinSet<()>,
    closed: bool,
}

impl Tasks {
    /// Runs `task`; false if a drain has begun, or there is no runtime to run it.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> bool {
        let mut state = self.state();
        let Ok(runtime) = Handle::try_current() else { return false };
        if state.closed {
            return false;
        }
        while state.running.try_join_next().is_some() {}
        state.running.spawn_on(task, &runtime);
        true
    }

    pub(super) fn running(&self) -> usize {
        let mut state = self.state();
        while state.running.try_join_next().is_some() {}
        state.running.len()
    }

    /// Takes no more, and waits for those that run.
    pub(super) async fn drain(&self) {
        poll_fn(|cx| {
            let mut state = self.state();
            state.closed = true;
            loop {
                match state.running.poll_join_next(cx) {
                    Poll::Ready(Some(_)) => {}
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A set of tasks is whole at every moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

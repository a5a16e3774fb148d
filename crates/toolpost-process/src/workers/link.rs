//! One worker's calls: what was asked and not answered, and what waits to be written.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::net::unix::pipe;
use tokio::sync::{Notify, oneshot};
use toolpost_tool::{Call, LogLevel, Output, ToolError};

use super::message::{self, Said};

/// The calls of one worker.
#[derive(Debug, Default)]
pub(super) struct Calls {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    /// Calls that have taken a place here and not asked yet.
    coming: usize,
    open: BTreeMap<u64, Open>,
    /// What did not fit into the pipe.
    unwritten: Vec<u8>,
    /// Writing failed: nothing more can be asked of it.
    broken: bool,
}

/// A call that has no answer yet.
#[derive(Debug)]
enum Open {
    Asked {
        call: Call,
        answer: oneshot::Sender<Result<Output, ToolError>>,
    },
    /// Nobody waits for it any more; the worker does not know yet.
    Cancelled {
        at: Instant,
    },
}

impl Calls {
    /// Tells the one call that is open, if it is one, a line of the worker's stderr.
    pub(super) fn hear(&self, line: &str) {
        let call = {
            let state = self.state();
            match (state.open.len(), state.open.values().next()) {
                (1, Some(Open::Asked { call, .. })) => call.clone(),
                _ => return,
            }
        };
        call.log(LogLevel::Info, line);
    }

    /// Whether it has no call, and none that comes.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.state();
        state.open.is_empty() && state.coming == 0
    }

    /// Expects a call: until it has [asked](Link::ask), the worker is not idle.
    pub(super) fn expect(&self) {
        self.state().coming += 1;
    }

    /// When the call that was cancelled longest ago was.
    pub(super) fn cancelled_at(&self) -> Option<Instant> {
        let cancelled = |open: &Open| match open {
            Open::Cancelled { at } => Some(*at),
            Open::Asked { .. } => None,
        };
        self.state().open.values().filter_map(cancelled).min()
    }

    /// Fails every open call, and those that come late.
    pub(super) fn fail(&self, error: &ToolError) {
        let open = {
            let mut state = self.state();
            state.broken = true;
            std::mem::take(&mut state.open)
        };
        for open in open.into_values() {
            if let Open::Asked { answer, .. } = open {
                drop(answer.send(Err(error.clone())));
            }
        }
    }

    /// Takes what the worker said of a call; whether that was the call's end. Then the worker is free for the next by
    /// `release`, before whoever waits hears of it and may come with the next.
    ///
    /// # Errors
    ///
    /// If there is no such call.
    pub(super) fn hear_of(&self, id: u64, said: Said, release: impl FnOnce()) -> Result<bool, String> {
        let mut state = self.state();
        let Some(open) = state.open.get(&id) else { return Err(format!("there is no call {id}")) };
        let call = match open {
            Open::Asked { call, .. } => Some(call.clone()),
            Open::Cancelled { .. } => None,
        };
        let open = if matches!(said, Said::Ended(_)) { state.open.remove(&id) } else { None };
        drop(state);
        match said {
            Said::Ended(end) => {
                release();
                if let Some(Open::Asked { answer, .. }) = open {
                    drop(answer.send(end));
                }
                return Ok(true);
            }
            Said::Progress { done, total, message } => {
                told(call, |call| call.progress(done, total, message.as_deref()));
            }
            Said::Log { level, data } => told(call, |call| call.log(level, &data)),
        }
        Ok(false)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells whoever listens to the call. The host's, so it may panic: that costs it what it was told, and no worker.
fn told(call: Option<Call>, tell: impl FnOnce(&Call)) {
    if let Some(call) = call {
        let _panicked = catch_unwind(AssertUnwindSafe(|| tell(&call)));
    }
}

/// A worker as whoever calls it sees it.
pub(super) struct Link {
    pub(super) generation: u64,
    pub(super) calls: Arc<Calls>,
    stdin: pipe::Sender,
    /// Something is to be written, or was cancelled.
    pub(super) woken: Notify,
}

impl Link {
    pub(super) fn new(generation: u64, calls: Arc<Calls>, stdin: pipe::Sender) -> Self {
        Self { generation, calls, stdin, woken: Notify::new() }
    }

    /// Asks the worker for a call that it expects; nothing if it can be asked nothing more, and was not.
    pub(super) fn ask(&self, tool: &str, call: &Call) -> Option<Asked<'_>> {
        let left = call.remaining(super::pool::now());
        let (answer, answered) = oneshot::channel();
        let mut state = self.calls.state();
        state.coming = state.coming.saturating_sub(1);
        if state.broken {
            return None;
        }
        state.last += 1;
        let id = state.last;
        let line = message::request(id, tool, call, left);
        state.open.insert(id, Open::Asked { call: call.clone(), answer });
        if !self.say(&mut state, &line) {
            // Nothing of it went to the worker, so another may have it.
            state.open.remove(&id);
            return None;
        }
        Some(Asked { link: self, id: Some(id), answered })
    }

    /// Writes what waits. Resolves when something was written, never if nothing waits. Cancel safe.
    pub(super) async fn write(&self) {
        loop {
            if self.calls.state().unwritten.is_empty() {
                return std::future::pending().await;
            }
            let writable = self.stdin.writable().await;
            let mut state = self.calls.state();
            let written = writable.and_then(|()| self.stdin.try_write(&state.unwritten));
            match written {
                Ok(written) => drop(state.unwritten.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(_) => self.broke(&mut state),
            }
            return;
        }
    }

    pub(super) fn is_broken(&self) -> bool {
        self.calls.state().broken
    }

    /// Writes a line, or has it written later; whether the worker can have heard any of it.
    fn say(&self, state: &mut State, line: &[u8]) -> bool {
        let written = match state.unwritten.is_empty() {
            true => self.stdin.try_write(line),
            false => Ok(0),
        };
        match written {
            Ok(written) if written == line.len() => {}
            Ok(written) => self.later(state, &line[written..]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.later(state, line),
            Err(_) => {
                self.broke(state);
                return false;
            }
        }
        true
    }

    fn later(&self, state: &mut State, rest: &[u8]) {
        state.unwritten.extend_from_slice(rest);
        self.woken.notify_one();
    }

    fn broke(&self, state: &mut State) {
        state.broken = true;
        state.unwritten = Vec::new();
        self.woken.notify_one();
    }

    fn cancel(&self, id: u64) {
        let mut state = self.calls.state();
        if let Some(open) = state.open.get_mut(&id) {
            *open = Open::Cancelled { at: super::pool::now() };
            self.say(&mut state, &message::cancel(id));
            self.woken.notify_one();
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("generation", &self.generation).finish_non_exhaustive()
    }
}

/// A call that was asked; cancelled when this is dropped before its answer has come.
pub(super) struct Asked<'a> {
    link: &'a Link,
    id: Option<u64>,
    answered: oneshot::Receiver<Result<Output, ToolError>>,
}

impl Asked<'_> {
    /// Waits for the answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the call by a message.
    pub(super) async fn answer(mut self) -> Result<Output, ToolError> {
        let end = (&mut self.answered).await;
        self.id = None;
        end.unwrap_or_else(|_| Err(ToolError::unavailable("the worker was ended while it ran this call")))
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.link.cancel(id);
        }
    }
}

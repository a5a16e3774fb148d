//! What a legacy client is asked in the middle of its own requests, and who waits for which answer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use toolpost_protocol::{Id, reply};
use toolpost_tool::{ErrorKind, ToolError};

use super::Outbox;

/// A client may owe this many answers at once.
const MOST: usize = 64;

/// The questions of one session that wait for their answers.
#[derive(Debug)]
pub(crate) struct Questions {
    next: AtomicI64,
    waiting: Mutex<HashMap<Id, Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    /// The client's request that the question is part of.
    within: Id,
    answer: oneshot::Sender<Result<String, String>>,
}

impl Questions {
    pub(crate) fn new() -> Self {
        Self { next: AtomicI64::new(1), waiting: Mutex::default() }
    }

    pub(crate) fn ask(
        &self,
        outbox: &Arc<Outbox>,
        within: &Id,
        method: &str,
        params: Option<&str>,
    ) -> Result<Asked<'_>, ToolError> {
        let id = Id::from(self.next.fetch_add(1, Ordering::Relaxed));
        let (answer, answered) = oneshot::channel();
        {
            let mut waiting = self.lock();
            if MOST <= waiting.len() {
                return Err(ToolError::new("the client owes too many answers already"));
            }
            waiting.insert(id.clone(), Waiting { within: within.clone(), answer });
        }
        let mut asked = Asked { questions: self, id, outbox: Arc::clone(outbox), open: false, answered };
        asked.open = outbox.push(|out| {
            reply::request(out, &asked.id, method, |out| {
                out.extend_from_slice(params.unwrap_or("{}").as_bytes());
            });
        });
        match asked.open {
            true => Ok(asked),
            false => Err(ToolError::new("the client does not read what it is sent, so it cannot be asked")),
        }
    }

    pub(crate) fn answered(&self, id: &Id, answer: Result<String, String>) {
        // An answer to nothing is nothing; so is one that nobody waits for any more.
        let mut waiting = self.lock();
        let found = waiting.remove(id).or_else(|| waiting.remove(&id.unquoted()?));
        drop(waiting);
        if let Some(waiting) = found {
            let _too_late = waiting.answer.send(answer);
        }
    }

    pub(crate) fn take_back(&self, within: &Id) -> bool {
        let mut waiting = self.lock();
        let before = waiting.len();
        waiting.retain(|_, waiting| waiting.within != *within);
        waiting.len() < before
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question that was asked. Dropped unanswered, it is taken back: the client is told so, and its
/// answer is not waited for.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    questions: &'a Questions,
    id: Id,
    outbox: Arc<Outbox>,
    /// Whether the client has it before it, as far as is known.
    open: bool,
    answered: oneshot::Receiver<Result<String, String>>,
}

impl Asked<'_> {
    /// The client's answer, as JSON.
    pub(crate) async fn answer(mut self) -> Result<String, ToolError> {
        let answer = (&mut self.answered).await;
        self.open = answer.is_err();
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(why)) => {
                Err(ToolError::new(format!("the client was asked for input, and refused: {why}")))
            }
            Err(_) => Err(ToolError::with_kind(ErrorKind::Cancelled, "the caller took the call back")),
        }
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.questions.lock().remove(&self.id);
        if self.open {
            self.outbox.push(|out| {
                reply::notification(out, "notifications/cancelled", |out| {
                    out.extend_from_slice(br#"{"requestId":"#);
                    out.extend_from_slice(self.id.raw().as_bytes());
                    out.extend_from_slice(br#","reason":"the answer is no longer needed"}"#);
                });
            });
        }
    }
}

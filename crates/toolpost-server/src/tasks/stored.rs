//! A task as it is stored, and what may become of it.

use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use toolpost_protocol::model::TaskStatus;
use toolpost_tool::Principal;

use super::TaskStoreError;

/// What a task is counted for beside its texts, in bytes: its message, and a short error at its end, have room in that.
pub(super) const FRAME: usize = 1 << 10;

/// The longest message of a task, in bytes.
const MESSAGE: usize = 512;

/// A task as a [`TaskStore`](crate::TaskStore) keeps it: an id, a version, and the rest encoded.
///
/// ```
/// use std::time::Duration;
/// use toolpost_protocol::model::TaskStatus;
/// use toolpost_server::StoredTask;
/// use toolpost_tool::Principal;
///
/// let task = StoredTask::new("f00d", &Principal::new("ada"), 1_000, Duration::from_secs(60));
/// assert_eq!((task.version(), task.expires_at()), (1, 61_000));
///
/// let ended = task.with_status(TaskStatus::Cancelled, 2_000).unwrap();
/// assert_eq!(ended.version(), 2, "an update is of the version that follows");
/// assert!(ended.with_status(TaskStatus::Working, 3_000).is_none(), "an end is an end");
/// assert_eq!(StoredTask::decode(&ended.encode()).unwrap(), ended);
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct StoredTask(pub(crate) Stored);

/// What is stored of a task. Times are milliseconds of Unix time.
#[derive(Clone, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stored {
    pub(crate) id: String,
    /// `None` for anonymous.
    principal: Option<String>,
    /// What stands for the address of a caller without a name, where its server knows one: whose share it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<NonZeroU64>,
    pub(crate) version: u64,
    pub(crate) status: TaskStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    pub(crate) created_at: u64,
    pub(crate) updated_at: u64,
    pub(crate) expires_at: u64,
    /// Until when nobody else takes its server for dead.
    pub(crate) lease_until: u64,
    /// What its client is asked now, in the order of their keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) questions: Vec<Question>,
    /// The `CallToolResult` of one that completed, as 2026-07-28 has it but for the `resultType`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<String>,
    /// The same as 2025-11-25 has it, if that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) legacy_result: Option<String>,
    /// Whether the result says that the tool failed.
    #[serde(default)]
    pub(crate) is_error: bool,
    /// The JSON-RPC error of one that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// One question to the client of a task.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub(crate) struct Question {
    /// Its key on the wire: no other question of the task ever has it.
    pub(crate) key: String,
    /// Its key by the tool.
    pub(crate) name: String,
    pub(crate) method: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) params: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) answer: Option<Answered>,
}

/// What a client said to a question.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub(crate) enum Answered {
    /// Its answer, as JSON.
    Given(String),
    /// Why it gives none.
    Refused(String),
}

impl StoredTask {
    /// A new task of `principal` that works from `now` on (in milliseconds of Unix time), and is kept for `ttl`. Its
    /// version is 1.
    pub fn new(id: impl Into<String>, principal: &Principal, now: u64, ttl: Duration) -> Self {
        let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        Self(Stored {
            id: id.into(),
            principal: (!principal.is_anonymous()).then(|| principal.as_str().to_owned()),
            origin: None,
            version: 1,
            status: TaskStatus::Working,
            message: None,
            created_at: now,
            updated_at: now,
            expires_at: now.saturating_add(ttl),
            lease_until: now,
            questions: Vec::new(),
            result: None,
            legacy_result: None,
            is_error: false,
            error: None,
        })
    }

    /// Its id, by which clients name it. Ids are unique, and those of later tasks greater.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Whose it is: nobody else is told that there is such a task.
    #[must_use]
    pub fn principal(&self) -> Principal {
        self.0.principal.as_deref().map_or_else(Principal::anonymous, Principal::new)
    }

    /// Its version: 1 when it is created, and one more with each update.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.0.version
    }

    /// How it stands.
    #[must_use]
    pub const fn status(&self) -> &TaskStatus {
        &self.0.status
    }

    /// Whether it is completed, failed or cancelled: then nothing of it changes any more.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        matches!(self.0.status, TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Cancelled)
    }

    /// When it may be forgotten, in milliseconds of Unix time.
    #[must_use]
    pub const fn expires_at(&self) -> u64 {
        self.0.expires_at
    }

    /// How many bytes it is to be counted for, roughly.
    #[must_use]
    pub fn weight(&self) -> usize {
        let Stored { id, principal, questions, result, legacy_result, error, .. } = &self.0;
        let texts = [principal, result, legacy_result, error];
        let texts = texts.into_iter().flatten().map(String::len).sum::<usize>();
        FRAME + id.len() + texts + questions.iter().map(Question::weight).sum::<usize>()
    }

    /// The next version of it, with this status from `now` on; `None` once it has ended.
    #[must_use]
    pub fn with_status(&self, status: TaskStatus, now: u64) -> Option<Self> {
        self.next(|task| {
            task.status = status;
            task.updated_at = now;
            true
        })
    }

    /// Everything of it as JSON, to be kept.
    #[must_use]
    pub fn encode(&self) -> String {
        // Of plain types, so it encodes.
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    ///
    /// If it is something else.
    pub fn decode(text: &str) -> Result<Self, TaskStoreError> {
        serde_json::from_str(text).map(Self).map_err(TaskStoreError::failed)
    }

    /// The next version of it, changed; `None` if there is nothing to change, as with one that has ended.
    pub(crate) fn next(&self, change: impl FnOnce(&mut Stored) -> bool) -> Option<Self> {
        if self.is_ended() {
            return None;
        }
        let mut next = self.clone();
        next.0.version += 1;
        change(&mut next.0).then_some(next)
    }

    /// The questions that have no answer yet.
    pub(crate) fn outstanding(&self) -> impl Iterator<Item = &Question> {
        self.0.questions.iter().filter(|question| question.answer.is_none())
    }
}

impl Question {
    fn weight(&self) -> usize {
        let answer = match &self.answer {
            Some(Answered::Given(text) | Answered::Refused(text)) => text.len(),
            None => 0,
        };
        let params = self.params.as_ref().map_or(0, String::len);
        64 + self.key.len() + self.name.len() + self.method.len() + params + answer
    }
}

impl Stored {
    /// Asks its client, from `now` on.
    pub(crate) fn ask(&mut self, questions: Vec<Question>, now: u64) {
        (self.status, self.updated_at, self.questions) = (TaskStatus::InputRequired, now, questions);
    }

    /// Takes an answer to the question under `key`; false if nothing is asked under it any more.
    pub(crate) fn answer(&mut self, key: &str, answer: Answered, now: u64) -> bool {
        let asked =
            self.questions.iter_mut().find(|question| question.key == key && question.answer.is_none());
        let Some(question) = asked else { return false };
        (question.answer, self.updated_at) = (Some(answer), now);
        true
    }

    /// Goes on, with everything answered.
    pub(crate) fn resume(&mut self, now: u64) {
        (self.status, self.updated_at, self.questions) = (TaskStatus::Working, now, Vec::new());
    }

    /// Ends, with nothing asked any more.
    pub(crate) fn end(&mut self, status: TaskStatus, message: &str, now: u64) {
        (self.status, self.updated_at, self.questions) = (status, now, Vec::new());
        self.message = None;
        self.say(message, now);
    }

    /// Says how it stands, to people; at most so much of it as a task may say. False if that is said already.
    pub(crate) fn say(&mut self, message: &str, now: u64) -> bool {
        let cut =
            (0..=MESSAGE.min(message.len())).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
        let message = &message[..cut];
        if message.is_empty() || self.message.as_deref() == Some(message) {
            return false;
        }
        (self.message, self.updated_at) = (Some(message.to_owned()), now);
        true
    }
}

impl fmt::Debug for StoredTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither results nor answers: they may hold what must not be logged. Who knows the id of an anonymous
        // task may read it, so it is left out too.
        f.debug_struct("StoredTask")
            .field("version", &self.0.version)
            .field("status", &self.0.status)
            .field("expires_at", &self.0.expires_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_task_says_is_cut() {
        let mut task = StoredTask::new("a", &Principal::anonymous(), 0, Duration::from_secs(1)).0;
        assert!(task.say(&"ä".repeat(1_000), 1));
        assert_eq!(task.message.as_ref().map(String::len), Some(MESSAGE), "between two characters");
        assert!(task.say(&"xä".repeat(1_000), 2));
        assert!(task.message.as_ref().is_some_and(|message| message.len() <= MESSAGE));
        assert!(!task.say(&"xä".repeat(1_000), 3) && task.updated_at == 2, "what is said is not said again");
    }
}

//! Requests that go on after their answer: experimental in 2025-11-25, an extension of 2026-07-28.

use std::collections::BTreeMap;

use super::{Envelope, Meta, Object, RawJson, RawNumber, Request, ResultType};
use crate::Error;

/// A request that goes on after its answer, in the form of 2025-11-25; also the result of `tasks/get` and `tasks/cancel`, and the params of
/// `notifications/tasks/status`. (The result of `tasks/result` is that of the request itself.)
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Task {
    /// What the result or the notification says about itself; absent where a task is part of one.
    pub meta: Option<Meta>,
    /// The task's name.
    pub task_id: String,
    /// How it stands.
    pub status: TaskStatus,
    /// How it stands, for people.
    pub status_message: Option<String>,
    /// When it began, as ISO 8601 says it.
    pub created_at: String,
    /// When it last changed, as ISO 8601 says it.
    pub last_updated_at: String,
    /// For how many milliseconds after it began it is kept; `null` on the wire means for ever.
    pub ttl: Option<RawNumber>,
    /// How many milliseconds to wait between two looks at it.
    pub poll_interval: Option<RawNumber>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { Task {
    meta: optional "_meta",
    task_id: required "taskId",
    status: required "status",
    status_message: optional "statusMessage",
    created_at: required "createdAt",
    last_updated_at: required "lastUpdatedAt",
    ttl: nullable "ttl",
    poll_interval: optional "pollInterval",
} }

impl Task {
    /// Names a task that began at `created_at` and has not changed since; kept for ever.
    #[must_use]
    pub fn new(task_id: impl Into<String>, status: TaskStatus, created_at: impl Into<String>) -> Self {
        let created_at = created_at.into();
        Self {
            meta: None,
            task_id: task_id.into(),
            status,
            status_message: None,
            last_updated_at: created_at.clone(),
            created_at,
            ttl: None,
            poll_interval: None,
            extra: Object::new(),
        }
    }
}

/// A request that goes on after its answer, in the form of the extension `io.modelcontextprotocol/tasks` of 2026-07-28: the
/// result that creates it, that of `tasks/get`, and the params of `notifications/tasks`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DetailedTask {
    /// What the result or the notification says about itself.
    pub meta: Option<Meta>,
    /// `task` on the result that creates it, `complete` on that of `tasks/get`; absent on a notification.
    pub result_type: Option<ResultType>,
    /// The task's name.
    pub task_id: String,
    /// How it stands.
    pub status: TaskStatus,
    /// How it stands, for people.
    pub status_message: Option<String>,
    /// When it began, as ISO 8601 says it.
    pub created_at: String,
    /// When it last changed, as ISO 8601 says it.
    pub last_updated_at: String,
    /// For how many milliseconds after it began it is kept; `null` on the wire means for ever.
    pub ttl_ms: Option<RawNumber>,
    /// How many milliseconds to wait between two looks at it.
    pub poll_interval_ms: Option<RawNumber>,
    /// What it asks, by keys of the server's choice; there where it requires input.
    pub input_requests: Option<BTreeMap<String, Envelope<Request>>>,
    /// The result of the request; there where it is completed.
    pub result: Option<RawJson>,
    /// Why there is none; there where it failed.
    pub error: Option<Error>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { DetailedTask {
    meta: optional "_meta",
    result_type: optional "resultType",
    task_id: required "taskId",
    status: required "status",
    status_message: optional "statusMessage",
    created_at: required "createdAt",
    last_updated_at: required "lastUpdatedAt",
    ttl_ms: nullable "ttlMs",
    poll_interval_ms: optional "pollIntervalMs",
    input_requests: optional "inputRequests",
    result: optional "result",
    error: optional "error",
} }

impl DetailedTask {
    /// Names a task that began at `created_at` and has not changed since; kept for ever.
    #[must_use]
    pub fn new(task_id: impl Into<String>, status: TaskStatus, created_at: impl Into<String>) -> Self {
        let created_at = created_at.into();
        Self {
            meta: None,
            result_type: None,
            task_id: task_id.into(),
            status,
            status_message: None,
            last_updated_at: created_at.clone(),
            created_at,
            ttl_ms: None,
            poll_interval_ms: None,
            input_requests: None,
            result: None,
            error: None,
            extra: Object::new(),
        }
    }
}

/// How a task stands.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum TaskStatus {
    /// It goes on.
    Working,
    /// It needs an answer from the one who asked for it.
    InputRequired,
    /// It has a result.
    Completed,
    /// It has an error.
    Failed,
    /// It was called off.
    Cancelled,
    /// A status that no revision names.
    Other(String),
}

names! { TaskStatus {
    Working = "working",
    InputRequired = "input_required",
    Completed = "completed",
    Failed = "failed",
    Cancelled = "cancelled",
} }

/// What a message says of a task: a request that it should become one (`ttl`), or any message which one it belongs to
/// (`task_id`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskMetadata {
    /// The task that the message belongs to.
    pub task_id: Option<String>,
    /// For how many milliseconds to keep the task that is asked for.
    pub ttl: Option<RawNumber>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { TaskMetadata { task_id: optional "taskId", ttl: optional "ttl" } }

//! Requests that go on after their answer. 2025-11-25 only, and experimental there.

use super::{Meta, Object, RawNumber, RequestMeta};

/// A request that goes on after its answer; also the result of `tasks/get` and `tasks/cancel`, and the params of
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

/// Asks that a request become a task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskMetadata {
    /// For how many milliseconds to keep it.
    pub ttl: Option<RawNumber>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { TaskMetadata { ttl: optional "ttl" } }

/// The task that a message belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelatedTask {
    /// The task.
    pub task_id: String,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { RelatedTask { task_id: required "taskId" } }

impl RelatedTask {
    /// Names the task.
    #[must_use]
    pub fn new(task_id: impl Into<String>) -> Self {
        Self { task_id: task_id.into(), extra: Object::new() }
    }
}

/// The result of a request that became a task.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreateTaskResult {
    /// What the result says about itself.
    pub meta: Option<Meta>,
    /// The task.
    pub task: Task,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { CreateTaskResult { meta: optional "_meta", task: required "task" } }

impl CreateTaskResult {
    /// Hands over the task.
    #[must_use]
    pub fn new(task: Task) -> Self {
        Self { meta: None, task, extra: Object::new() }
    }
}

/// The params of `tasks/get`, `tasks/result` and `tasks/cancel`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskRequestParams {
    /// What the request says about itself.
    pub meta: Option<Box<RequestMeta>>,
    /// The task.
    pub task_id: String,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { TaskRequestParams { meta: optional "_meta", task_id: required "taskId" } }

impl TaskRequestParams {
    /// Names the task.
    #[must_use]
    pub fn new(task_id: impl Into<String>) -> Self {
        Self { meta: None, task_id: task_id.into(), extra: Object::new() }
    }
}

/// The result of `tasks/list`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListTasksResult {
    /// What the result says about itself.
    pub meta: Option<Meta>,
    /// The tasks of this page.
    pub tasks: Vec<Task>,
    /// Where the next page starts; absent on the last.
    pub next_cursor: Option<String>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ListTasksResult { meta: optional "_meta", tasks: required "tasks", next_cursor: optional "nextCursor" } }

impl ListTasksResult {
    /// Lists tasks.
    #[must_use]
    pub fn new(tasks: Vec<Task>) -> Self {
        Self { tasks, ..Self::default() }
    }
}

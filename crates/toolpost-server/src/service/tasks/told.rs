//! Changes of the tasks that one stream of changes named.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use toolpost_protocol::model::TaskStatus;
use toolpost_tool::Principal;

use super::Tasks;
use crate::clock;
use crate::tasks::StoredTask;

/// What of a task a client sees.
type Seen = (TaskStatus, u64, usize);

/// The tasks that one stream tells of: at once of what changes here, and after a look of what changes elsewhere.
pub(in crate::service) struct TaskFeed {
    pub(in crate::service) tasks: Arc<Tasks>,
    principal: Principal,
    /// As they were told last.
    named: BTreeMap<String, Seen>,
    changes: Receiver<String>,
    /// Those that are to be looked at.
    due: BTreeSet<String>,
    next_look: Instant,
}

impl TaskFeed {
    /// Tells of the tasks of `principal` that are among `ids`, and what they are; those that do not work any more are told
    /// of first.
    pub(in crate::service) async fn new(
        tasks: &Arc<Tasks>,
        principal: &Principal,
        ids: BTreeSet<String>,
    ) -> Self {
        let changes = tasks.changes.subscribe();
        let (mut named, mut due) = (BTreeMap::new(), BTreeSet::new());
        for id in ids {
            // Of what the store does not know now, nothing is told.
            let Ok(Some(task)) = tasks.find(&id, principal).await else { continue };
            let working = (TaskStatus::Working, task.0.updated_at, 0);
            if seen(&task) != working {
                due.insert(id.clone());
            }
            named.insert(id, working);
        }
        let next_look = clock::now() + tasks.limits.look;
        Self { tasks: Arc::clone(tasks), principal: principal.clone(), named, changes, due, next_look }
    }

    /// The ids of those that are told of.
    pub(in crate::service) fn ids(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(String::as_str)
    }

    /// The next task that has changed. Cancel safe.
    pub(in crate::service) async fn next(&mut self) -> StoredTask {
        loop {
            if let Some(id) = self.due.first().cloned() {
                let found = self.tasks.find(&id, &self.principal).await;
                self.due.remove(&id);
                match found {
                    Ok(Some(task)) if self.named.get(&id).is_some_and(|told| *told != seen(&task)) => {
                        match task.is_ended() {
                            true => drop(self.named.remove(&id)),
                            false => drop(self.named.insert(id, seen(&task))),
                        }
                        return task;
                    }
                    Ok(None) => drop(self.named.remove(&id)),
                    // Looked at again later.
                    Ok(Some(_)) | Err(_) => {}
                }
                continue;
            }
            if self.named.is_empty() {
                std::future::pending::<()>().await;
            }
            let wait = self.next_look.saturating_duration_since(clock::now());
            tokio::select! {
                changed = self.changes.recv() => match changed {
                    Ok(id) => if self.named.contains_key(&id) { self.due.insert(id); },
                    Err(RecvError::Lagged(_) | RecvError::Closed) => self.look(),
                },
                () = clock::sleep(wait) => self.look(),
            }
        }
    }

    fn look(&mut self) {
        self.due.extend(self.named.keys().cloned());
        self.next_look = clock::now() + self.tasks.limits.look;
    }
}

fn seen(task: &StoredTask) -> Seen {
    (task.status().clone(), task.0.updated_at, task.outstanding().count())
}

//! Tasks of one process, in memory.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::future::ready;
use std::num::NonZeroU64;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use toolpost_tool::{BoxFuture, Principal};

use super::stored::FRAME;
use super::{StoredTask, TaskStore, TaskStoreError};

/// Keeps the tasks of one process in memory, as many as its bounds allow: they end with the process.
///
/// Its bounds are on all tasks and on those of one principal, in number and in bytes; of callers without a name, those over
/// HTTP are told apart by their addresses here, and all others together are one. Nothing is forgotten before it expires; a
/// task that finds no room is not created, and a result that finds none is an error in its place.
///
/// ```
/// use toolpost_server::MemoryTasks;
///
/// let tasks = MemoryTasks::new().tasks(500, 50).bytes(32 << 20, 8 << 20);
/// ```
pub struct MemoryTasks {
    most: Bounds,
    most_of_one: Bounds,
    state: Mutex<State>,
}

#[derive(Clone, Copy)]
struct Bounds {
    tasks: usize,
    bytes: usize,
}

#[derive(Default)]
struct State {
    tasks: HashMap<String, StoredTask>,
    bytes: usize,
    /// The ids of each principal's tasks; nobody is in it without one.
    principals: HashMap<Principal, BTreeSet<String>>,
    /// What counts towards the bounds of one; nobody is in it without a task.
    shares: HashMap<Owner, Held>,
    /// Ids by when they expire, so that those that have are found without a look at the others.
    expiring: BTreeSet<(u64, String)>,
}

/// Whose share a task counts towards: a principal's, or an address's where nobody says who calls.
type Owner = (Principal, Option<NonZeroU64>);

#[derive(Default)]
struct Held {
    tasks: usize,
    bytes: usize,
}

impl MemoryTasks {
    /// Keeps 10,000 tasks of 128 MiB at most, and 1,000 of 32 MiB of one principal.
    #[must_use]
    pub fn new() -> Self {
        Self {
            most: Bounds { tasks: 10_000, bytes: 128 << 20 },
            most_of_one: Bounds { tasks: 1_000, bytes: 32 << 20 },
            state: Mutex::default(),
        }
    }

    /// Sets how many tasks there may be, of all and of one principal (or address, where nobody says who calls).
    #[must_use]
    pub const fn tasks(mut self, all: usize, of_one: usize) -> Self {
        (self.most.tasks, self.most_of_one.tasks) = (all, of_one);
        self
    }

    /// Sets how many bytes they may have, of all and of one principal. Each is counted for a KiB and its texts.
    #[must_use]
    pub const fn bytes(mut self, all: usize, of_one: usize) -> Self {
        (self.most.bytes, self.most_of_one.bytes) = (all, of_one);
        self
    }

    /// How many tasks are kept now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().tasks.len()
    }

    /// Whether none is kept now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn add(&self, task: &StoredTask) -> Result<(), TaskStoreError> {
        let (owner, weight, now) = (task.owner(), task.weight(), task.0.created_at);
        let mut state = self.lock();
        state.expire(now);
        if state.tasks.contains_key(task.id()) {
            return Err(TaskStoreError::failed("a task with this id is there already"));
        }
        let (own, own_bytes) = state.shares.get(&owner).map_or((0, 0), |held| (held.tasks, held.bytes));
        let has_room = |most: Bounds, tasks: usize, bytes: usize| {
            tasks < most.tasks && bytes.saturating_add(weight) <= most.bytes
        };
        if !has_room(self.most, state.tasks.len(), state.bytes) || !has_room(self.most_of_one, own, own_bytes)
        {
            return Err(state.full(now));
        }
        state.principals.entry(owner.0.clone()).or_default().insert(task.id().to_owned());
        let held = state.shares.entry(owner).or_default();
        held.tasks += 1;
        held.bytes += weight;
        state.bytes += weight;
        state.expiring.insert((task.expires_at(), task.id().to_owned()));
        state.tasks.insert(task.id().to_owned(), task.clone());
        Ok(())
    }

    fn replace(&self, task: &StoredTask) -> Result<bool, TaskStoreError> {
        let mut state = self.lock();
        let state = &mut *state;
        let Some(known) = state.tasks.get_mut(task.id()) else { return Ok(false) };
        if known.is_ended() || known.version().checked_add(1) != Some(task.version()) {
            return Ok(false);
        }
        // Whose it is and when it expires stay as they were: what is counted is found again by them.
        if (known.owner(), known.expires_at()) != (task.owner(), task.expires_at()) {
            return Err(TaskStoreError::failed(
                "a task is another's, or expires at another time, than it was created",
            ));
        }
        let Some(held) = state.shares.get_mut(&known.owner()) else { return Ok(false) };
        let (before, after) = (known.weight(), task.weight());
        let (all, own) = (state.bytes - before + after, held.bytes - before + after);
        if before < after && (self.most.bytes < all || self.most_of_one.bytes < own) && !task.is_bare_end() {
            return Err(state.full(task.0.updated_at));
        }
        *known = task.clone();
        (state.bytes, held.bytes) = (all, own);
        Ok(true)
    }

    fn page(&self, principal: &Principal, after: Option<&str>, most: usize) -> Vec<StoredTask> {
        let state = self.lock();
        let Some(ids) = state.principals.get(principal) else { return Vec::new() };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let ids = ids.range::<str, _>((from, Bound::Unbounded)).take(most);
        ids.filter_map(|id| state.tasks.get(id).cloned()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn expire(&mut self, now: u64) -> usize {
        let before = self.tasks.len();
        while self.expiring.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, id)) = self.expiring.pop_first() else { break };
            let Some(task) = self.tasks.remove(&id) else { continue };
            let (owner, weight) = (task.owner(), task.weight());
            self.bytes -= weight;
            if let Some(held) = self.shares.get_mut(&owner) {
                held.tasks -= 1;
                held.bytes -= weight;
                if held.tasks == 0 {
                    self.shares.remove(&owner);
                }
            }
            if let Some(ids) = self.principals.get_mut(&owner.0) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.principals.remove(&owner.0);
                }
            }
        }
        before - self.tasks.len()
    }

    /// When the next task expires there may be room.
    fn full(&self, now: u64) -> TaskStoreError {
        let next = self.expiring.first().map_or(now, |(at, _)| *at);
        TaskStoreError::Full { retry_after: Duration::from_millis(next.saturating_sub(now)) }
    }
}

impl StoredTask {
    fn owner(&self) -> Owner {
        (self.principal(), self.0.origin)
    }

    /// Whether it ended without a result, for which there is room in what it was counted for from the first.
    fn is_bare_end(&self) -> bool {
        self.is_ended()
            && self.0.result.is_none()
            && self.0.error.as_ref().map_or(0, String::len) <= FRAME / 2
    }
}

impl TaskStore for MemoryTasks {
    fn create<'a>(&'a self, task: &'a StoredTask) -> BoxFuture<'a, Result<(), TaskStoreError>> {
        Box::pin(ready(self.add(task)))
    }

    fn load<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<StoredTask>, TaskStoreError>> {
        Box::pin(ready(Ok(self.lock().tasks.get(id).cloned())))
    }

    fn update<'a>(&'a self, task: &'a StoredTask) -> BoxFuture<'a, Result<bool, TaskStoreError>> {
        Box::pin(ready(self.replace(task)))
    }

    fn list<'a>(
        &'a self,
        principal: &'a Principal,
        after: Option<&'a str>,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<StoredTask>, TaskStoreError>> {
        Box::pin(ready(Ok(self.page(principal, after, most))))
    }

    fn expire(&self, now: u64) -> BoxFuture<'_, Result<usize, TaskStoreError>> {
        Box::pin(ready(Ok(self.lock().expire(now))))
    }
}

impl Default for MemoryTasks {
    /// As [`new`](Self::new).
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryTasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTasks").field("tasks", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use std::collections::BTreeMap;

    use futures_util::FutureExt as _;
    use proptest::prelude::*;
    use toolpost_protocol::model::TaskStatus;

    use super::*;

    /// What a store is asked; tasks and principals by number, times in seconds.
    #[derive(Clone, Debug)]
    enum Op {
        Create {
            task: u8,
            principal: u8,
            ttl: u64,
        },
        /// Of the version that follows the one that was seen `behind` updates ago.
        Update {
            task: u8,
            behind: u64,
            status: TaskStatus,
        },
        List {
            principal: u8,
            after: Option<u8>,
            most: usize,
        },
        Expire,
    }

    fn op() -> impl Strategy<Value = Op> {
        use TaskStatus::{Cancelled, Completed, Failed, InputRequired, Working};
        let status = prop_oneof![
            3 => Just(Working), 3 => Just(InputRequired), 1 => Just(Completed), 1 => Just(Failed), 1 => Just(Cancelled),
        ];
        prop_oneof![
            (0..6_u8, 0..3_u8, 1..40_u64).prop_map(|(task, principal, ttl)| Op::Create {
                task,
                principal,
                ttl
            }),
            (0..6_u8, 0..3_u64, status).prop_map(|(task, behind, status)| Op::Update {
                task,
                behind,
                status
            }),
            (0..3_u8, prop::option::of(0..6_u8), 0..4_usize).prop_map(|(principal, after, most)| Op::List {
                principal,
                after,
                most
            }),
            Just(Op::Expire),
        ]
    }

    fn named(principal: u8) -> Principal {
        if principal == 0 { Principal::anonymous() } else { Principal::new(principal.to_string()) }
    }

    fn asked<T>(answer: BoxFuture<'_, Result<T, TaskStoreError>>) -> Result<T, TaskStoreError> {
        answer.now_or_never().expect("memory answers at once")
    }

    #[derive(Clone, Debug)]
    struct Known {
        principal: u8,
        version: u64,
        status: TaskStatus,
        expires: u64,
    }

    proptest! {
        #[test]
        fn a_store_does_what_a_map_would(ops in prop::collection::vec((op(), 0..6_u64), 1..80)) {
            let (store, mut model) = (MemoryTasks::new().tasks(5, 3), BTreeMap::<u8, Known>::new());
            let mut now = 0;
            for (op, passes) in ops {
                now += passes * 1_000;
                match op {
                    Op::Create { task, principal, ttl } => {
                        model.retain(|_, known| now < known.expires);
                        let own = model.values().filter(|known| known.principal == principal).count();
                        let fits = !model.contains_key(&task) && model.len() < 5 && own < 3;
                        let ttl = Duration::from_secs(ttl);
                        let new = StoredTask::new(task.to_string(), &named(principal), now, ttl);
                        prop_assert_eq!(asked(store.create(&new)).is_ok(), fits);
                        if fits {
                            let expires = new.expires_at();
                            model.insert(task, Known { principal, version: 1, status: TaskStatus::Working, expires });
                        }
                    }
                    Op::Update { task, behind, status } => {
                        let Some(stored) = asked(store.load(&task.to_string())).unwrap() else { continue };
                        let mut next = stored.clone();
                        next.0.version = stored.version() + 1 - behind.min(stored.version());
                        next.0.status = status.clone();
                        let known = model.get_mut(&task).unwrap();
                        let is_open = matches!(known.status, TaskStatus::Working | TaskStatus::InputRequired);
                        let takes = behind == 0 && is_open;
                        prop_assert_eq!(asked(store.update(&next)).unwrap(), takes);
                        prop_assert_eq!(stored.with_status(status.clone(), now).is_some(), is_open);
                        if takes {
                            (known.version, known.status) = (known.version + 1, status);
                        }
                    }
                    Op::List { principal, after, most } => {
                        let after = after.map(|after| after.to_string());
                        let listed = asked(store.list(&named(principal), after.as_deref(), most)).unwrap();
                        let expected = model.iter().filter(|(_, known)| known.principal == principal);
                        let expected = expected.map(|(task, _)| task.to_string());
                        let expected = expected.filter(|id| after.as_ref().is_none_or(|after| after < id));
                        prop_assert!(listed.iter().map(|task| task.id().to_owned()).eq(expected.take(most)));
                    }
                    Op::Expire => {
                        let before = model.len();
                        model.retain(|_, known| now < known.expires);
                        prop_assert_eq!(asked(store.expire(now)).unwrap(), before - model.len());
                    }
                }
                prop_assert_eq!(store.len(), model.len());
                for (task, known) in &model {
                    let stored = asked(store.load(&task.to_string())).unwrap().unwrap();
                    prop_assert_eq!((stored.version(), stored.status()), (known.version, &known.status));
                }
            }
            asked(store.expire(u64::MAX)).unwrap();
            let state = store.lock();
            prop_assert_eq!((state.bytes, state.principals.len(), state.tasks.len()), (0, 0, 0));
            prop_assert_eq!((state.shares.len(), state.expiring.len()), (0, 0));
        }
    }

    #[test]
    fn callers_without_a_name_have_a_share_for_each_address() {
        let store = MemoryTasks::new().tasks(10, 2);
        let create = |id: &str, origin: u64| {
            let mut task = StoredTask::new(id, &Principal::anonymous(), 0, Duration::from_secs(1));
            task.0.origin = NonZeroU64::new(origin);
            asked(store.create(&task)).is_ok()
        };
        assert!(create("a", 1) && create("b", 1) && !create("c", 1));
        assert!(create("d", 2) && create("e", 0), "whoever takes all of a share takes no other's");
        let listed = asked(store.list(&Principal::anonymous(), None, 9)).unwrap();
        assert_eq!(listed.len(), 4, "they are one principal all the same");
        let known = asked(store.load("a")).unwrap().unwrap();
        let moved = known.next(|task| {
            task.expires_at += 1;
            true
        });
        assert!(asked(store.update(&moved.unwrap())).is_err());
        assert_eq!(asked(store.expire(1_000)).unwrap(), 4);
        assert!(store.lock().shares.is_empty() && store.lock().principals.is_empty());
    }

    #[test]
    fn an_end_without_a_result_always_has_room() {
        let store = MemoryTasks::new().bytes(3_000, 3_000);
        let task = StoredTask::new("a", &Principal::anonymous(), 0, Duration::from_secs(1));
        asked(store.create(&task)).unwrap();
        let grown = |bytes: usize| {
            task.next(|task| {
                task.end(TaskStatus::Completed, "", 0);
                task.result = Some("x".repeat(bytes));
                true
            })
        };
        assert!(matches!(asked(store.update(&grown(3_000).unwrap())), Err(TaskStoreError::Full { .. })));
        let other = StoredTask::new("b", &Principal::anonymous(), 0, Duration::from_secs(1));
        asked(store.create(&other)).unwrap();
        let failed = task.next(|task| {
            task.end(TaskStatus::Failed, &"why ".repeat(1_000), 0);
            task.error = Some("e".repeat(500));
            true
        });
        assert!(asked(store.update(&failed.unwrap())).unwrap(), "however full it is");
    }
}

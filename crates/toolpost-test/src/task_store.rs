//! The contract of a store of tasks, as tests.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use toolpost_protocol::model::TaskStatus;
use toolpost_server::{StoredTask, TaskStore};
use toolpost_tool::Principal;

/// When the tasks of these tests begin, in milliseconds of Unix time.
const BEGIN: u64 = 1_800_000_000_000;

/// Checks that a [`TaskStore`] keeps its contract; `store` makes an empty one for each part of it, which may be the same
/// place again if the ids that it has are forgotten.
///
/// ```
/// use toolpost_server::MemoryTasks;
/// use toolpost_test::check_task_store;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// check_task_store(async || MemoryTasks::new()).await;
/// # });
/// ```
///
/// # Panics
///
/// If the store breaks the contract; the message says which part of it.
///
/// # Cancel safety
///
/// When the future is dropped, some of the tasks stay in the store.
pub async fn check_task_store<S: TaskStore>(store: impl AsyncFn() -> S) {
    what_is_created_is_found(&store().await).await;
    an_update_follows_one_version(&store().await).await;
    an_end_is_never_replaced(&store().await).await;
    of_updates_at_once_one_takes_place(store().await).await;
    a_list_has_what_is_the_principals(&store().await).await;
    what_has_expired_is_forgotten(&store().await).await;
}

fn task(id: &str, principal: &Principal, seconds: u64) -> StoredTask {
    StoredTask::new(id, principal, BEGIN, Duration::from_secs(seconds))
}

fn working(task: &StoredTask) -> StoredTask {
    task.with_status(TaskStatus::Working, BEGIN).expect("it has not ended")
}

async fn load(store: &impl TaskStore, id: &str) -> Option<StoredTask> {
    store.load(id).await.expect("a load answers")
}

async fn update(store: &impl TaskStore, task: &StoredTask) -> bool {
    store.update(task).await.expect("an update answers")
}

async fn what_is_created_is_found(store: &impl TaskStore) {
    let first = task("a1", &Principal::new("ada"), 60);
    store.create(&first).await.expect("there is room for one task");
    assert_eq!(load(store, "a1").await.as_ref(), Some(&first), "what was acknowledged is found as it was");
    assert_eq!(load(store, "a").await, None, "what was never created is not found");
    assert_eq!(load(store, "").await, None, "what was never created is not found");
    let second = task("a1", &Principal::new("bob"), 60);
    assert!(store.create(&second).await.is_err(), "an id that is taken is refused");
    assert_eq!(load(store, "a1").await, Some(first), "and its first task stays");
}

async fn an_update_follows_one_version(store: &impl TaskStore) {
    let first = task("b1", &Principal::anonymous(), 60);
    let second = working(&first);
    assert!(!update(store, &second).await, "what was never created is not updated");
    assert_eq!(load(store, "b1").await, None, "nor created by it");
    store.create(&first).await.expect("there is room for one task");
    assert!(!update(store, &first).await, "an update is of the version that follows");
    assert!(!update(store, &working(&second)).await, "an update that leaves out a version is refused");
    assert!(update(store, &second).await, "the version that follows takes place");
    assert!(!update(store, &second).await, "and takes place once");
    assert_eq!(load(store, "b1").await, Some(second), "the update is what is found");
}

async fn an_end_is_never_replaced(store: &impl TaskStore) {
    for (id, end) in
        [("c1", TaskStatus::Completed), ("c2", TaskStatus::Failed), ("c3", TaskStatus::Cancelled)]
    {
        let first = task(id, &Principal::new("ada"), 60);
        store.create(&first).await.expect("there is room for three tasks");
        let ended = first.with_status(end, BEGIN).expect("it has not ended");
        assert!(update(store, &ended).await, "an end takes place");
        // Of the version that would follow, had it not ended.
        let late = working(&working(&first));
        assert_eq!(late.version(), ended.version() + 1);
        assert!(!update(store, &late).await, "a task that has ended is never replaced");
        assert_eq!(load(store, id).await, Some(ended), "its end is what is found");
    }
}

async fn of_updates_at_once_one_takes_place(store: impl TaskStore) {
    let store = Arc::new(store);
    let first = task("d1", &Principal::new("ada"), 60);
    store.create(&first).await.expect("there is room for one task");
    let next = working(&first);
    let mut updates = JoinSet::new();
    for _ in 0..16 {
        let (store, next) = (Arc::clone(&store), next.clone());
        updates.spawn(async move { update(&*store, &next).await });
    }
    let taken = updates.join_all().await.into_iter().filter(|taken| *taken).count();
    assert_eq!(taken, 1, "of updates that follow one version, one takes place");
}

async fn a_list_has_what_is_the_principals(store: &impl TaskStore) {
    let (ada, bob, nobody, empty) =
        (Principal::new("ada"), Principal::new("bob"), Principal::anonymous(), Principal::new(""));
    // Not created in the order of their ids.
    for (id, principal) in
        [("e5", &ada), ("e1", &ada), ("e2", &bob), ("e4", &ada), ("e3", &nobody), ("e6", &empty)]
    {
        store.create(&task(id, principal, 60)).await.expect("there is room for six tasks");
    }
    let list = async |principal: &Principal, after: Option<&str>, most: usize| {
        let listed = store.list(principal, after, most).await.expect("a list answers");
        listed.iter().map(|task| task.id().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list(&ada, None, 9).await, ["e1", "e4", "e5"], "a list is in the order of its ids");
    assert_eq!(list(&ada, None, 2).await, ["e1", "e4"], "and no longer than asked for");
    assert_eq!(list(&ada, Some("e1"), 9).await, ["e4", "e5"], "and goes on after an id");
    assert_eq!(list(&ada, Some("e3"), 9).await, ["e4", "e5"], "also after one that is not in it");
    assert!(list(&ada, Some("e5"), 9).await.is_empty(), "until there are no more");
    assert_eq!(list(&nobody, None, 9).await, ["e3"], "anonymous is a principal of its own");
    assert_eq!(list(&empty, None, 9).await, ["e6"], "and not the one with an empty name");
    assert!(list(&Principal::new("eve"), None, 9).await.is_empty(), "and who has no tasks has none");
}

async fn what_has_expired_is_forgotten(store: &impl TaskStore) {
    let ada = Principal::new("ada");
    let mut left = BTreeSet::new();
    for (id, seconds) in [("f1", 10), ("f2", 20), ("f3", 30)] {
        store.create(&task(id, &ada, seconds)).await.expect("there is room for three tasks");
        left.insert(id);
    }
    for (after, gone) in [(9_999, None), (10_000, Some("f1")), (10_000, None), (25_000, Some("f2"))] {
        let forgotten = store.expire(BEGIN + after).await.expect("it answers");
        assert_eq!(forgotten, usize::from(gone.is_some()), "what has expired is counted, once");
        left.retain(|id| gone != Some(*id));
        let listed = store.list(&ada, None, 9).await.expect("a list answers");
        let listed: BTreeSet<_> = listed.iter().map(StoredTask::id).collect();
        assert_eq!(listed, left, "what has expired is forgotten, and nothing before it has");
    }
    assert_eq!(load(store, "f1").await, None, "what is forgotten is not found");
    assert!(load(store, "f3").await.is_some());
}

//! Work of the host that outlives a call.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use toolpost_tool::BoxFuture;

/// Counts work that outlives the calls which began it, so that a [drain](crate::Runtime::drain) waits for it: child
/// processes, workers, connections, log writers. Registered under a name by
/// [`RuntimeBuilder::background`](crate::RuntimeBuilder::background).
///
/// ```
/// use std::time::Duration;
/// use tokio::sync::watch;
/// use toolpost::tool::BoxFuture;
/// use toolpost::{Background, Runtime};
///
/// /// How many workers run.
/// struct Workers(watch::Sender<usize>);
///
/// impl Background for Workers {
///     fn busy(&self) -> usize {
///         *self.0.borrow()
///     }
///
///     fn idle(&self) -> BoxFuture<'_, ()> {
///         let mut running = self.0.subscribe();
///         Box::pin(async move {
///             let _none = running.wait_for(|running| *running == 0).await;
///         })
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
/// let runtime = Runtime::builder().background("workers", Workers(watch::Sender::new(2))).build().unwrap();
/// let remaining = runtime.drain(Duration::from_secs(1)).await.unwrap_err();
/// assert_eq!(remaining.background["workers"], 2);
/// # });
/// ```
///
/// # Contract
///
/// Implementations never block. One that panics costs the drain nothing but what it was asked: without a count, one
/// piece of work is taken to run; without an end of the waiting, it is not waited for.
pub trait Background: Send + Sync + 'static {
    /// How many pieces of work run now.
    fn busy(&self) -> usize;

    /// Resolves once no work runs. A drain may call this more than once.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future must stop the waiting, and nothing else.
    fn idle(&self) -> BoxFuture<'_, ()>;
}

impl<B: Background + ?Sized> Background for Arc<B> {
    fn busy(&self) -> usize {
        (**self).busy()
    }

    fn idle(&self) -> BoxFuture<'_, ()> {
        (**self).idle()
    }
}

/// All background work of a runtime, by name.
#[derive(Clone, Default)]
pub(crate) struct Owners(Arc<[(String, Box<dyn Background>)]>);

impl Owners {
    pub(crate) fn new(owners: Vec<(String, Box<dyn Background>)>) -> Self {
        Self(owners.into())
    }

    /// A fault for each name that is given again.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut names = BTreeSet::new();
        let again = self.0.iter().filter(|(name, _)| !names.insert(name));
        again.map(|(name, _)| format!("two kinds of background work are called `{name}`")).collect()
    }

    /// How much runs under each name under which any does.
    pub(crate) fn busy(&self) -> BTreeMap<String, usize> {
        let count = |(name, owner): &(String, Box<dyn Background>)| {
            let busy = catch_unwind(AssertUnwindSafe(|| owner.busy())).unwrap_or(1);
            (0 < busy).then(|| (name.clone(), busy))
        };
        self.0.iter().filter_map(count).collect()
    }

    /// Resolves when all are idle. Cancel safe.
    pub(crate) async fn idle(&self) {
        let each = self.0.iter().map(|(_, owner)| {
            // The making of the future may panic as well as its polls.
            AssertUnwindSafe(async { owner.idle().await }).catch_unwind()
        });
        let _panicked = join_all(each).await;
    }
}

impl fmt::Debug for Owners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

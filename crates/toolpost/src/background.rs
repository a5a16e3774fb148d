//! Work of the host that outlives a call.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

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

/// A drain lets calls that have begun start their programs, ends workers that have no call, and waits until no process runs.
#[cfg(all(unix, feature = "process"))]
impl Background for toolpost_process::Supervisor {
    fn busy(&self) -> usize {
        self.running()
    }

    fn idle(&self) -> BoxFuture<'_, ()> {
        self.close();
        Box::pin(self.idle())
    }
}

/// All background work of a runtime, by name.
#[derive(Clone, Default)]
pub(crate) struct Owners(Arc<[Owner]>);

struct Owner {
    name: String,
    work: Box<dyn Background>,
    /// Whether the waiting for it has panicked: it is waited for no more.
    given_up: AtomicBool,
}

impl Owners {
    pub(crate) fn new(owners: Vec<(String, Box<dyn Background>)>) -> Self {
        let owner = |(name, work)| Owner { name, work, given_up: AtomicBool::new(false) };
        Self(owners.into_iter().map(owner).collect())
    }

    /// A fault for each name that is given again.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut names = BTreeSet::new();
        let again = self.0.iter().map(|owner| &owner.name).filter(|name| !names.insert(*name));
        again.map(|name| format!("two kinds of background work are called `{name}`")).collect()
    }

    /// How much runs under each name under which any does.
    pub(crate) fn busy(&self) -> BTreeMap<String, usize> {
        let count = |owner: &Owner| {
            let busy = owner.busy();
            (0 < busy).then(|| (owner.name.clone(), busy))
        };
        self.0.iter().filter_map(count).collect()
    }

    /// Whether any is known to run that can be waited for.
    pub(crate) fn is_worth_waiting(&self) -> bool {
        let counted = |owner: &Owner| owner.counted().unwrap_or(0);
        self.0.iter().any(|owner| !owner.given_up.load(Ordering::Relaxed) && 0 < counted(owner))
    }

    /// Resolves when all are idle. Cancel safe.
    pub(crate) async fn idle(&self) {
        join_all(self.0.iter().map(|owner| Waiting { owner, idle: None, is_over: false })).await;
    }
}

impl Owner {
    fn busy(&self) -> usize {
        self.counted().unwrap_or(1)
    }

    /// Nothing if the count panics.
    fn counted(&self) -> Option<usize> {
        catch_unwind(AssertUnwindSafe(|| self.work.busy())).ok()
    }
}

/// Waits for one owner, whose future may panic when it is made, polled and dropped.
struct Waiting<'a> {
    owner: &'a Owner,
    idle: Option<BoxFuture<'a, ()>>,
    is_over: bool,
}

impl Future for Waiting<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { owner, idle, is_over } = &mut *self;
        if *is_over || owner.given_up.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        let polled = catch_unwind(AssertUnwindSafe(|| {
            idle.get_or_insert_with(|| owner.work.idle()).as_mut().poll(cx)
        }));
        match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => {}
            Err(_panic) => owner.given_up.store(true, Ordering::Relaxed),
        }
        *is_over = true;
        Poll::Ready(())
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let idle = self.idle.take();
        let _panicked = catch_unwind(AssertUnwindSafe(|| drop(idle)));
    }
}

impl fmt::Debug for Owners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|owner| &owner.name)).finish()
    }
}

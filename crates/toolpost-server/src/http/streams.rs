//! The streams of one HTTP/2 connection: counted, and ended when their answers make no progress.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;

use crate::clock;

/// How long an answer may stand still on a connection that is to end.
const LAST_PATIENCE: Duration = Duration::from_millis(750);

tokio::task_local! {
    /// The stream whose task this is.
    static STREAM: Arc<Progress>;
}

/// Runs the streams of one HTTP/2 connection, and counts them.
#[derive(Clone)]
pub(crate) struct Streams {
    pub(crate) tasks: TaskTracker,
    /// How long an answer may stand still because the client's window lets nothing through.
    pub(crate) patience: Duration,
    /// Cancelled when the connection is to end: from then on for [`LAST_PATIENCE`].
    pub(crate) leave: CancellationToken,
}

/// An answer that stands still.
struct Still {
    steps: u64,
    timer: Pin<Box<Sleep>>,
    /// None once the connection is to end.
    leave: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

/// How far the answer on one stream has come.
#[derive(Debug, Default)]
pub(crate) struct Progress(AtomicU64);

impl Progress {
    /// That of the stream whose task asks; `None` elsewhere.
    pub(crate) fn of_task() -> Option<Arc<Self>> {
        STREAM.try_with(Arc::clone).ok()
    }

    /// Notes that there was a next piece to send, or none yet.
    pub(crate) fn step(&self, sends: bool) {
        let steps = self.0.load(Ordering::Relaxed);
        self.0.store(steps + if (steps & 1 == 1) == sends { 2 } else { 1 }, Ordering::Relaxed);
    }

    /// An odd number while a piece waits to be sent, and another one for each piece.
    fn steps(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let (progress, patience) = (Arc::new(Progress::default()), self.patience);
        let leave = self.leave.clone();
        let watched = STREAM.scope(Arc::clone(&progress), async move {
            let mut stream = pin!(stream);
            let mut still = None;
            poll_fn(|cx| {
                if stream.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                stands_still(&mut still, progress.steps(), (patience, &leave), cx)
            })
            .await;
        });
        self.tasks.spawn(watched);
    }
}

/// Ready when a piece has waited for too long: then the stream is reset.
fn stands_still(
    still: &mut Option<Still>,
    steps: u64,
    (patience, leave): (Duration, &CancellationToken),
    cx: &mut Context<'_>,
) -> Poll<()> {
    if steps & 1 == 0 {
        *still = None;
        return Poll::Pending;
    }
    let still = still.get_or_insert_with(|| Still {
        steps,
        timer: Box::pin(clock::sleep(patience)),
        leave: Some(Box::pin(leave.clone().cancelled_owned())),
    });
    let leaves = still.leave.as_mut().is_some_and(|leave| leave.as_mut().poll(cx).is_ready());
    if leaves {
        still.leave = None;
    }
    if still.steps != steps || leaves {
        still.steps = steps;
        let patience = if still.leave.is_some() { patience } else { patience.min(LAST_PATIENCE) };
        still.timer.as_mut().reset((clock::now() + patience).into());
    }
    still.timer.as_mut().poll(cx)
}

//! The streams of one HTTP/2 connection: counted, and ended when their answers make no progress.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;
use tokio_util::task::TaskTracker;

use crate::clock;

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
        let watched = STREAM.scope(Arc::clone(&progress), async move {
            let mut stream = pin!(stream);
            let mut still: Option<(u64, Pin<Box<Sleep>>)> = None;
            poll_fn(|cx| {
                if stream.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                stands_still(&mut still, progress.steps(), patience, cx)
            })
            .await;
        });
        self.tasks.spawn(watched);
    }
}

/// Ready when a piece has waited for too long: then the stream is reset.
fn stands_still(
    still: &mut Option<(u64, Pin<Box<Sleep>>)>,
    steps: u64,
    patience: Duration,
    cx: &mut Context<'_>,
) -> Poll<()> {
    if steps & 1 == 0 {
        *still = None;
        return Poll::Pending;
    }
    let (since, timer) = still.get_or_insert_with(|| (steps, Box::pin(clock::sleep(patience))));
    if *since != steps {
        *since = steps;
        timer.as_mut().reset((clock::now() + patience).into());
    }
    timer.as_mut().poll(cx)
}
